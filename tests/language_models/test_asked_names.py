import pytest

from ragtuned_kedro.language_models.asked_names import find_names, knows_names


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What did Barnaby Thistlewood sell?", ["thistlewood"]),
        ("What breed is Captain Holloway's dog?", ["holloway"]),
        ("How far is it from Sallowhythe to St. Dunmarrow?", ["sallowhythe", "dunmarrow"]),
        ("Where was Anne-Marie in February, or on Sundays?", ["marie"]),
        ("Ask again. What does the island grow?", []),
        ("\u201cWho am I?\u201d", []),
        ("", []),
    ],
)
def test_a_name_is_a_row_of_capitals_that_begins_no_sentence(question, names):
    assert find_names(question) == names


def test_a_name_is_known_from_any_text_in_any_case_number_and_spelling():
    texts = ["The CRANNICKS left.", "Odile stayed."]
    assert knows_names("Who is Odile Crannick?", texts)
    assert knows_names("Who is Odile Cranick?", texts)


def test_one_unknown_name_is_enough_and_no_name_is_never_unknown():
    texts = ["Odile stayed."]
    assert not knows_names("Did Odile meet Lucian Pettifer?", texts)
    assert not knows_names("Who is Odile?", [])
    assert knows_names("who stayed?", [])
