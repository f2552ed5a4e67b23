from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.engines import chosen_engines

from . import teacher_nodes
from .nodes import ask_and_answer, ask_passages, make_examples

_SYNTHESISED = [
    "training_queries",
    "qa_pairs",
    "qa_evidence",
    "synthesis_rejections",
    "synthesis_ledger",
]


def create_pipeline(**_: object) -> Pipeline:
    """Sentences, graph and reports to training examples."""
    by_teacher = chosen_engines().synthesize_qa == "teacher"
    examples = Node(
        make_examples,
        inputs=[
            "training_queries",
            "qa_pairs",
            "base_model_folder",
            "kept_tables",
            "params:examples",
        ],
        outputs=["training_examples", "example_rejections"],
        name="build_examples",
    )
    reading = Node(
        ask_passages,
        inputs=[
            "documents",
            "sentences",
            "entity_mentions",
            "entities",
            "evaluation_queries",
            "base_model_folder",
            "kept_tables",
            "params:reading_questions",
            "params:synthesis",
            "params:extraction",
        ],
        outputs=["reading_questions", "reading_rejections"],
        name="ask_about_passages",
    )
    return Pipeline([_taught() if by_teacher else _from_templates(), examples, reading])


def _from_templates() -> Node:
    return Node(
        ask_and_answer,
        inputs=[
            "documents",
            "sentences",
            "entity_mentions",
            "entities",
            "relationships",
            "community_reports",
            "report_findings",
            "evaluation_queries",
            "base_model_folder",
            "kept_tables",
            "params:synthesis",
            "params:extraction",
        ],
        outputs=_SYNTHESISED,
        name="synthesize_pairs",
    )


def _taught() -> Node:
    return Node(
        teacher_nodes.ask_and_answer,
        inputs=[
            "documents",
            "chunks",
            "sentences",
            "entity_mentions",
            "entities",
            "relationships",
            "entity_chunks",
            "relationship_chunks",
            "community_members",
            "community_reports",
            "report_findings",
            "evaluation_queries",
            "base_model_folder",
            "teacher",
            "synthesis_prompts",
            "params:synthesis",
            "params:teaching",
        ],
        outputs=[*_SYNTHESISED, "synthesis_calls", "grounding_calibration"],
        name="synthesize_pairs",
    )
