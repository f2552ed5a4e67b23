from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.engines import chosen_engines

from .nodes import compare, list_disclosures

_CALLS_OF = {
    "build_graph": ["extraction_calls", "description_calls"],
    "write_reports": ["report_calls"],
    "synthesize_qa": ["synthesis_calls"],
    "generate_questions": ["question_calls"],
}
_PRICED = ("call_estimates", "embedder_folder")
_KNOWN = (
    "documents",
    "chunks",
    "entity_chunks",
    "relationship_chunks",
    "community_members",
    "query_evidence",
    "sentences",
    "embedder_folder",
    "sendings",
)


def create_pipeline(**_: object) -> Pipeline:
    """Calls to what they cost and to what they told; both are empty where no model was asked."""
    engines = chosen_engines().model_dump()
    taught = [
        name for stage, names in _CALLS_OF.items() if engines[stage] == "teacher" for name in names
    ]
    # Without a stage for the teacher its endpoint is not even read.
    askers = ["judge", "teacher"] if taught else ["judge"]
    calls = [*taught, "judge_calls", "embedding_calls"]
    return Pipeline(
        [
            Node(
                compare,
                inputs={name: name for name in (*_PRICED, *askers, *calls)},
                outputs="spendings",
                name="compare_spending",
            ),
            Node(
                list_disclosures,
                inputs={name: name for name in (*_KNOWN, *calls)},
                outputs="disclosures",
                name="list_disclosures",
            ),
        ]
    )
