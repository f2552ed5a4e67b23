import pandas as pd

from ragtuned_kedro.answering.graph_global import Report, pack_reports, put_together, reports_at
from ragtuned_kedro.schemas.records import Completion


class Words:
    """A reader whose tokens are words."""

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def report(name: str, n_tokens: int) -> Report:
    return Report(name, name, n_tokens, 0.5)


def part(key: str, text: str, error: str | None = None) -> Completion:
    return Completion(key, text, "error" if error else "stop", 10, 2, 0.5, error, 0.1, 3)


def test_map_prompts_are_filled_in_order_and_one_that_is_too_large_is_left_out():
    reports = [report("a", 3), report("b", 9), report("c", 2), report("d", 4)]
    packed = [[one.report_id for one in batch] for batch in pack_reports(reports, room=5)]
    assert packed == [["a", "c"], ["d"]]


def test_the_nearest_part_stands_last_and_only_its_reports_are_used_where_no_more_fits():
    batches = [[report("a", 1)], [report("b", 1)]]
    reports = [report("a", 1), report("b", 1), report("large", 99)]
    parts = [part("q/0", "far away words"), part("q/1", "near words")]
    made = put_together("q", reports, batches, parts, [0.1, 0.9], Words(), room=9)
    assert made.text == "far away words\nnear words"
    tight = put_together("q", reports, batches, parts, [0.1, 0.9], Words(), room=3)
    assert tight.text == "near words"
    assert {unit.unit_id for unit in tight.units if unit.is_used} == {"b"}
    assert (tight.n_prompt_tokens, tight.n_completion_tokens, tight.seconds) == (20, 4, 1.0)


def test_a_query_fails_only_if_every_part_failed():
    batches = [[report("a", 1)], [report("b", 1)]]
    failed, said = part("q/0", "", "too long"), part("q/1", "words")
    one = put_together("q", [], batches, [failed, said], [0.1, 0.2], Words(), room=9)
    none = put_together("q", [], batches, [failed, failed], [0.1, 0.2], Words(), room=9)
    assert (one.error, none.error) == (None, "too long")


def test_a_level_below_the_deepest_is_the_deepest():
    communities = pd.DataFrame({"community_id": ["root", "leaf"], "level": [0, 1]})
    reports = pd.DataFrame({"community_id": ["root", "leaf"], "rating": [9.0, 1.0]})
    for level, expected in ((0, ["root"]), (1, ["leaf"]), (7, ["leaf"])):
        found = reports_at(communities, reports, level=level)
        assert found["community_id"].tolist() == expected
