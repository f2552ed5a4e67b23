from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.engines import chosen_engines

from .nodes import compare, list_disclosures

_CALLS_OF = {
    "build_graph": ["extraction_calls", "description_calls"],
    "write_reports": ["report_calls"],
    "synthesize_qa": ["synthesis_calls"],
}


def create_pipeline(**_: object) -> Pipeline:
    """Calls to what they cost and to what they told; nothing where no teacher is asked."""
    engines = chosen_engines().model_dump()
    calls = [
        name for stage, names in _CALLS_OF.items() if engines[stage] == "teacher" for name in names
    ]
    if not calls:
        return Pipeline([])
    named = {name: name for name in calls}
    known = ["documents", "chunks", "entity_chunks", "relationship_chunks", "community_members"]
    return Pipeline(
        [
            Node(
                compare,
                inputs={"call_estimates": "call_estimates", "teacher": "teacher"} | named,
                outputs="spendings",
                name="compare_spending",
            ),
            Node(
                list_disclosures,
                inputs={name: name for name in known} | named,
                outputs="disclosures",
                name="list_disclosures",
            ),
        ]
    )
