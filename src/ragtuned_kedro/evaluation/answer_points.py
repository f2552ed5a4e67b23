"""What an answer must contain, as a teacher copies it: when that is fit to score by."""

from collections.abc import Sequence

from ragtuned_kedro.evaluation.wording import contains, normalise

# An answer must hold a point as it is written; of a longer one it would have to guess the wording.
MOST_WORDS = 6


class Source:
    """A text that points are copied from, in the one spelling that answers are scored in."""

    def __init__(self, text: str) -> None:
        self._text = normalise(text)

    def says(self, point: str) -> bool:
        """Tell whether a point stands in the text, as it would have to stand in an answer."""
        return contains(self._text, normalise(point))


def take_points(points: Sequence[str], *, most: int) -> tuple[str, ...]:
    """Take the first `most` points that differ."""
    by_spelling: dict[str, str] = {}
    for one in points:
        by_spelling.setdefault(normalise(one), " ".join(one.split()))
    return tuple(by_spelling.values())[:most]


def fault_of_points(
    question: str, points: Sequence[str], sources: Sequence[Sequence[Source]]
) -> tuple[str, str] | None:
    """Tell why points cannot score an answer: the reason, and the detail that a teacher is shown.

    Every point must stand in some text of each group of `sources`. Reasons: no_assertions,
    ungrounded, wordy (longer than `MOST_WORDS`), gives_away (the question says it).
    """
    if not points:
        return "no_assertions", "it copies nothing that an answer must mention"
    asked = Source(question)
    for one in points:
        if any(not any(text.says(one) for text in group) for group in sources):
            return "ungrounded", f"{one!r} does not stand there letter by letter"
        if len(one.split()) > MOST_WORDS:
            return "wordy", f"{one!r} has more than {MOST_WORDS} words"
        if asked.says(one):
            return "gives_away", f"the question says {one!r} itself"
    return None
