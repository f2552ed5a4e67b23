"""The pipelines by name; `__default__` is the whole way from corpus to report."""

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from ragtuned_kedro.pipelines.estimate.pipeline import NODE as ESTIMATING
from ragtuned_kedro.pipelines.lineage import find_stages

# What a comparison takes where the adapter and the questions are there.
_EVALUATING = (
    "ask_questions",
    "generate_questions",
    "answer_queries",
    "score_answers",
    "judge_answers",
    "report_results",
)


def register_pipelines() -> dict[str, Pipeline]:
    """Find every folder below `pipelines`; their sum is the default.

    All are found whatever a command asks for: `evaluate` is made of several of them.
    """
    stages = find_stages()
    return {
        **stages,
        "__default__": sum(stages.values(), start=Pipeline([])),
        "evaluate": _evaluate(stages),
    }


def _evaluate(stages: Mapping[str, Pipeline]) -> Pipeline:
    """Compare all systems on all questions, with an existing adapter.

    The default asks most systems a sample of the questions; here the same nodes take them all.
    """
    estimating = stages["estimate"].only_nodes(ESTIMATING)
    return Pipeline(
        sum((stages[name] for name in _EVALUATING), start=estimating),
        parameters={"params:compared_questions": "params:all_questions"},
    )
