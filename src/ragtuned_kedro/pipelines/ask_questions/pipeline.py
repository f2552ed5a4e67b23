from kedro.pipeline import Node, Pipeline

from .nodes import read_question_files


def create_pipeline(**_: object) -> Pipeline:
    """Read question files."""
    return Pipeline(
        [
            Node(
                read_question_files,
                inputs=["raw_questions", "documents"],
                outputs=[
                    "evaluation_queries",
                    "assertions",
                    "query_evidence",
                    "evaluation_rejections",
                ],
                name="read_question_files",
            )
        ]
    )
