import logging

import pandas as pd

from ragtuned_kedro.evaluation.queries import read_questions

logger = logging.getLogger(__name__)


def read_question_files(
    raw_questions: list[tuple[str, bytes]], documents: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read question files into queries, assertions, evidence and rejections."""
    read = read_questions(raw_questions, known_documents=set(documents["source_uri"]))
    if len(read.rejections):
        first = read.rejections.iloc[0]
        logger.warning(
            "%d of %d questions were refused; the first: %s, %s: %s",
            len(read.rejections),
            len(read.rejections) + len(read.queries),
            first["key"],
            first["reason"],
            first["detail"],
        )
    if read.queries.empty:
        logger.warning("There are no evaluation questions, so the scorecard will be empty.")
    return read.queries, read.assertions, read.evidence, read.rejections
