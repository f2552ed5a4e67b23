"""The embedded synthesis: sentences, graph and reports become gated, budgeted training pairs."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import pandas as pd
from spacy.language import Language

from ragtuned_kedro.language_models.memory import collect_rarely
from ragtuned_kedro.language_models.token_spans import TokenSpans
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.synthesis_tables import QaEvidence, QaPairs, TrainingQueries
from ragtuned_kedro.schemas.tables import Ledger, Rejections, frame_of
from ragtuned_kedro.synthesis import overviews
from ragtuned_kedro.synthesis.choose import choose_drafts
from ragtuned_kedro.synthesis.drafts import KINDS, Draft
from ragtuned_kedro.synthesis.gates import drop_near_duplicates, normalise, pass_gates
from ragtuned_kedro.synthesis.ledger import count_outcomes
from ragtuned_kedro.synthesis.linked import ask_linked
from ragtuned_kedro.synthesis.local import ask_sentences, contexts_of, dates_in_words
from ragtuned_kedro.synthesis.passages import passages_of
from ragtuned_kedro.synthesis.phrasing import short_names, vary
from ragtuned_kedro.synthesis.reading import (
    ReadSentence,
    person_test,
    read_sentences,
    types_of_names,
)
from ragtuned_kedro.synthesis.unanswerable import ask_unanswerable


@dataclass(frozen=True)
class Corpus:
    """The tables that questions are made of."""

    documents: pd.DataFrame
    sentences: pd.DataFrame
    entity_mentions: pd.DataFrame
    entities: pd.DataFrame
    relationships: pd.DataFrame
    reports: pd.DataFrame
    findings: pd.DataFrame


@dataclass(frozen=True)
class Synthesis:
    """What synthesis hands on: three tables of pairs, what was refused, and the ledger."""

    queries: pd.DataFrame
    pairs: pd.DataFrame
    evidence: pd.DataFrame
    rejections: pd.DataFrame
    ledger: pd.DataFrame


@collect_rarely()
def synthesize(
    corpus: Corpus,
    evaluation_texts: Sequence[str],
    nlp: Language,
    token_spans: TokenSpans,
    *,
    n_pairs: int,
    mix: Mapping[str, float],
    max_answer_tokens: int,
    near_duplicate_similarity: float,
    decontamination_similarity: float,
    seed: int,
) -> Synthesis:
    """Ask everything, refuse what a gate refuses, choose `n_pairs` by `mix`.

    Deterministic: the same tables and settings give the same pairs.

    Raises:
        UserError: If `mix` names a kind that does not exist.
    """
    if unknown := set(mix) - set(KINDS):
        raise UserError(
            f"synthesis.mix names {', '.join(sorted(unknown))}; the kinds are {', '.join(KINDS)}"
        )

    # Thousands of questions have the same few hundred passages as their answers.
    @cache
    def count_tokens(text: str) -> int:
        return len(token_spans(text))

    sentences = list(read_sentences(corpus.sentences, corpus.entity_mentions, nlp))
    names = short_names(corpus.entity_mentions)
    drafts = list(
        itertools.chain.from_iterable(
            vary(draft, names, seed=seed)
            for draft in _draft_everything(corpus, sentences, token_spans, max_answer_tokens, seed)
        )
    )
    passed, refused = pass_gates(
        drafts,
        dict(zip(corpus.sentences["sentence_id"], corpus.sentences["statement"], strict=True)),
        contexts_of(corpus.documents, corpus.sentences),
        evaluation_texts,
        count_tokens,
        max_answer_tokens=max_answer_tokens,
        decontamination_similarity=decontamination_similarity,
    )
    passed, near = drop_near_duplicates(passed, similarity=near_duplicate_similarity)
    chosen = choose_drafts(passed, n_pairs=n_pairs, mix=mix, seed=seed)
    taken = {normalise(draft.question) for draft in chosen}
    spare = [
        (draft, "over_budget", draft.kind)
        for draft in passed
        if normalise(draft.question) not in taken
    ]
    refused = [*refused, *near, *spare]
    return _tables(corpus, chosen, refused, count_tokens)


def _draft_everything(
    corpus: Corpus,
    sentences: Sequence[ReadSentence],
    token_spans: TokenSpans,
    max_answer_tokens: int,
    seed: int,
) -> list[Draft]:
    types = types_of_names(corpus.entities)
    is_person = person_test(types)
    dates = dates_in_words(corpus.documents)
    tell = overviews.Overviews(sentences, token_spans, max_answer_tokens)
    passages = passages_of(sentences, corpus.documents, token_spans, max_answer_tokens)
    local = list(ask_sentences(sentences, is_person, dates, passages))
    return [
        *local,
        *ask_linked(sentences, local, is_person),
        *overviews.ask_entities(tell, corpus.entities, corpus.relationships),
        *overviews.ask_relationships(tell, corpus.entities, corpus.relationships),
        *overviews.ask_documents(tell, corpus.documents, dates),
        *overviews.ask_reports(tell, corpus.reports, corpus.findings),
        *ask_unanswerable(sentences, local, types, seed=seed),
    ]


def _tables(
    corpus: Corpus,
    chosen: Sequence[Draft],
    refused: Sequence[tuple[Draft, str, str]],
    count_tokens: Callable[[str], int],
) -> Synthesis:
    home = dict(zip(corpus.sentences["sentence_id"], corpus.sentences["chunk_id"], strict=True))
    queries, pairs, evidence = [], [], []
    for draft in sorted(chosen, key=lambda d: normalise(d.question)):
        query_id = content_id("query", normalise(draft.question))
        qa_id = content_id("qa", query_id, draft.reasoning, draft.answer)
        queries.append(
            {
                "query_id": query_id,
                "kind": draft.kind,
                "scope": draft.scope,
                "anchor_kind": draft.anchor_kind,
                "anchor_id": draft.anchor_id,
                "origin": "template",
                "text": draft.question,
                "call_id": None,
            }
        )
        pairs.append(
            {
                "qa_id": qa_id,
                "query_id": query_id,
                "reasoning": draft.reasoning,
                "answer": draft.answer,
                "n_answer_tokens": count_tokens(f"{draft.reasoning} {draft.answer}".strip()),
                "call_id": None,
            }
        )
        evidence += [
            {"qa_id": qa_id, "chunk_id": home[i], "sentence_id": i, "position": n}
            for n, i in enumerate(dict.fromkeys(draft.evidence))
        ]
    rejections = [
        {
            "key": f"{draft.kind}: {draft.question}",
            "call_id": None,
            "reason": reason,
            "detail": detail,
        }
        for draft, reason, detail in refused
    ]
    ledger = count_outcomes(corpus, chosen, Counter((d.kind, reason) for d, reason, _ in refused))
    return Synthesis(
        frame_of(TrainingQueries, queries),
        frame_of(QaPairs, pairs),
        frame_of(QaEvidence, evidence),
        frame_of(Rejections, rejections),
        frame_of(Ledger, ledger),
    )
