from kedro.pipeline import Node, Pipeline

from .nodes import ask_and_answer, make_examples


def create_pipeline(**_: object) -> Pipeline:
    """Sentences, graph and reports to training examples."""
    return Pipeline(
        [
            Node(
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
                    "params:synthesis",
                    "params:extraction",
                ],
                outputs=[
                    "training_queries",
                    "qa_pairs",
                    "qa_evidence",
                    "synthesis_rejections",
                    "synthesis_ledger",
                ],
                name="synthesize_pairs",
            ),
            Node(
                make_examples,
                inputs=[
                    "training_queries",
                    "qa_pairs",
                    "base_model_folder",
                    "params:examples",
                ],
                outputs=["training_examples", "example_rejections"],
                name="build_examples",
            ),
        ]
    )
