"""Which engine each pipeline is built for, as the environment of a run says.

Kedro builds pipelines once per process, before it hands parameters to anybody; the project's
context therefore tells this module first, and has the pipelines built anew where it changes.
"""

from ragtuned_kedro.schemas.teaching_parameters import EngineParams

EMBEDDED = EngineParams(
    build_graph="embedded",
    write_reports="embedded",
    synthesize_qa="embedded",
    generate_questions="embedded",
)

_chosen = [EMBEDDED]


def choose_engines(engines: EngineParams) -> bool:
    """Build pipelines for these engines from now on; tell whether that is a change."""
    is_change = engines != _chosen[0]
    _chosen[0] = engines
    return is_change


def chosen_engines() -> EngineParams:
    """Tell the engines."""
    return _chosen[0]
