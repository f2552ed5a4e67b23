"""One spelling for texts that say the same: letters, numbers, dates."""

import re
import unicodedata
from collections.abc import Sequence

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: value for value, word in enumerate(_UNITS.split())} | {
    word: 10 * value for value, word in enumerate(_TENS.split(), start=2)
}
_SCALES = {"hundred": 100, "thousand": 1000}
_IRREGULAR_ORDINALS = {
    "first": "one",
    "second": "two",
    "third": "three",
    "fifth": "five",
    "eighth": "eight",
    "ninth": "nine",
    "twelfth": "twelve",
}
_MONTH_NAMES = (
    "january february march april may june july august september october november december"
)
_MONTHS = _MONTH_NAMES.split()
_ABBREVIATED = {month[:3]: month for month in _MONTHS} | {"sept": "september"}

_APOSTROPHES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "`": "'"})
# A possessive is dropped, so that "Fenn" is found in "Fenn's"; "o'clock" and "don't" close up.
_POSSESSIVE = re.compile(r"'s\b|(?<=s)'(?!\w)")
_TOKEN = re.compile(r"\d+(?:[.:,]\d+)*(?:(?:st|nd|rd|th)\b)?|[^\W\d_]+")
_THOUSANDS = re.compile(r"^\d{1,3}(?:,\d{3})+$")
_DAY = re.compile(r"^(0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?$")


def normalise(text: str) -> str:
    """Write `text` in one spelling: words and numbers, one space between, nothing else.

    NFKC and casefold; punctuation gone; number words up to 999,999 as digits ("two hundred and
    fourteen" = "214", "2,400" = "2400", "fourth" = "4th"); dates as day and month ("March 3",
    "3rd of March" and "the third of March" = "3 march"). A time or decimal keeps its inner
    point: "3:50" = "3.50", which does not contain "3".
    """
    plain = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold()
    plain = _POSSESSIVE.sub("", plain).replace("'", "")
    tokens = [_digits(token) for token in _TOKEN.findall(plain)]
    return " ".join(_dates(_numbers(tokens)))


def contains(haystack: str, needle: str) -> bool:
    """Tell whether `needle` stands in `haystack` as whole words; both are normalised already."""
    return bool(needle) and f" {needle} " in f" {haystack} "


def _digits(token: str) -> str:
    if not token[0].isdigit():
        return token
    bare = token.rstrip("stndrh")
    ending = token[len(bare) :]
    if _THOUSANDS.match(bare):
        return bare.replace(",", "") + ending
    return bare.replace(":", ".").replace(",", ".") + ending


def _numbers(tokens: Sequence[str]) -> list[str]:
    """Replace each run of number words by its digits, ordinals by digits and ending."""
    written: list[str] = []
    position = 0
    while position < len(tokens):
        value, is_ordinal, used = _read_number(tokens, position)
        if used:
            written.append(f"{value}{_ending(value)}" if is_ordinal else str(value))
        else:
            written.append(tokens[position])
        position += used or 1
    return written


def _read_number(tokens: Sequence[str], start: int) -> tuple[int, bool, int]:
    """Read the number that begins at `start`: its value, whether it is ordinal, tokens used."""
    total = 0
    group: int | None = None
    # What the next number word must stay below: "thirty one" is 31, "one two" is two numbers.
    room = 1000
    position = start
    if tokens[start] == "a" and _word_at(tokens, start + 1) in _SCALES:
        group, room, position = 1, 1, start + 1
    while position < len(tokens):
        at = position
        if tokens[at] == "and" and group is not None and room == 100:
            at += 1
        word, is_ordinal = _cardinal(_word_at(tokens, at))
        if word in _SMALL and _SMALL[word] < room and not (room == 10 and _SMALL[word] == 0):
            group = (group or 0) + _SMALL[word]
            room = 10 if _SMALL[word] >= 20 else 1
        elif word == "hundred" and group is not None and 0 < group < 100 and at == position:
            group, room = group * 100, 100
        elif word == "thousand" and group is not None and not total and at == position:
            total, group, room = group * 1000, 0, 1000
            # "two thousand and six": an "and" may follow the thousands too.
            room = 100 if _word_at(tokens, at + 1) == "and" else room
        else:
            break
        position = at + 1
        if is_ordinal:
            return total + group, True, position - start
    if group is None or position == start:
        return 0, False, 0
    return total + group, False, position - start


def _word_at(tokens: Sequence[str], position: int) -> str:
    return tokens[position] if position < len(tokens) else ""


def _cardinal(word: str) -> tuple[str, bool]:
    if word in _IRREGULAR_ORDINALS:
        return _IRREGULAR_ORDINALS[word], True
    if word.endswith("ieth"):
        return f"{word[:-4]}y", True
    stem = word.removesuffix("th")
    is_ordinal = stem != word and (stem in _SMALL or stem in _SCALES)
    return (stem, True) if is_ordinal else (word, False)


def _ending(value: int) -> str:
    if value % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")


def _dates(tokens: Sequence[str]) -> list[str]:
    """Write each date as day and month; a month alone, or a day alone, stays as it is."""
    written: list[str] = []
    position = 0
    while position < len(tokens):
        day_first = _day_then_month(tokens, position)
        month_first = _month_then_day(tokens, position)
        found = day_first or month_first
        if found:
            day, month, used = found
            # "the 3rd of March" and "3 March" are one date, so a leading article goes.
            if written and written[-1] == "the":
                written.pop()
            written += [day, month]
            position += used
        else:
            written.append(tokens[position])
            position += 1
    return written


def _day_then_month(tokens: Sequence[str], at: int) -> tuple[str, str, int] | None:
    day = _DAY.match(tokens[at])
    gap = 2 if _word_at(tokens, at + 1) == "of" else 1
    month = _month(_word_at(tokens, at + gap))
    return (str(int(day[1])), month, gap + 1) if day and month else None


def _month_then_day(tokens: Sequence[str], at: int) -> tuple[str, str, int] | None:
    month = _month(tokens[at])
    gap = 2 if _word_at(tokens, at + 1) == "the" else 1
    day = _DAY.match(_word_at(tokens, at + gap))
    return (str(int(day[1])), month, gap + 1) if day and month else None


def _month(word: str) -> str | None:
    return word if word in _MONTHS else _ABBREVIATED.get(word)
