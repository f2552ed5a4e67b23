"""Whether a question names an entity of the graph."""

import re

import pandas as pd

from ragtuned_kedro.evaluation.wording import contains, normalise

_WORD = re.compile(r"[^\W\d_]{3,}")


class EntityNames:
    """The proper names of a graph, in every spelling, and the words that they are made of."""

    def __init__(self, entities: pd.DataFrame, entity_mentions: pd.DataFrame) -> None:
        # What is written small is a thing ("the weather"), and naming it names nobody.
        own = [name for name in entities["name"] if name != name.lower()]
        words_of = {name: {w.casefold() for w in _WORD.findall(name)} for name in own}
        written = set(own)
        for row in entity_mentions.drop_duplicates(["name", "surface"]).to_dict("records"):
            # A pronoun at the head of a sentence has a capital too.
            words = {word.casefold() for word in _WORD.findall(row["surface"])}
            if row["surface"][:1].isupper() and words & words_of.get(row["name"], set()):
                written.add(row["surface"])
        self._spellings = {normalise(one): one for one in sorted(written)}
        self._words = {w for name in own for w in _WORD.findall(name) if w[:1].isupper()}

    def find(self, text: str) -> str | None:
        """Find a name in `text`: a whole one in any case, or a word of one with its capital.

        The first word of a sentence has its capital anyway and counts only as part of a whole name.
        """
        said = normalise(text)
        for spelling, written in self._spellings.items():
            if contains(said, spelling):
                return written
        for sentence in re.split(r"[.!?:]\s+", text.strip()):
            for word in _WORD.findall(sentence)[1:]:
                if word in self._words:
                    return word
        return None
