import logging

import pandas as pd

from ragtuned_kedro.corpus.chunk import chunk_documents
from ragtuned_kedro.corpus.read import read_documents
from ragtuned_kedro.language_models.token_spans import load_token_spans
from ragtuned_kedro.schemas.corpus_parameters import ChunkingParams, CorpusParams
from ragtuned_kedro.schemas.records import BaseModelFolder

logger = logging.getLogger(__name__)


def read_corpus(
    raw_documents: list[tuple[str, bytes]],
    base_model_folder: BaseModelFolder,
    corpus: CorpusParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read files into documents and rejections."""
    token_spans = load_token_spans(base_model_folder.path)
    documents, rejections = read_documents(
        raw_documents,
        lambda text: len(token_spans(text)),
        text_column=corpus.text_column,
        title_column=corpus.title_column,
        date_column=corpus.date_column,
        max_rejected_share=corpus.max_rejected_share,
    )
    for row in rejections.itertuples():
        logger.warning("Not read: %s (%s: %s)", row.key, row.reason, row.detail)
    return documents, rejections


def cut_chunks(
    documents: pd.DataFrame, base_model_folder: BaseModelFolder, chunking: ChunkingParams
) -> pd.DataFrame:
    """Cut documents into chunks."""
    return chunk_documents(
        documents,
        load_token_spans(base_model_folder.path),
        size=chunking.size,
        overlap=chunking.overlap,
    )
