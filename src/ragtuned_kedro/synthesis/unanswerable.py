"""Questions the corpus does not answer, so that the model learns to say so."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ragtuned_kedro.schemas.ids import seeded_order
from ragtuned_kedro.synthesis import unknown_banks as banks
from ragtuned_kedro.synthesis.clauses import read_clauses
from ragtuned_kedro.synthesis.constituents import PersonTest, phrase
from ragtuned_kedro.synthesis.drafts import Draft
from ragtuned_kedro.synthesis.reading import ReadSentence

ABSTENTION = "I do not know. The documents do not say."
# What is wanted takes turns when pairs are chosen, so these are the shares: of eight unanswerable
# questions one names a stranger, one an absent thing, and two each ask for an unstated attribute of
# a name, for one of a thing that is told of, and for an untold circumstance of what happened. A
# model that answers can tell a strange name by itself; what is not said of a known one it has to
# be taught.
_N_TURNS = 2
# A thing that a question can point at: somebody's, or the one that was spoken of.
_POINTED_AT = re.compile(r"^(?!.*\d)(the |[A-Z]\w*( [A-Z]\w*)*'s? )")
_MAX_WORDS = 5
# So many questions are drafted about the circumstances of one clause, and about one thing.
_N_FORMS = 4


def ask_unanswerable(
    sentences: Sequence[ReadSentence],
    answerable: Iterable[Draft],
    types: Mapping[str, str],
    is_person: PersonTest,
    *,
    seed: int,
) -> Iterator[Draft]:
    """Ask for names and things that do not occur, and for what is not told of those that do.

    The first kind takes the very questions that have an answer and puts a stranger in: what
    decides is the name, not the form. What is not told is asked only where nothing told of the
    name, the thing or the event holds a word that could answer it.
    """
    vocabulary = {t.lower_ for s in sentences for t in s.doc} | {
        t.lemma_.lower() for s in sentences for t in s.doc
    }
    yield from _strangers(answerable, types, vocabulary, seed)
    yield from _attributes(sentences, types)
    documents: dict[str, str] = defaultdict(str)
    for sentence in sentences:
        documents[sentence.doc_id] += f" {sentence.statement.lower()}"
    yield from _belongings(sentences, documents, is_person)
    yield from _circumstances(sentences, documents)
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
    for question in seeded_order(drafts, seed=seed):
        name = next((n for n in named if n in question and n != n.lower()), None)
        if name is None:
            continue
        stranger = next(people) if types[name] == "PERSON" else _like(name, next(places))
        yield _draft("stranger", question.replace(name, stranger))


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
            told[name] += f" {sentence.statement.lower()}"
    n = 0
    for name in sorted(told):
        if name == name.lower():
            continue
        is_person = types.get(name) == "PERSON"
        for form, stems in banks.PERSON_ATTRIBUTES if is_person else banks.THING_ATTRIBUTES:
            if _is_told(stems, told[name]):
                continue
            # Every fourth by the first name alone, as people do.
            said = name.split()[0] if is_person and n % 4 == 3 else name
            yield _draft(f"attribute {n % _N_TURNS}", form.format(*[said] * form.count("{}")))
            n += 1


def _belongings(
    sentences: Sequence[ReadSentence], documents: Mapping[str, str], is_person: PersonTest
) -> Iterator[Draft]:
    """Ask for unstated attributes of things and people that are told of without a name."""
    told: dict[str, str] = defaultdict(str)
    said: dict[str, tuple[str, bool]] = {}
    for sentence in sentences:
        for chunk in sentence.doc.noun_chunks:
            noun = chunk.root.lemma_.lower()
            if chunk.root.pos_ != "NOUN" or noun in banks.TIMES:
                continue
            told[noun] += documents[sentence.doc_id]
            text = phrase(chunk.root)
            if _POINTED_AT.search(text) and len(text.split()) <= _MAX_WORDS:
                said.setdefault(text, (noun, is_person(chunk.root)))
    for n, (text, (noun, is_somebody)) in enumerate(sorted(said.items())):
        forms = banks.SOMEBODY_ATTRIBUTES if is_somebody else banks.BELONGING_ATTRIBUTES
        for form in _some_untold(forms, told[noun], n):
            yield _draft(f"belonging {n % _N_TURNS}", form.format(text))


def _circumstances(
    sentences: Sequence[ReadSentence], documents: Mapping[str, str]
) -> Iterator[Draft]:
    """Ask how something happened that is told of, where its document does not tell that."""
    n = 0
    for sentence in sentences:
        for clause in read_clauses(sentence.doc):
            if clause.is_negated or clause.is_copular or clause.is_existential:
                continue
            for form in _some_untold(banks.CIRCUMSTANCES, documents[sentence.doc_id], n):
                yield _draft(f"circumstance {n % _N_TURNS}", f"{form} {clause.inverted()}?")
            n += 1


def _some_untold(forms: Sequence[tuple[str, str]], told: str, turn: int) -> list[str]:
    """Take a few of the forms that nothing told could answer, other ones each turn."""
    untold = [form for form, stems in forms if not _is_told(stems, told)]
    start = turn % len(untold) if untold else 0
    return [*untold[start:], *untold[:start]][:_N_FORMS]


def _is_told(stems: str, text: str) -> bool:
    return re.search(rf"\b({'|'.join(stems.split())})", text) is not None


def _draft(wants: str, question: str) -> Draft:
    return Draft("unanswerable", "none", wants, question, wants, ABSTENTION, ())
