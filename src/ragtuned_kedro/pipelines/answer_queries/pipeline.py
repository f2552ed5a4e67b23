from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.systems import BASELINE, CANDIDATE

from .nodes import answer_queries, open_base_model, open_rag_tuned

_SETTINGS = {"params:base_model", "params:answering", "params:examples"}
_SHARED = {"evaluation_queries", "base_model_folder", "completion_folder"}


def create_pipeline(**_: object) -> Pipeline:
    """Let every system answer the same queries; a system is how it is opened, and a namespace."""
    opened = ["base_model_folder", "params:base_model", "params:answering"]
    open_baseline = Node(open_base_model, inputs=opened, outputs="system", name="open")
    open_candidate = Node(
        open_rag_tuned,
        inputs=["base_model_folder", "adapter", "params:base_model", "params:answering"],
        outputs="system",
        name="open",
    )
    return _answering(BASELINE, open_baseline, _SHARED) + _answering(
        CANDIDATE, open_candidate, _SHARED | {"adapter"}
    )


def _answering(system: str, open_system: Node, inputs: set[str]) -> Pipeline:
    answer = Node(
        answer_queries,
        inputs=[
            "system",
            "evaluation_queries",
            "completion_folder",
            "params:answering",
            "params:examples",
        ],
        outputs="answers",
        name="answer_queries",
    )
    return Pipeline([open_system, answer], namespace=system, inputs=inputs, parameters=_SETTINGS)
