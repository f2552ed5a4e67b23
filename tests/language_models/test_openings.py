import pytest

from ragtuned_kedro.language_models.openings import (
    OPENINGS_FILE,
    OpeningTree,
    read_openings,
    write_openings,
)
from ragtuned_kedro.schemas.errors import UserError

OPENINGS = [(5, 6, 7), (5, 6, 8), (5, 9), (2,)]


def test_a_tree_tells_what_may_follow_and_nothing_behind_the_end_of_an_opening():
    tree = OpeningTree(OPENINGS)
    assert tree.next_after(()) == [2, 5]
    assert tree.next_after((5,)) == [6, 9]
    assert tree.next_after((5, 6)) == [7, 8]
    assert tree.next_after((5, 6, 7)) is None
    assert tree.next_after((5, 9)) is None


def test_a_tree_of_no_openings_allows_everything():
    assert OpeningTree([]).next_after(()) is None


def test_openings_come_back_from_a_folder_and_are_the_same_bytes_in_any_order(tmp_path):
    write_openings(OPENINGS, tmp_path)
    written = (tmp_path / OPENINGS_FILE).read_bytes()
    tree = read_openings(tmp_path)
    for ids in ((), (5,), (5, 6), (2,)):
        assert tree.next_after(ids) == OpeningTree(OPENINGS).next_after(ids)
    write_openings([*reversed(OPENINGS), OPENINGS[0]], tmp_path)
    assert (tmp_path / OPENINGS_FILE).read_bytes() == written


def test_an_adapter_without_openings_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="keeps_to_taught_openings to false"):
        read_openings(tmp_path)


@pytest.mark.parametrize("text", ["no json", '{"ids": 3}', "[3]", '[["a"]]', "[[true]]"])
def test_what_is_no_list_of_openings_is_refused(tmp_path, text):
    (tmp_path / OPENINGS_FILE).write_text(text)
    with pytest.raises(UserError, match="is no list of openings"):
        read_openings(tmp_path)
