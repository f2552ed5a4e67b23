"""Questions answered right and wrong, each with the training rows behind it."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

_WORD = re.compile(r"\w{2,}")
_N_TRAINING_ROWS = 3
# Examples take turns over the scopes, so that the easy kind does not crowd out the others.
_TURNS = ("local", "linked", "global", "unanswerable")

Row = dict[Any, Any]


@dataclass(frozen=True)
class _Lesson:
    """One training pair and the sentences that it rests on."""

    kind: str
    question: str
    answer: str
    evidence: tuple[Row, ...]
    words: frozenset[str]


def choose_examples(
    evaluation_queries: pd.DataFrame,
    assertions: pd.DataFrame,
    query_evidence: pd.DataFrame,
    answers: pd.DataFrame,
    query_scores: pd.DataFrame,
    lessons: "Lessons",
    *,
    candidate: str,
    baseline: str,
    n_right: int,
    n_wrong: int,
) -> list[Row]:
    """Choose questions that `candidate` got right and wrong, as JSON-like rows.

    Right means that every assertion held. Of those, questions that the baseline failed come
    first: they show what tuning added. Of the wrong ones, those with the lowest score do.
    """
    scores = _by_query(query_scores, candidate)
    base_scores = _by_query(query_scores, baseline)
    queries = [
        row
        for row in evaluation_queries.sort_values("query_id").to_dict("records")
        if row["query_id"] in scores
    ]
    right = [row for row in queries if scores[row["query_id"]]["score"] == 1]
    wrong = [row for row in queries if scores[row["query_id"]]["score"] < 1]
    right.sort(key=lambda row: base_scores.get(row["query_id"], {"score": 0})["score"])
    wrong.sort(key=lambda row: scores[row["query_id"]]["score"])
    said = {system: _by_query(answers, system) for system in (candidate, baseline)}
    wanted = assertions.sort_values("position").groupby("query_id")["text"].agg(list).to_dict()
    named = query_evidence.groupby("query_id")["source_uri"].agg(list).to_dict()
    return [
        {
            "is_right": is_right,
            "scope": row["scope"],
            "question": row["text"],
            "reference": row["reference"] if isinstance(row["reference"], str) else None,
            "assertions": wanted.get(row["query_id"], []),
            "score": scores[row["query_id"]]["score"],
            "tuned_answer": _said(said[candidate].get(row["query_id"])),
            "base_answer": _said(said[baseline].get(row["query_id"])),
            "documents": named.get(row["query_id"], []),
            "training_rows": lessons.behind(
                " ".join([row["text"], str(row["reference"] or "")]),
                documents=named.get(row["query_id"], []),
            ),
        }
        for is_right, chosen in ((True, _take(right, n_right)), (False, _take(wrong, n_wrong)))
        for row in chosen
    ]


class Lessons:
    """The training pairs, ready to be asked which of them taught an answer."""

    def __init__(
        self,
        training_queries: pd.DataFrame,
        qa_pairs: pd.DataFrame,
        qa_evidence: pd.DataFrame,
        sentences: pd.DataFrame,
        documents: pd.DataFrame,
    ) -> None:
        evidence = _evidence_by_pair(qa_evidence, sentences, documents)
        pairs = qa_pairs.merge(training_queries[["query_id", "kind", "text"]], on="query_id")
        self._lessons = [
            _Lesson(
                row["kind"],
                row["text"],
                row["answer"],
                tuple(evidence.get(row["qa_id"], [])),
                _words(" ".join([row["text"], row["answer"]])),
            )
            for row in pairs.sort_values("qa_id").to_dict("records")
        ]
        occurs = Counter(word for lesson in self._lessons for word in lesson.words)
        self._weights = {word: math.log(1 + len(self._lessons) / n) for word, n in occurs.items()}

    def behind(self, text: str, *, documents: list[str]) -> list[Row]:
        """Find the training rows that share most with `text`, rare words weighing more.

        Rows whose evidence lies in `documents` are preferred; where none does (an unanswerable
        question, or a gap in the synthesis) all rows are candidates.
        """
        wanted = _words(text)
        named = set(documents)
        near = [
            lesson
            for lesson in self._lessons
            if named & {sentence["document"] for sentence in lesson.evidence}
        ]
        ranked = sorted(
            (
                (self._shared(lesson, wanted), place, lesson)
                for place, lesson in enumerate(near or self._lessons)
            ),
            key=lambda item: (-item[0], item[1]),
        )
        return [
            {
                "kind": lesson.kind,
                "question": lesson.question,
                "answer": lesson.answer,
                "evidence": list(lesson.evidence),
            }
            for shared, _, lesson in ranked[:_N_TRAINING_ROWS]
            if shared > 0
        ]

    def _shared(self, lesson: _Lesson, wanted: frozenset[str]) -> float:
        weight = math.fsum(self._weights[word] for word in lesson.words & wanted)
        # Without this, the longest answers would be behind everything.
        return weight / math.sqrt(math.fsum(self._weights[word] for word in lesson.words) or 1)


def _evidence_by_pair(
    qa_evidence: pd.DataFrame, sentences: pd.DataFrame, documents: pd.DataFrame
) -> dict[str, list[Row]]:
    joined = (
        qa_evidence[["qa_id", "sentence_id", "position"]]
        .merge(sentences[["sentence_id", "doc_id", "text"]], on="sentence_id")
        .merge(documents[["doc_id", "source_uri", "title"]], on="doc_id")
        .sort_values(["qa_id", "position"])
    )
    grouped: dict[str, list[Row]] = {}
    for row in joined.to_dict("records"):
        grouped.setdefault(row["qa_id"], []).append(
            {"sentence": row["text"], "document": row["source_uri"], "title": row["title"]}
        )
    return grouped


def _by_query(rows: pd.DataFrame, system: str) -> dict[str, Row]:
    first = rows[(rows["system"] == system) & (rows["sample"] == 0)]
    return {row["query_id"]: row for row in first.to_dict("records")}


def _said(answer: Row | None) -> str:
    if answer is None:
        return "(not asked)"
    if answer["finish_reason"] == "error":
        return f"(failed: {answer['error']})"
    return str(answer["text"])


def _take(rows: list[Row], n: int) -> list[Row]:
    waiting = {scope: [row for row in rows if row["scope"] == scope] for scope in _TURNS}
    taken: list[Row] = []
    while len(taken) < n and any(waiting.values()):
        for scope in _TURNS:
            if waiting[scope] and len(taken) < n:
                taken.append(waiting[scope].pop(0))
    return taken


def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(text))
