"""The teacher's synthesis: anchors become written, grounded and gated training pairs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ragtuned_kedro.language_models.asked import calls_table
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.synthesis_tables import QaEvidence, QaPairs, TrainingQueries
from ragtuned_kedro.schemas.tables import Ledger, Rejections, frame_of
from ragtuned_kedro.synthesis.anchors import GraphTables, draw_anchors
from ragtuned_kedro.synthesis.drafts import SCOPES, Draft
from ragtuned_kedro.synthesis.gates import drop_near_duplicates, normalise, pass_gates
from ragtuned_kedro.synthesis.grounding import Claim, calibrate, judge_grounding, plant_claims
from ragtuned_kedro.synthesis.ledger import count_outcomes
from ragtuned_kedro.synthesis.quotes import Quotes, by_id
from ragtuned_kedro.synthesis.synthesize import Corpus, Synthesis
from ragtuned_kedro.synthesis.teacher_pairs import TeacherPair, Written, write_pairs

Refused = tuple[TeacherPair, str, str]


@dataclass(frozen=True)
class Taught:
    """A synthesis with its calls and with what its grounding gate is worth."""

    made: Synthesis
    calls: pd.DataFrame
    calibration: pd.DataFrame


@dataclass(frozen=True)
class Room:
    """Completion tokens for each kind of reply."""

    question: int
    answer: int
    grounding: int


def synthesize_with_teacher(
    corpus: Corpus,
    graph: GraphTables,
    evaluation_texts: Sequence[str],
    asker: Asker,
    prompts: PromptBook,
    count_tokens: Callable[[str], int],
    *,
    most: Mapping[str, int],
    max_chunks: int,
    n_planted: int,
    room: Room,
    language: str,
    max_answer_tokens: int,
    near_duplicate_similarity: float,
    decontamination_similarity: float,
    seed: int,
) -> Taught:
    """Write a pair about every anchor drawn; anchors = pairs + rejections, each with a reason."""
    quotes = Quotes(graph.chunks, corpus.sentences)
    anchors = draw_anchors(graph, most=most, max_chunks=max_chunks, seed=seed)
    written = write_pairs(
        anchors,
        quotes,
        asker,
        prompts,
        language=language,
        max_question_tokens=room.question,
        max_answer_tokens=room.answer,
    )
    planted = plant_claims(corpus.sentences, corpus.entity_mentions, quotes, n=n_planted, seed=seed)
    claims = [
        Claim(pair.anchor.key, pair.question, pair.answer, pair.anchor.chunk_ids)
        for pair in written.pairs
    ]
    supported, judged = judge_grounding(
        [*claims, *planted], quotes, asker, prompts, max_new_tokens=room.grounding
    )
    written.calls += judged.calls
    grounded, refused = _sort_by_verdict(written, supported, judged.rejections)
    chosen, gated = _pass_gates(
        grounded,
        evaluation_texts,
        count_tokens,
        max_answer_tokens=max_answer_tokens,
        near_duplicate_similarity=near_duplicate_similarity,
        decontamination_similarity=decontamination_similarity,
    )
    return Taught(
        _tables(corpus, chosen, [*refused, *gated], written, count_tokens),
        calls_table(written.calls),
        calibrate(
            planted, {one.key: supported[one.key] for one in planted if one.key in supported}
        ),
    )


def _sort_by_verdict(
    written: Written, supported: Mapping[str, bool], rejections: Sequence[Mapping[str, Any]]
) -> tuple[list[TeacherPair], list[Refused]]:
    without = {row["key"]: row for row in rejections}
    grounded, refused = [], []
    for pair in written.pairs:
        key = pair.anchor.key
        if supported.get(key):
            grounded.append(pair)
        elif key in supported:
            refused.append((pair, "ungrounded", "the documents do not say all of it"))
        else:
            refused.append(
                (pair, "unjudged", f"{without[key]['reason']}: {without[key]['detail']}")
            )
    return grounded, refused


def _pass_gates(
    pairs: Sequence[TeacherPair],
    evaluation_texts: Sequence[str],
    count_tokens: Callable[[str], int],
    *,
    max_answer_tokens: int,
    near_duplicate_similarity: float,
    decontamination_similarity: float,
) -> tuple[list[TeacherPair], list[Refused]]:
    # Two anchors may give equal drafts, so a draft is known by its place in memory.
    drafts = [_draft(pair) for pair in pairs]
    by_draft = {id(draft): pair for draft, pair in zip(drafts, pairs, strict=True)}
    passed, refused = pass_gates(
        drafts,
        {},
        {},
        evaluation_texts,
        count_tokens,
        max_answer_tokens=max_answer_tokens,
        decontamination_similarity=decontamination_similarity,
        is_extractive=False,
    )
    passed, near = drop_near_duplicates(passed, similarity=near_duplicate_similarity)
    return (
        [by_draft[id(draft)] for draft in passed],
        [(by_draft[id(draft)], reason, detail) for draft, reason, detail in [*refused, *near]],
    )


def _draft(pair: TeacherPair) -> Draft:
    return Draft(
        kind=pair.anchor.kind,
        anchor_kind=pair.anchor.anchor_kind,
        anchor_id=pair.anchor.anchor_id,
        question=pair.question,
        wants="",
        answer=pair.answer,
        evidence=tuple(by_id(pair.evidence)),
        reasoning=pair.reasoning,
    )


def _tables(
    corpus: Corpus,
    chosen: Sequence[TeacherPair],
    refused: Sequence[Refused],
    written: Written,
    count_tokens: Callable[[str], int],
) -> Synthesis:
    queries, pairs, evidence = [], [], []
    for pair in sorted(chosen, key=lambda one: normalise(one.question)):
        query_id = content_id("query", normalise(pair.question))
        qa_id = content_id("qa", query_id, pair.reasoning, pair.answer)
        queries.append(
            {
                "query_id": query_id,
                "kind": pair.anchor.kind,
                "scope": SCOPES[pair.anchor.kind],
                "anchor_kind": pair.anchor.anchor_kind,
                "anchor_id": pair.anchor.anchor_id,
                "origin": "model",
                "text": pair.question,
                "call_id": pair.question_call_id,
            }
        )
        pairs.append(
            {
                "qa_id": qa_id,
                "query_id": query_id,
                "reasoning": pair.reasoning,
                "answer": pair.answer,
                "n_answer_tokens": count_tokens(f"{pair.reasoning} {pair.answer}".strip()),
                "call_id": pair.answer_call_id,
            }
        )
        evidence += [
            {"qa_id": qa_id, "chunk_id": chunk_id, "sentence_id": sentence_id, "position": n}
            for n, (sentence_id, chunk_id) in enumerate(by_id(pair.evidence).items())
        ]
    rejections = [
        {
            "key": pair.anchor.key,
            "call_id": pair.answer_call_id,
            "reason": reason,
            "detail": detail,
        }
        for pair, reason, detail in refused
    ]
    rejections = [*written.rejections, *rejections]
    counts = Counter((str(row["key"]).split(" ")[0], str(row["reason"])) for row in rejections)
    ledger = count_outcomes(corpus, [_draft(pair) for pair in chosen], counts)
    return Synthesis(
        frame_of(TrainingQueries, queries),
        frame_of(QaPairs, pairs),
        frame_of(QaEvidence, evidence),
        frame_of(Rejections, rejections),
        frame_of(Ledger, ledger),
    )
