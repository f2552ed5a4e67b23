from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.engines import chosen_engines

from . import teacher_nodes
from .nodes import write

_WRITTEN = ["community_reports", "report_findings", "report_rejections"]


def create_pipeline(**_: object) -> Pipeline:
    """Communities to reports."""
    by_teacher = chosen_engines().write_reports == "teacher"
    return Pipeline([_taught() if by_teacher else _extractive()])


def _extractive() -> Node:
    return Node(
        write,
        inputs=[
            "communities",
            "community_members",
            "entities",
            "entity_mentions",
            "sentences",
            "base_model_folder",
            "params:reports",
        ],
        outputs=_WRITTEN,
        name="write_reports",
    )


def _taught() -> Node:
    return Node(
        teacher_nodes.write,
        inputs=[
            "communities",
            "community_members",
            "entities",
            "relationships",
            "base_model_folder",
            "teacher",
            "report_prompts",
            "params:reports",
            "params:teaching",
        ],
        outputs=[*_WRITTEN, "report_calls"],
        name="write_reports",
    )
