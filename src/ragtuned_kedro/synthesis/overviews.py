"""Questions that need several sentences: stories of entities and pairs, reports, periods."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from ragtuned_kedro.language_models.token_spans import TokenSpans
from ragtuned_kedro.synthesis.drafts import Draft, join_names
from ragtuned_kedro.synthesis.reading import ReadSentence

_ENTITY_STORY = (
    "What is told about {} through the year?",
    "Sum up what is known about {}.",
    "Tell me about {}.",
    "What do the documents say of {}?",
    "How did things go with {}?",
    "Tell me the story of {}.",
    "What changed for {}?",
    "What part did {} play?",
)
_PAIR = (
    "How are {} and {} connected?",
    "What do {} and {} have to do with each other?",
    "What is the connection between {} and {}?",
)
_PAIR_STORY = ("What passed between {} and {}?", "Sum up what links {} and {}.")
_PEOPLE = ("Who was involved in {}?", "Which people had to do with {}?", "Name the people of {}.")
_PERIOD = ("What happened in {}?", "What were the main events of {}?", "Sum up {}.")
_REPORT = (
    "What is the thread that joins {}?",
    "Give an overview of {}.",
    "What are the main points about {}?",
)
_DOCUMENT = ("What is recorded under the title '{}'?", "What happened in '{}'?")
_DATED = ("What is recorded for {}?", "What happened on {}?")


class Overviews:
    """Builds answers of several statements, in corpus order, within a length in tokens."""

    def __init__(
        self, sentences: Sequence[ReadSentence], token_spans: TokenSpans, max_tokens: int
    ) -> None:
        self._sentences = {s.sentence_id: s for s in sentences}
        self._order = {s.sentence_id: n for n, s in enumerate(sentences)}
        self._token_spans = token_spans
        self._max_tokens = max_tokens
        self.by_name: dict[str, list[str]] = defaultdict(list)
        self.by_doc: dict[str, list[str]] = defaultdict(list)
        for sentence in sentences:
            self.by_doc[sentence.doc_id].append(sentence.sentence_id)
            for name in sentence.names:
                self.by_name[name].append(sentence.sentence_id)

    def tell(self, sentence_ids: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """Join as many statements as fit, most telling first chosen, in corpus order.

        A statement tells more the more names it relates per word.
        """
        best = sorted(dict.fromkeys(sentence_ids), key=lambda i: (-self._weight(i), self._order[i]))
        kept: list[str] = []
        room = self._max_tokens
        for sentence_id in best:
            n_tokens = len(self._token_spans(self._sentences[sentence_id].statement)) + 1
            if n_tokens <= room:
                kept.append(sentence_id)
                room -= n_tokens
        kept.sort(key=self._order.__getitem__)
        return " ".join(self._sentences[i].statement for i in kept), tuple(kept)

    def _weight(self, sentence_id: str) -> float:
        sentence = self._sentences[sentence_id]
        return (1 + len(sentence.names)) / (8 + len(sentence.text.split()))


def ask_entities(
    overviews: Overviews, entities: pd.DataFrame, relationships: pd.DataFrame
) -> Iterator[Draft]:
    """Ask for the story of each named entity, and for the people around it."""
    people = _people_beside(entities, relationships)
    for row in entities.sort_values("entity_id").itertuples():
        ids = overviews.by_name.get(row.name, [])
        if not ids:
            continue
        answer, evidence = overviews.tell(ids)
        for form in _ENTITY_STORY if len(ids) > 1 else _ENTITY_STORY[2:4]:
            yield _overview(
                "entity_reasoning", "entity", row.entity_id, form.format(row.name), answer, evidence
            )
        beside = people.get(row.entity_id, [])
        if row.type != "PERSON" and len(beside) >= 3:
            for form in _PEOPLE:
                yield _overview(
                    "global",
                    "entity",
                    row.entity_id,
                    form.format(row.name),
                    f"{join_names(beside[:8])}.",
                    tuple(ids),
                )


def ask_relationships(
    overviews: Overviews, entities: pd.DataFrame, relationships: pd.DataFrame
) -> Iterator[Draft]:
    """Ask how two named entities are connected, by one sentence or by several."""
    names = dict(zip(entities["entity_id"], entities["name"], strict=True))
    for row in relationships.sort_values("relationship_id").itertuples():
        pair = (names[row.source_id], names[row.target_id])
        shared = [
            i
            for i in overviews.by_name.get(pair[0], [])
            if i in set(overviews.by_name.get(pair[1], []))
        ]
        if not shared:
            continue
        kind = "relationship_description" if len(shared) == 1 else "relationship_reasoning"
        answer, evidence = overviews.tell(shared)
        forms = _PAIR if len(shared) == 1 else (*_PAIR, *_PAIR_STORY)
        for form, ends in itertools.product(forms, (pair, pair[::-1])):
            yield _overview(
                kind, "relationship", row.relationship_id, form.format(*ends), answer, evidence
            )


def ask_documents(
    overviews: Overviews, documents: pd.DataFrame, dates: Mapping[str, str]
) -> Iterator[Draft]:
    """Ask what a document and each month of documents record."""
    months: dict[str, list[str]] = defaultdict(list)
    for row in documents.sort_values("source_uri").itertuples():
        ids = overviews.by_doc.get(row.doc_id, [])
        if not ids:
            continue
        answer, evidence = overviews.tell(ids)
        for form in _DOCUMENT:
            yield _overview("global", "sentence", ids[0], form.format(row.title), answer, evidence)
        if date := dates.get(row.doc_id):
            months[date.split(" ", 1)[1]].extend(ids)
            for form in _DATED:
                yield _overview("global", "sentence", ids[0], form.format(date), answer, evidence)
    for month, ids in months.items():
        answer, evidence = overviews.tell(ids)
        for form in _PERIOD:
            yield _overview("global", "sentence", ids[0], form.format(month), answer, evidence)


def ask_reports(
    overviews: Overviews, reports: pd.DataFrame, findings: pd.DataFrame
) -> Iterator[Draft]:
    """Ask for the main points of each community report."""
    evidence_of = findings.dropna(subset=["sentence_id"]).groupby("community_id")["sentence_id"]
    cited = evidence_of.agg(list).to_dict()
    for row in reports.sort_values("community_id").itertuples():
        ids = cited.get(row.community_id, [])
        if not ids:
            continue
        answer, evidence = overviews.tell(ids)
        for form in _REPORT:
            yield _overview(
                "global", "community", row.community_id, form.format(row.title), answer, evidence
            )


def _overview(
    kind: str, anchor_kind: str, anchor_id: str, question: str, answer: str, evidence: tuple
) -> Draft:
    return Draft(kind, anchor_kind, anchor_id, question, "overview", answer, evidence)


def _people_beside(entities: pd.DataFrame, relationships: pd.DataFrame) -> dict[str, list[str]]:
    """Map each entity to the names of the people related to it, strongest first."""
    rows = {row.entity_id: row for row in entities.itertuples()}
    beside: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for row in relationships.itertuples():
        for one, other in ((row.source_id, row.target_id), (row.target_id, row.source_id)):
            if rows[other].type == "PERSON":
                beside[one].append((-row.weight, rows[other].name))
    return {entity_id: [name for _, name in sorted(pairs)] for entity_id, pairs in beside.items()}
