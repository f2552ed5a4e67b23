"""Laws of communities and their reports."""

import networkx as nx
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtuned_kedro.communities.detect import detect_communities
from ragtuned_kedro.communities.report import write_reports
from ragtuned_kedro.schemas.graph_tables import EntityChunks
from ragtuned_kedro.schemas.tables import frame_of
from tests.conftest import Village, count_words


def detect(graph: nx.Graph, max_size: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    links = [{"entity_id": n, "chunk_id": "chunk-1", "n_mentions": 1} for n in sorted(graph)]
    return detect_communities(
        graph,
        frame_of(EntityChunks, links),
        max_size=max_size,
        resolution=1.0,
        n_iterations=5,
        max_levels=6,
        seed=3,
    )


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 25),
    edges=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), max_size=60),
)
def test_every_entity_has_one_home_per_level_and_members_nest(
    n: int, edges: list[tuple[int, int]]
) -> None:
    graph = nx.Graph()
    graph.add_nodes_from(f"ent-{i:02}" for i in range(n))
    graph.add_weighted_edges_from(
        (f"ent-{a:02}", f"ent-{b:02}", 1.0) for a, b in edges if a != b and a < n and b < n
    )
    communities, members = detect(graph)
    for _, level in members.groupby("level"):
        assert sorted(level["entity_id"]) == sorted(graph)
    of = members.groupby("community_id")["entity_id"].agg(set).to_dict()
    for row in communities.itertuples():
        if row.level:
            assert of[row.community_id] <= of[row.parent_id]


def test_an_edgeless_graph_is_gathered_not_crashed_on() -> None:
    graph = nx.Graph()
    graph.add_nodes_from(f"ent-{i}" for i in range(9))
    communities, _ = detect(graph)
    assert communities["n_entities"].tolist() == [4, 4, 1]


def test_an_empty_graph_has_no_communities() -> None:
    communities, members = detect(nx.Graph())
    assert communities.empty
    assert members.empty


def test_detection_is_seeded() -> None:
    graph = nx.gnm_random_graph(40, 80, seed=1)
    graph = nx.relabel_nodes(graph, {i: f"ent-{i:02}" for i in graph})
    nx.set_edge_attributes(graph, 1.0, "weight")
    pd.testing.assert_frame_equal(detect(graph)[0], detect(graph)[0])


def test_every_community_has_a_report_that_cites_its_sentences(village: Village) -> None:
    assert set(village.reports["community_id"]) == set(village.communities["community_id"])
    statements = dict(
        zip(village.sentences["sentence_id"], village.sentences["statement"], strict=True)
    )
    for row in village.findings.itertuples():
        assert row.explanation == statements[row.sentence_id]


def test_a_parent_that_does_not_fit_is_built_from_its_childrens_reports(village: Village) -> None:
    reports, findings, _ = write_reports(
        village.communities,
        village.members,
        village.entities,
        village.entity_mentions,
        village.sentences,
        count_words,
        max_tokens=25,
        max_findings=4,
    )
    parents = reports[reports["context_source"] == "child_reports"]
    cited = findings.groupby("community_id")["sentence_id"].agg(set).to_dict()
    children = village.communities.groupby("parent_id")["community_id"].agg(list).to_dict()
    assert len(parents)
    for parent in parents["community_id"]:
        below = set().union(*(cited[child] for child in children[parent]))
        assert cited[parent] <= below
