from kedro.pipeline import Node, Pipeline

from .nodes import choose_compared, collect_questions, generate_questions


def create_pipeline(**_: object) -> Pipeline:
    """Generate questions, join them with those by hand, choose what all systems are asked."""
    return Pipeline(
        [
            Node(
                generate_questions,
                inputs=[
                    "documents",
                    "sentences",
                    "entities",
                    "entity_mentions",
                    "community_members",
                    "training_queries",
                    "evaluation_queries",
                    "params:generation",
                ],
                outputs=[
                    "generated_queries",
                    "generated_assertions",
                    "generated_evidence",
                    "generated_rejections",
                ],
                name="generate_questions",
            ),
            Node(
                collect_questions,
                inputs=[
                    "evaluation_queries",
                    "generated_queries",
                    "assertions",
                    "generated_assertions",
                ],
                outputs=["asked_queries", "asked_assertions"],
                name="collect_questions",
            ),
            Node(
                choose_compared,
                inputs=["evaluation_queries", "generated_queries", "params:compared_questions"],
                outputs="compared_queries",
                name="choose_compared",
            ),
        ]
    )
