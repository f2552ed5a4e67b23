"""The pipelines by name; `__default__` is the whole way from corpus to report."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

from ragtuned_kedro.pipelines.engines import EMBEDDED, chosen_engines


def register_pipelines() -> dict[str, Pipeline]:
    """Find every folder below `pipelines`; their sum is the default.

    Without a teacher there is nothing to estimate, and its endpoint is not even read.
    """
    pipelines = find_pipelines(raise_errors=True)
    without = {"estimate"} if chosen_engines() == EMBEDDED else set()
    wanted = (one for name, one in pipelines.items() if name not in without)
    pipelines["__default__"] = sum(wanted, start=Pipeline([]))
    return pipelines
