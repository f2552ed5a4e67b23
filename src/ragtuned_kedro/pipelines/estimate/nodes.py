import pandas as pd
from rich.console import Console
from rich.table import Table

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.token_spans import load_token_spans
from ragtuned_kedro.reporting.call_plans import estimate_calls
from ragtuned_kedro.schemas.parameters import (
    EngineParams,
    EstimateParams,
    ExtractionParams,
    TeachingParams,
)
from ragtuned_kedro.schemas.records import BaseModelFolder


def estimate(
    chunks: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    teacher: Asker,
    graph_prompts: PromptBook,
    report_prompts: PromptBook,
    synthesis_prompts: PromptBook,
    extraction: ExtractionParams,
    teaching: TeachingParams,
    estimate: EstimateParams,
    engines: EngineParams,
) -> pd.DataFrame:
    """Predict calls, tokens and money by stage."""
    token_spans = load_token_spans(base_model_folder.path)
    books = (graph_prompts, report_prompts, synthesis_prompts)
    estimates = estimate_calls(
        chunks,
        {book.room: book for book in books},
        lambda text: len(token_spans(text)),
        teacher.spending,
        model_id=teacher.model_id,
        endpoint=teacher.endpoint,
        entity_types=extraction.entity_types,
        teaching=teaching,
        assumed=estimate,
        engines=engines.model_dump(),
    )
    _show(estimates, f"{teacher.model_id} at {teacher.endpoint}")
    return estimates


def _show(estimates: pd.DataFrame, teacher: str) -> None:
    """Print the estimate: it is what the person who asked for it waits for."""
    table = Table(title=f"Estimate for {teacher}; nothing was sent", title_justify="left")
    table.add_column("stage", no_wrap=True)
    for name in ("calls", "prompt tokens", "completion tokens", "money"):
        table.add_column(name, justify="right")
    names = ("calls", "prompt_tokens", "completion_tokens")
    sums = estimates.sum(numeric_only=True)
    rows = [(row["stage"], row) for row in estimates.to_dict("records")]
    for stage, row in [*rows, ("all", sums)]:
        counts = [f"{int(row[f'{n}_low']):,} - {int(row[f'{n}_high']):,}" for n in names]
        currency = estimates["currency"].iloc[0] if len(estimates) else ""
        money = f"{row['money_low']:.2f} - {row['money_high']:.2f} {currency}"
        table.add_row(stage, *counts, money)
    Console().print(table if len(estimates) else "`engines` gives no stage to a teacher.")
