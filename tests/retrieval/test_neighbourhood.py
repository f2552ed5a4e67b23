import pandas as pd

from ragtuned_kedro.retrieval.neighbourhood import rank_chunks, rank_relationships, rank_reports


def relationships(*edges: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "relationship_id": f"rel-{a}{b}",
                "source_id": a,
                "target_id": b,
                "description": "",
                "weight": weight,
            }
            for a, b, weight in edges
        ]
    )


def test_relationships_between_chosen_entities_come_before_those_that_lead_out():
    found = rank_relationships(
        relationships(("a", "b", 1.0), ("a", "x", 9.0), ("x", "y", 5.0)), ["a", "b"]
    )
    assert found["relationship_id"].tolist() == ["rel-ab", "rel-ax"]


def test_an_outer_entity_that_more_of_the_chosen_lead_to_comes_first():
    found = rank_relationships(
        relationships(("a", "x", 9.0), ("a", "y", 1.0), ("b", "y", 1.0)), ["a", "b"]
    )
    assert found["relationship_id"].tolist() == ["rel-ay", "rel-by", "rel-ax"]


def test_reports_are_those_of_the_homes_and_most_matches_come_first():
    members = pd.DataFrame(
        {
            "community_id": ["root", "root", "root", "p", "q", "q"],
            "level": [0, 0, 0, 1, 1, 1],
            "entity_id": ["a", "b", "c", "a", "b", "c"],
        }
    )
    reports = pd.DataFrame({"community_id": ["root", "p", "q"], "rating": [10.0, 9.0, 1.0]})
    found = rank_reports(reports, members, ["a", "b", "c"])
    assert found["community_id"].tolist() == ["q", "p"]


def test_chunks_near_the_query_come_first_and_unlinked_ones_never():
    links = pd.DataFrame(
        {
            "entity_id": ["a", "a", "b"],
            "chunk_id": ["one", "two", "three"],
            "n_mentions": [1, 2, 1],
        }
    )
    assert rank_chunks(links, ["a", "b"], ["elsewhere", "three"]) == ["three", "two", "one"]
