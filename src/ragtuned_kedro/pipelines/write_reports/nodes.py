import pandas as pd

from ragtuned_kedro.communities.report import write_reports
from ragtuned_kedro.language_models.token_spans import load_token_spans
from ragtuned_kedro.schemas.graph_parameters import ReportParams
from ragtuned_kedro.schemas.records import BaseModelFolder


def write(
    communities: pd.DataFrame,
    community_members: pd.DataFrame,
    entities: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    sentences: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    reports: ReportParams,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Write a report on every community."""
    token_spans = load_token_spans(base_model_folder.path)
    return write_reports(
        communities,
        community_members,
        entities,
        entity_mentions,
        sentences,
        lambda text: len(token_spans(text)),
        max_tokens=reports.max_tokens,
        max_findings=reports.max_findings,
    )
