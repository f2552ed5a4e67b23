"""Evaluation questions out of the graph: facts, paths and reports, in words that nobody taught.

Each asks for a name or a date that the tables themselves decide, so its assertion needs no reader.
None is made where the tables allow a second answer.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import pandas as pd

# What an entity of each type is called in a question.
_NOUNS = {
    "PERSON": "person",
    "GEO": "place",
    "ORGANIZATION": "organisation",
    "EVENT": "event",
}
# A circle of fewer members is no overview, and of more nobody could name them all.
_LEAST_MEMBERS, _MOST_MEMBERS = 3, 5


@dataclass(frozen=True)
class GraphFacts:
    """The tables that questions are read off."""

    documents: pd.DataFrame
    sentences: pd.DataFrame
    entities: pd.DataFrame
    entity_mentions: pd.DataFrame
    community_members: pd.DataFrame


@dataclass(frozen=True)
class GeneratedQuestion:
    """One question; `assertions` are names with their other spellings, `evidence` source URIs.

    Only a teacher's question has a call, and only its global ones a persona with a task.
    """

    scope: str
    text: str
    assertions: tuple[tuple[str, ...], ...]
    evidence: tuple[str, ...]
    persona: str | None = None
    task: str | None = None
    call_id: str | None = None


@dataclass
class _Index:
    """Who is named where: names by sentence and document, and the other way round."""

    nouns: dict[str, str]
    spellings: dict[str, tuple[str, ...]]
    names_in: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    document_of: dict[str, str] = field(default_factory=dict)
    neighbours: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def generate_questions(facts: GraphFacts) -> list[GeneratedQuestion]:
    """Ask everything that the tables decide, in a fixed order.

    Local questions come from facts of one sentence or one entry, linked ones from paths over two
    sentences of different documents, global ones from communities.
    """
    index = _index(facts)
    questions = [
        *_third_names(index),
        *_only_days(index, facts.documents),
        *_links(index),
        *_circles(index, facts),
    ]
    return sorted(questions, key=lambda one: (one.scope, one.text))


def _index(facts: GraphFacts) -> _Index:
    """Take the entities that have a proper name and a type that a question can call by a noun."""
    named = facts.entities[facts.entities["type"].isin(list(_NOUNS))]
    nouns = {
        row["name"]: _NOUNS[row["type"]]
        for row in named.to_dict("records")
        if row["name"] != row["name"].lower()
    }
    index = _Index(nouns, _spellings(facts.entity_mentions, nouns))
    uris = dict(zip(facts.documents["doc_id"], facts.documents["source_uri"], strict=True))
    index.document_of = {
        row["sentence_id"]: uris[row["doc_id"]] for row in facts.sentences.to_dict("records")
    }
    for row in facts.entity_mentions.to_dict("records"):
        if row["name"] in nouns:
            index.names_in[row["sentence_id"]].add(row["name"])
    for names in index.names_in.values():
        for one, other in combinations(sorted(names), 2):
            index.neighbours[one].add(other)
            index.neighbours[other].add(one)
    return index


def _spellings(mentions: pd.DataFrame, nouns: Collection[str]) -> dict[str, tuple[str, ...]]:
    """List each name with the ways in which it is written, without those that two names share."""
    written: dict[str, set[str]] = defaultdict(set)
    for row in mentions.to_dict("records"):
        surface = row["surface"].removesuffix("'s").removesuffix("\u2019s").strip()
        if surface[:1].isupper() and len(surface) > 2:
            written[surface].add(row["name"])
    own: dict[str, set[str]] = defaultdict(set)
    for surface, names in written.items():
        if len(names) == 1:
            # A pronoun at the head of a sentence has a capital too, and stands for many.
            (name,) = names
            if set(surface.casefold().split()) & set(name.casefold().split()):
                own[name].add(surface)
    return {name: (name, *sorted(own[name] - {name})) for name in nouns}


def _third_names(index: _Index) -> Iterator[GeneratedQuestion]:
    """Two names that one sentence of the corpus joins, and with them one third name."""
    together: dict[tuple[str, str], set[str]] = defaultdict(set)
    for sentence, names in index.names_in.items():
        for pair in combinations(sorted(names), 2):
            together[pair].add(sentence)
    for (one, other), sentences in sorted(together.items()):
        thirds = set().union(*(index.names_in[sentence] for sentence in sentences)) - {one, other}
        if len(sentences) == 1 and len(thirds) == 1:
            (third,) = thirds
            (sentence,) = sentences
            yield GeneratedQuestion(
                "local",
                f"Besides {one} and {other}, which {index.nouns[third]} belongs to the same "
                "happening?",
                (index.spellings[third],),
                (index.document_of[sentence],),
            )


def _only_days(index: _Index, documents: pd.DataFrame) -> Iterator[GeneratedQuestion]:
    """Two names that only one dated entry joins in a sentence: its day."""
    days = {
        row["source_uri"]: row["published_at"]
        for row in documents.to_dict("records")
        if not pd.isna(row["published_at"])
    }
    entries: dict[tuple[str, str], set[str]] = defaultdict(set)
    for sentence, names in index.names_in.items():
        for pair in combinations(sorted(names), 2):
            entries[pair].add(index.document_of[sentence])
    for (one, other), uris in sorted(entries.items()):
        (uri, *more) = sorted(uris)
        if not more and uri in days:
            day = days[uri]
            yield GeneratedQuestion(
                "local",
                f"Under which date are {one} and {other} written of together?",
                ((f"{day.day} {day:%B}",),),
                (uri,),
            )


def _links(index: _Index) -> Iterator[GeneratedQuestion]:
    """Two names that no sentence joins, and the only name that is joined with both."""
    homes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for sentence, names in index.names_in.items():
        for pair in combinations(sorted(names), 2):
            homes[pair].add(index.document_of[sentence])
    for one, other in combinations(sorted(index.neighbours), 2):
        if other in index.neighbours[one]:
            continue
        shared = index.neighbours[one] & index.neighbours[other]
        if len(shared) != 1:
            continue
        (link,) = shared
        first, second = (homes[min(end, link), max(end, link)] for end in (one, other))
        # Within one document it would be no more than a fact of that document.
        if first.isdisjoint(second):
            yield GeneratedQuestion(
                "linked",
                f"{one} and {other} never meet in one sentence: through which "
                f"{index.nouns[link]} are they connected?",
                (index.spellings[link],),
                (min(first), min(second)),
            )


def _circles(index: _Index, facts: GraphFacts) -> Iterator[GeneratedQuestion]:
    """The best-connected member of a community, and those around it."""
    degrees = dict(zip(facts.entities["name"], facts.entities["degree"], strict=True))
    names = dict(zip(facts.entities["entity_id"], facts.entities["name"], strict=True))
    asked: set[str] = set()
    for _, rows in sorted(facts.community_members.groupby("community_id")):
        members = [names[one] for one in rows["entity_id"] if names[one] in index.nouns]
        members.sort(key=lambda name: (-degrees[name], name))
        around = [name for name in members[1:] if name in index.neighbours[members[0]]]
        if len(around) < _LEAST_MEMBERS or members[0] in asked:
            continue
        asked.add(members[0])
        circle = around[:_MOST_MEMBERS]
        yield GeneratedQuestion(
            "global",
            f"Looking at everything told, which names make up the circle around {members[0]}?",
            tuple(index.spellings[name] for name in circle),
            _documents_naming(index, (members[0], *circle)),
        )


def _documents_naming(index: _Index, names: Sequence[str]) -> tuple[str, ...]:
    """Find the documents in a sentence of which the first name stands beside another one."""
    first, others = names[0], set(names[1:])
    found: Mapping[str, set[str]] = index.names_in
    return tuple(
        sorted(
            {
                index.document_of[sentence]
                for sentence, here in found.items()
                if first in here and here & others
            }
        )
    )
