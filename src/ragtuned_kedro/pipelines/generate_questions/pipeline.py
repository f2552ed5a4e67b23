from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.engines import chosen_engines

from .nodes import choose_compared, collect_questions, generate_questions
from .teacher_nodes import have_questions_written

_GENERATED = [
    "generated_queries",
    "generated_assertions",
    "generated_evidence",
    "generated_rejections",
]


def create_pipeline(**_: object) -> Pipeline:
    """Generate questions, join them with those by hand, choose what all systems are asked."""
    by_teacher = chosen_engines().generate_questions == "teacher"
    return Pipeline(
        [
            _taught() if by_teacher else _from_graph(),
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


def _from_graph() -> Node:
    return Node(
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
        outputs=_GENERATED,
        name="generate_questions",
    )


def _taught() -> Node:
    return Node(
        have_questions_written,
        inputs=[
            "documents",
            "chunks",
            "sentences",
            "entities",
            "entity_mentions",
            "communities",
            "community_members",
            "community_reports",
            "training_queries",
            "evaluation_queries",
            "teacher",
            "evaluation_prompts",
            "params:generation",
            "params:teacher_questions",
            "params:teaching",
        ],
        outputs=[*_GENERATED, "question_calls"],
        name="generate_questions",
    )
