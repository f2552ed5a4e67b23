from kedro.pipeline import Node, Pipeline

from .nodes import choose_compared, read_question_files


def create_pipeline(**_: object) -> Pipeline:
    """Read question files and choose what all systems are asked."""
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
            ),
            Node(
                choose_compared,
                inputs=["evaluation_queries", "params:compared_questions"],
                outputs="compared_queries",
                name="choose_compared",
            ),
        ]
    )
