"""Questions the corpus does not answer, so that the model learns to say so."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ragtuned_kedro.schemas.ids import seeded_order
from ragtuned_kedro.synthesis import unknown_banks as banks
from ragtuned_kedro.synthesis.drafts import Draft
from ragtuned_kedro.synthesis.reading import ReadSentence

ABSTENTION = "I do not know. The documents do not say."
# What is wanted takes turns when pairs are chosen, so these are the shares: of six unanswerable
# questions two name a stranger, three ask for an unstated attribute and one for an absent thing. A
# model that answers can tell a strange name by itself; what is not said of a known one it has to
# be taught.
_N_STRANGERS = 2
_N_ATTRIBUTES = 3


def ask_unanswerable(
    sentences: Sequence[ReadSentence],
    answerable: Iterable[Draft],
    types: Mapping[str, str],
    *,
    seed: int,
) -> Iterator[Draft]:
    """Ask for names that do not occur, for things that do not occur, and for unstated attributes.

    The first kind takes the very questions that have an answer and puts a stranger in: what
    decides is the name, not the form. An attribute is asked only where no sentence about its
    entity holds a word that could answer it.
    """
    vocabulary = {t.lower_ for s in sentences for t in s.doc} | {
        t.lemma_.lower() for s in sentences for t in s.doc
    }
    yield from _strangers(answerable, types, vocabulary, seed)
    yield from _attributes(sentences, types)
    for thing in banks.ABSENT_THINGS:
        if thing not in vocabulary:
            for form in banks.ABSENT_FORMS:
                yield _draft("thing", form.format(thing))


def _strangers(
    answerable: Iterable[Draft], types: Mapping[str, str], vocabulary: set[str], seed: int
) -> Iterator[Draft]:
    people, places = stranger_names(vocabulary, seed)
    drafts = {
        d.question: d
        for d in answerable
        if d.kind in {"local", "entity_description"} and d.wants != "keywords"
    }
    named = sorted(types, key=len, reverse=True)
    for n, question in enumerate(seeded_order(drafts, seed=seed)):
        name = next((n for n in named if n in question and n != n.lower()), None)
        if name is None:
            continue
        stranger = next(people) if types[name] == "PERSON" else _like(name, next(places))
        yield _draft(f"stranger {n % _N_STRANGERS}", question.replace(name, stranger))


def stranger_names(vocabulary: set[str], seed: int) -> tuple[Iterator[str], Iterator[str]]:
    """Make endless names of people and of places, none of whose words the corpus uses."""
    first = [n for n in banks.FIRST_NAMES if n.lower() not in vocabulary]
    family = [n for n in banks.FAMILY_NAMES if n.lower() not in vocabulary]
    pairs = [f"{a} {b}" for a, b in itertools.product(first, family)]
    people = seeded_order(pairs, seed=seed)
    # Every third stranger goes by the first name alone, as people do.
    shown = [name.split()[0] if n % 3 == 2 else name for n, name in enumerate(people)]
    return itertools.cycle(shown), itertools.cycle(seeded_order(family, seed=seed + 1))


def _like(name: str, word: str) -> str:
    """Keep what kind of thing a name says it is: another "Mill" for "Culver Mill"."""
    words = name.split()
    return " ".join([word, *words[1:]]) if len(words) > 1 else word


def _attributes(sentences: Sequence[ReadSentence], types: Mapping[str, str]) -> Iterator[Draft]:
    told: dict[str, str] = defaultdict(str)
    for sentence in sentences:
        for name in sentence.names:
            told[name] += f" {sentence.statement}"
    n = 0
    for name in sorted(told):
        if name == name.lower():
            continue
        is_person = types.get(name) == "PERSON"
        for form in untold_attributes(is_person, told[name]):
            # Every fourth by the first name alone, as people do.
            said = name.split()[0] if is_person and n % 4 == 3 else name
            yield _draft(f"attribute {n % _N_ATTRIBUTES}", form.format(*[said] * form.count("{}")))
            n += 1


def untold_attributes(is_person: bool, told: str) -> Iterator[str]:
    """List the forms that ask for what no word of `told` could tell, a name to be put in."""
    told = told.lower()
    for form, stems in banks.PERSON_ATTRIBUTES if is_person else banks.THING_ATTRIBUTES:
        if not re.search(rf"\b({'|'.join(stems.split())})", told):
            yield form


def _draft(wants: str, question: str) -> Draft:
    return Draft("unanswerable", "none", wants, question, wants, ABSTENTION, ())
