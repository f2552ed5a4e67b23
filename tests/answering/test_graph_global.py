import numpy as np
import pandas as pd

from ragtuned_kedro.answering.graph_global import (
    Report,
    findings_of,
    pack_reports,
    put_together,
    reports_at,
    show_findings,
)
from ragtuned_kedro.retrieval.hybrid import HybridIndex
from ragtuned_kedro.schemas.records import Completion


class Words:
    """A reader whose tokens are words."""

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def cut(self, text: str, n_tokens: int) -> str:
        return " ".join(text.split()[:n_tokens])


def report(name: str, n_tokens: int, score: float = 0.5) -> Report:
    return Report(name, name, n_tokens, score)


def part(key: str, text: str, error: str | None = None) -> Completion:
    return Completion(key, text, "error" if error else "stop", 10, 2, 0.5, error, 0.1, 3)


def test_map_prompts_are_filled_in_order_and_one_that_is_too_large_is_left_out():
    reports = [report("a", 3), report("b", 9), report("c", 2), report("d", 4)]
    packed = [[one.report_id for one in batch] for batch in pack_reports(reports, room=5)]
    assert packed == [["a", "c"], ["d"]]


def test_the_part_from_what_is_nearest_stands_last_whatever_it_repeats():
    far, near = report("a", 1, 0.1), report("b", 1, 0.9)
    batches = [[near], [far]]
    reports = [near, far, report("large", 99)]
    parts = [part("q/0", "near words"), part("q/1", "far away words")]
    made = put_together("q", reports, batches, parts, Words(), room=9)
    assert made.text == "far away words\nnear words"
    tight = put_together("q", reports, batches, parts, Words(), room=3)
    assert tight.text == "near words"
    assert {unit.unit_id for unit in tight.units if unit.is_used} == {"b"}
    assert (tight.n_prompt_tokens, tight.n_completion_tokens, tight.seconds) == (20, 4, 1.0)


def shown(n: int, room: int = 99) -> dict[str, tuple[str, float]]:
    """Show two reports that share their nearest finding; a third report has no finding."""
    found = findings_of(
        pd.DataFrame(
            [
                {"community_id": one, "position": at, "explanation": text}
                for one, texts in {
                    "a": ["the bell rang", "the mill was sold", "a goat lives there"],
                    "b": ["the mill was sold", "the goat is brown"],
                    "other level": ["nobody asks"],
                }.items()
                for at, text in enumerate(texts)
            ]
        ),
        ["a", "b", "c"],
    )
    assert list(found) == ["a/0", "a/1", "a/2", "b/0", "b/1"]
    index = HybridIndex(list(found), list(found.values()), np.zeros((5, 1)))
    likeness = np.array([0.2, 0.9, 0.1, 0.9, 0.3])
    reports = [report("a", 9), report("b", 9), report("c", 9)]
    made = show_findings(reports, index, likeness, Words(), n=n, room=room)
    assert all(one.n_tokens <= room for one in made)
    return {one.report_id: (one.text, one.score) for one in made}


def test_of_each_report_the_nearest_findings_are_shown_once_and_the_nearest_stands_last():
    assert shown(2) == {
        "a": ("the bell rang\nthe mill was sold", 0.9),
        "b": ("the goat is brown", 0.3),
    }


def test_findings_that_do_not_fit_are_not_shown_and_the_nearest_is_cut():
    assert shown(2, room=6) == {"a": ("the mill was sold", 0.9), "b": ("the goat is brown", 0.3)}
    assert shown(2, room=4) == {"a": ("the mill was", 0.9), "b": ("the goat is", 0.3)}


def test_a_query_fails_only_if_every_part_failed():
    batches = [[report("a", 1)], [report("b", 1)]]
    failed, said = part("q/0", "", "too long"), part("q/1", "words")
    one = put_together("q", [], batches, [failed, said], Words(), room=9)
    none = put_together("q", [], batches, [failed, failed], Words(), room=9)
    assert (one.error, none.error) == (None, "too long")


def test_a_level_below_the_deepest_is_the_deepest():
    communities = pd.DataFrame({"community_id": ["root", "leaf"], "level": [0, 1]})
    reports = pd.DataFrame({"community_id": ["root", "leaf"], "rating": [9.0, 1.0]})
    for level, expected in ((0, ["root"]), (1, ["leaf"]), (7, ["leaf"])):
        found = reports_at(communities, reports, level=level)
        assert found["community_id"].tolist() == expected
