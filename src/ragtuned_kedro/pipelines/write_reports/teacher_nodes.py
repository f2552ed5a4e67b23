import pandas as pd

from ragtuned_kedro.communities.teacher_report import report_with_teacher
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.token_spans import load_token_spans
from ragtuned_kedro.schemas.graph_parameters import ReportParams
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.schemas.teaching_parameters import TeachingParams


def write(
    communities: pd.DataFrame,
    community_members: pd.DataFrame,
    entities: pd.DataFrame,
    relationships: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    teacher: Asker,
    report_prompts: PromptBook,
    reports: ReportParams,
    teaching: TeachingParams,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Have the teacher report on every community."""
    token_spans = load_token_spans(base_model_folder.path)
    return report_with_teacher(
        communities,
        community_members,
        entities,
        relationships,
        teacher,
        report_prompts,
        lambda text: len(token_spans(text)),
        language=teaching.language,
        max_context_tokens=teaching.max_context_tokens,
        max_findings=reports.max_findings,
        max_new_tokens=teaching.report_tokens,
    )
