"""How close the wording of an answer comes to the reference: shared words and shared meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ragtuned_kedro.evaluation.wording import normalise
from ragtuned_kedro.language_models.embedder import Embed
from ragtuned_kedro.schemas.evaluation_tables import AnswerOverlaps
from ragtuned_kedro.schemas.tables import frame_of


@dataclass(frozen=True)
class Reference:
    """The text that an answer is compared with, and where it comes from."""

    text: str
    source: str


class _Words:
    """Splits as the assertions are read, so that "thirty-one" and "31" are one word here too."""

    def tokenize(self, text: str) -> list[str]:
        return normalise(text).split()


def references_of(queries: pd.DataFrame, assertions: pd.DataFrame) -> dict[str, Reference]:
    """Give each query its reference, or else its assertions in order; some have neither."""
    asserted = assertions.sort_values("position").groupby("query_id")["text"].agg("; ".join)
    derived = {str(key): Reference(text, "assertions") for key, text in asserted.items()}
    written = {
        row["query_id"]: Reference(row["reference"], "reference")
        for row in queries.to_dict("records")
        # A reference to an unanswerable question says only that there is no answer.
        if isinstance(row["reference"], str) and row["scope"] != "unanswerable"
    }
    return derived | written


def measure_overlaps(
    queries: pd.DataFrame, assertions: pd.DataFrame, answers: pd.DataFrame, *, embed: Embed | None
) -> pd.DataFrame:
    """Compare every answer with its query's reference, from Answers to AnswerOverlaps.

    `token_f1` is the F-measure over the words of both as bags (ROUGE-1, which is SQuAD's F1 with
    articles counted), `rouge_l` that of their longest common subsequence (Lin 2004), both over
    normalised words; `similarity` the cosine of their embeddings, null without `embed`. A long
    answer that holds the whole reference scores low on the first two: they punish every further
    word, which assertion recall does not.
    """
    # Pulls in nltk, which takes a second that no other command should pay.
    from rouge_score.rouge_scorer import RougeScorer

    references = references_of(queries, assertions)
    scorer = RougeScorer(["rouge1", "rougeL"], tokenizer=_Words())
    pairs = [
        (references.get(row["query_id"]), "" if row["finish_reason"] == "error" else row["text"])
        for row in answers.to_dict("records")
    ]
    similarities = _similarities(pairs, embed)
    rows = []
    for answer, (reference, said), similarity in zip(
        answers.to_dict("records"), pairs, similarities, strict=True
    ):
        row = {name: answer[name] for name in ("query_id", "system", "sample")}
        if reference is not None:
            scores = scorer.score(reference.text, said)
            row |= {
                "reference_source": reference.source,
                "token_f1": scores["rouge1"].fmeasure,
                "rouge_l": scores["rougeL"].fmeasure,
                "similarity": similarity,
            }
        rows.append(row)
    return frame_of(AnswerOverlaps, rows)


def _similarities(
    pairs: Sequence[tuple[Reference | None, str]], embed: Embed | None
) -> list[float | None]:
    if embed is None:
        return [None] * len(pairs)
    texts = sorted(
        {text for reference, said in pairs if reference for text in (reference.text, said)}
    )
    vectors = dict(zip(texts, embed(texts), strict=True)) if texts else {}
    return [
        None
        if reference is None
        # An embedding of nothing is no meaning, and rounding can leave a cosine just above 1.
        else float(np.clip(vectors[reference.text] @ vectors[said], -1, 1))
        if said.strip()
        else 0.0
        for reference, said in pairs
    ]
