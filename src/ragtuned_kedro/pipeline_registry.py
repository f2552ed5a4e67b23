"""The pipelines by name; `__default__` is the whole way from corpus to report."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

from ragtuned_kedro.pipelines import answer_queries, ask_questions, report_results, score_answers


def register_pipelines() -> dict[str, Pipeline]:
    """Find every folder below `pipelines`; their sum is the default."""
    pipelines = find_pipelines(raise_errors=True)
    pipelines["__default__"] = sum(pipelines.values(), start=Pipeline([]))
    pipelines["evaluate"] = _evaluate()
    return pipelines


def _evaluate() -> Pipeline:
    """Compare all systems on all questions, with an existing adapter.

    The default asks most systems a sample of the questions; here the same nodes take them all.
    """
    parts = (ask_questions, answer_queries, score_answers, report_results)
    return Pipeline(
        sum((part.create_pipeline() for part in parts), start=Pipeline([])),
        parameters={"params:compared_questions": "params:all_questions"},
    )
