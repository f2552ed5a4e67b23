"""Whether a model that has recalled something knows the names that it is asked about.

Asked about somebody who does not occur, a tuned model recalls what it knows of others. That none
of it names him tells more about that than how sure the model is of what it recalls.
"""

import calendar
import re
from collections.abc import Iterable, Iterator

from rapidfuzz import fuzz

_WORD = re.compile(r"[^\W\d_]+")
# Between two words of one name.
_WITHIN_NAME = {" ", "-", ". "}
# Behind one of these, or nothing, a capital says only that a sentence begins.
_SENTENCE_ENDS = (".", "!", "?", ":", "\n")
# Months and days are written like names, and a passage that answers need not hold them.
_CALENDAR = {
    form
    for name in (*calendar.month_name, *calendar.day_name)
    for form in (name.casefold(), f"{name.casefold()}s")
}
# From this similarity on, in percent, two words are one: a plural, a slip of the pen.
_SAME = 85.0


def find_names(question: str) -> list[str]:
    """Find the last word of every name in a question, folded in case; titles stand before it.

    A name is a row of words with capitals that does not begin its sentence. Languages that write
    other words with capitals have no such sign.
    """
    return [name[-1].casefold() for name in _find_rows(question) if len(name[-1]) > 1]


def knows_names(question: str, texts: Iterable[str]) -> bool:
    """Tell whether each name of the question stands in one of the texts."""
    words = {word.casefold() for text in texts for word in _WORD.findall(text)}
    return all(
        any(fuzz.ratio(name, word) >= _SAME for word in words) for name in find_names(question)
    )


def _find_rows(question: str) -> Iterator[list[str]]:
    row: list[str] = []
    ends_at = 0
    for match in _WORD.finditer(question):
        goes_on = bool(row) and question[ends_at : match.start()] in _WITHIN_NAME
        ends_at = match.end()
        word = match.group()
        before = question[: match.start()].rstrip(" \"'\u201c\u2018(")
        begins = not before or (not goes_on and before.endswith(_SENTENCE_ENDS))
        is_name = word[0].isupper() and not begins and word.casefold() not in _CALENDAR
        if row and not (is_name and goes_on):
            yield row
            row = []
        if is_name:
            row.append(word)
    if row:
        yield row
