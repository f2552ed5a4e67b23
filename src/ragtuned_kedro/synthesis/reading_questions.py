"""Questions of passages, answered there or not: what a reader learns to tell apart."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from math import fsum

import pandas as pd
from spacy.language import Language

from ragtuned_kedro.language_models.memory import collect_rarely
from ragtuned_kedro.language_models.token_spans import TokenSpans
from ragtuned_kedro.schemas.ids import content_id, seeded_order
from ragtuned_kedro.schemas.synthesis_tables import ReadingQuestions
from ragtuned_kedro.schemas.tables import Rejections, frame_of
from ragtuned_kedro.synthesis.drafts import Draft
from ragtuned_kedro.synthesis.gates import (
    content_words,
    find_contamination,
    normalise,
    pass_gates,
)
from ragtuned_kedro.synthesis.local import ask_sentences, contexts_of, dates_in_words
from ragtuned_kedro.synthesis.passages import passages_of
from ragtuned_kedro.synthesis.phrasing import short_names, vary
from ragtuned_kedro.synthesis.reading import (
    ReadSentence,
    person_test,
    read_sentences,
    types_of_names,
)
from ragtuned_kedro.synthesis.untold import ask_untold

# Passages from which questions are asked that this one does not answer: those most like it.
_N_NEAR = 8


@dataclass(frozen=True)
class Portion:
    """How many questions of each sort are asked of a passage at once, and how many times over."""

    n_rounds: int
    n_told: int
    n_untold: int
    n_elsewhere: int


@collect_rarely()
def ask_about_passages(
    documents: pd.DataFrame,
    sentences: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    entities: pd.DataFrame,
    evaluation_texts: Sequence[str],
    nlp: Language,
    token_spans: TokenSpans,
    *,
    portion: Portion,
    max_answer_tokens: int,
    decontamination_similarity: float,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask every passage what it tells and what it does not; return ReadingQuestions, Rejections.

    What it tells are the questions about its sentences that pass the gates. Against them stand
    what the passage leaves open (`ask_untold`) and what the passages most like it answer. No
    question is asked twice of a passage; where one sort runs out the others go on, and a round
    without a told question is none. A question close to an evaluation question is refused, and one
    for which no round is left is rejected as `over_budget`. Deterministic: the same tables and
    settings give the same questions.
    """
    if not portion.n_rounds:
        return frame_of(ReadingQuestions, []), frame_of(Rejections, [])
    read = list(read_sentences(sentences, entity_mentions, nlp))
    types = types_of_names(entities)
    is_person = person_test(types)
    passages = passages_of(read, documents, token_spans, max_answer_tokens)
    names = short_names(entity_mentions)
    passed, refused = pass_gates(
        [
            varied
            for draft in ask_sentences(read, is_person, dates_in_words(documents), passages)
            if draft.wants != "keywords"
            for varied in vary(draft, names, seed=seed)
        ],
        dict(zip(sentences["sentence_id"], sentences["statement"], strict=True)),
        contexts_of(documents, sentences),
        evaluation_texts,
        cache(lambda text: len(token_spans(text))),
        max_answer_tokens=max_answer_tokens,
        decontamination_similarity=decontamination_similarity,
    )
    told: dict[str, list[Draft]] = defaultdict(list)
    for draft in passed:
        told[passages[draft.anchor_id]].append(draft)
    members: dict[str, list[ReadSentence]] = defaultdict(list)
    for sentence in read:
        members[passages[sentence.sentence_id]].append(sentence)
    near_to = nearest_passages(list(members))
    evaluation = [normalise(text) for text in evaluation_texts]
    rows: list[dict] = []
    rejected = [_rejection(one.question, one.kind, *fault) for one, *fault in refused]
    for passage, inside in members.items():
        asked = {draft.question: draft.kind for draft in told[passage]}
        untold = {}
        for kind, question in ask_untold(passage, inside, types, is_person):
            fault = find_contamination(normalise(question), evaluation, decontamination_similarity)
            if fault:
                rejected.append(_rejection(question, kind, *fault))
            elif question not in asked:
                untold[question] = kind
        others = (draft for other in near_to[passage] for draft in told[other])
        elsewhere = {
            question: "elsewhere"
            for question in _unanswered(passage, others)
            if question not in asked and question not in untold
        }
        queues = [
            (portion.n_told, True, iter(_shuffled(asked, seed))),
            (portion.n_untold, False, iter(_alternate(_shuffled(untold, seed)))),
            (portion.n_elsewhere, False, iter(_shuffled(elsewhere, seed))),
        ]
        for n in range(portion.n_rounds):
            rows += _round(content_id("reading", passage, n), passage, queues)
        # What other passages answer is theirs to account for.
        rejected += [
            _rejection(question, kind, "over_budget", "")
            for *_, spare in queues[:2]
            for question, kind in spare
        ]
    return frame_of(ReadingQuestions, rows), frame_of(Rejections, rejected)


def _rejection(question: str, kind: str, reason: str, detail: str) -> dict:
    return {"key": f"{kind}: {question}", "call_id": None, "reason": reason, "detail": detail}


def _round(
    example_id: str, passage: str, queues: Sequence[tuple[int, bool, Iterator[tuple[str, str]]]]
) -> list[dict]:
    """Take the next questions of each queue (how many, whether told, (question, kind) ...).

    The told ones come first; without any the others are left where they are.
    """
    taken: list[tuple[str, str, bool]] = []
    for most, is_told, queue in queues:
        taken += [(question, kind, is_told) for question, kind in islice(queue, most)]
        if not taken:
            return []
    return [
        {
            "example_id": example_id,
            "position": position,
            "passage": passage,
            "kind": kind,
            "text": question,
            "is_told": is_told,
        }
        for position, (question, kind, is_told) in enumerate(taken)
    ]


def _shuffled(questions: Mapping[str, str], seed: int) -> list[tuple[str, str]]:
    return [(one, questions[one]) for one in seeded_order(questions, seed=seed)]


def _alternate(questions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Let the kinds take turns, so that the many of one do not crowd out the few of another."""
    turns: Counter[str] = Counter()
    ranked = []
    for question, kind in questions:
        ranked.append((turns[kind], kind, question))
        turns[kind] += 1
    return [(question, kind) for _, kind, question in sorted(ranked)]


def _unanswered(passage: str, drafts: Iterable[Draft]) -> Iterator[str]:
    """Keep questions whose answer does not stand in the passage."""
    text = f" {normalise(passage)} "
    for draft in drafts:
        short = normalise(draft.short)
        if short and f" {short} " not in text:
            yield draft.question


def nearest_passages(passages: Sequence[str]) -> dict[str, list[str]]:
    """Map each passage to those that share most with it, a word counting the more the rarer."""
    words = [frozenset(content_words(passage)) for passage in passages]
    n_with = Counter(word for one in words for word in one)
    near: dict[str, list[str]] = {}
    for at, passage in enumerate(passages):
        shared = [
            # Summed exactly: a set has another order in every process, and rounding goes by order.
            (-fsum(1 / n_with[word] for word in words[at] & other), place)
            for place, other in enumerate(words)
            if place != at
        ]
        near[passage] = [passages[place] for _, place in sorted(shared)[:_N_NEAR]]
    return near
