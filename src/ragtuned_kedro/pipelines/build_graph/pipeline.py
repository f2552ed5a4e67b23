from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.engines import chosen_engines

from . import teacher_nodes
from .nodes import extract, link, merge


def create_pipeline(**_: object) -> Pipeline:
    """Documents to mentions, entities, relationships and the graph."""
    by_teacher = chosen_engines().build_graph == "teacher"
    nodes = _taught() if by_teacher else [_extract(), _merge("entities", "relationships")]
    linking = Node(
        link, inputs=["entities", "relationships"], outputs="knowledge_graph", name="build_graph"
    )
    return Pipeline([*nodes, linking])


def _extract() -> Node:
    return Node(
        extract,
        inputs=["documents", "chunks", "kept_tables", "params:extraction"],
        outputs=["sentences", "entity_mentions", "relationship_mentions"],
        name="extract_mentions",
    )


def _merge(entities: str, relationships: str) -> Node:
    return Node(
        merge,
        inputs=["entity_mentions", "relationship_mentions", "params:extraction"],
        outputs=[entities, relationships, "entity_chunks", "relationship_chunks"],
        name="merge_mentions",
    )


def _taught() -> list[Node]:
    """Sentences by spaCy, mentions and descriptions by the teacher."""
    return [
        Node(
            teacher_nodes.split,
            inputs=["documents", "chunks", "params:extraction"],
            outputs="sentences",
            name="split_sentences",
        ),
        Node(
            teacher_nodes.extract,
            inputs=[
                "chunks",
                "sentences",
                "teacher",
                "graph_prompts",
                "params:extraction",
                "params:teaching",
            ],
            outputs=[
                "entity_mentions",
                "relationship_mentions",
                "extraction_calls",
                "extraction_rejections",
            ],
            name="extract_mentions",
        ),
        _merge("merged_entities", "merged_relationships"),
        Node(
            teacher_nodes.describe,
            inputs=[
                "merged_entities",
                "merged_relationships",
                "entity_mentions",
                "relationship_mentions",
                "teacher",
                "graph_prompts",
                "params:teaching",
            ],
            outputs=["entities", "relationships", "description_calls", "description_rejections"],
            name="describe_entities",
        ),
    ]
