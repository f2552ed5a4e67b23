"""Whether a question names an entity of the graph."""

import re
from collections.abc import Iterable

import pandas as pd

from ragtuned_kedro.evaluation.wording import contains, normalise

_WORD = re.compile(r"[^\W\d_]+")


class EntityNames:
    """The proper names of a graph, in every spelling, and the words that they are made of.

    A name of one word that the corpus writes small, too ("the good", "a society"), is one only with
    its capital.
    """

    def __init__(
        self, entities: pd.DataFrame, entity_mentions: pd.DataFrame, texts: Iterable[str]
    ) -> None:
        # What is written small is a thing ("the weather"), and naming it names nobody.
        own = [name for name in entities["name"] if name != name.lower()]
        words_of = {name: _words(name) for name in own}
        written = set(own)
        for row in entity_mentions.drop_duplicates(["name", "surface"]).to_dict("records"):
            # A pronoun at the head of a sentence has a capital too.
            shared = _words(row["surface"]) & words_of.get(row["name"], set())
            if row["surface"][:1].isupper() and shared:
                written.add(row["surface"])
        small = {word for text in texts for word in _WORD.findall(text) if word == word.lower()}
        self._whole = {
            normalise(one): one
            for one in sorted(written)
            if len(_words(one)) > 1 or not _words(one) <= small
        }
        self._capital = {normalise(one) for one in written} - set(self._whole)
        # Shorter words hold a name together ("of", "St") and are found with it.
        self._parts = {
            word.casefold()
            for name in own
            for word in _WORD.findall(name)
            if word[0].isupper() and len(word) > 2
        }

    def find(self, text: str) -> str | None:
        """Find a name in `text`: a whole one, or a word of one with its capital.

        The first word of a sentence has its capital anyway and is no such word.
        """
        said = normalise(text)
        for spelling, written in self._whole.items():
            if contains(said, spelling):
                return written
        for sentence in re.split(r"[.!?:]\s+", text.strip()):
            for place, word in enumerate(_WORD.findall(sentence)):
                names = self._capital | self._parts if place else self._capital
                if word[0].isupper() and word.casefold() in names:
                    return word
        return None


def _words(name: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(name)}
