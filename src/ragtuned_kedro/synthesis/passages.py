"""Passages: what the model recites when it is asked about one of their sentences."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ragtuned_kedro.language_models.token_spans import TokenSpans
from ragtuned_kedro.synthesis.reading import ReadSentence


def passages_of(
    sentences: Sequence[ReadSentence],
    documents: pd.DataFrame,
    token_spans: TokenSpans,
    max_tokens: int,
) -> dict[str, str]:
    """Map each sentence_id to the statements of its paragraph, as many as fit in `max_tokens`.

    A model of a hundred million parameters finds the right one of a few paragraphs more often
    than the right one of three times as many sentences, and beside the right sentence stands what
    its pronouns leave out. A sentence that does not fit behind the beginning of its
    paragraph begins a passage of its own; one that is longer than `max_tokens` is a passage alone,
    for the gates to refuse.
    """
    texts: Mapping[str, str] = dict(zip(documents["doc_id"], documents["text"], strict=True))
    passages: list[list[ReadSentence]] = []
    home: tuple[str, int] | None = None
    for sentence in sorted(sentences, key=lambda s: (s.doc_id, s.start_char)):
        paragraph = texts[sentence.doc_id].count("\n\n", 0, sentence.start_char)
        joined = _join([*passages[-1], sentence]) if passages else ""
        if home != (sentence.doc_id, paragraph) or len(token_spans(joined)) > max_tokens:
            home = (sentence.doc_id, paragraph)
            passages.append([])
        passages[-1].append(sentence)
    return {s.sentence_id: _join(passage) for passage in passages for s in passage}


def _join(passage: Sequence[ReadSentence]) -> str:
    """Join statements; one that repeats the one before, for its context, takes its place."""
    kept: list[str] = []
    for sentence in passage:
        if kept and sentence.statement.startswith(kept[-1]):
            kept.pop()
        kept.append(sentence.statement)
    return " ".join(kept)
