from kedro.pipeline import Node, Pipeline

from .nodes import write


def create_pipeline(**_: object) -> Pipeline:
    """Communities to reports."""
    return Pipeline(
        [
            Node(
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
                outputs=["community_reports", "report_findings", "report_rejections"],
                name="write_reports",
            )
        ]
    )
