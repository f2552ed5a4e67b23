"""What a teacher and a judge were asked, in words: cost, whose text they were sent, the gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ragtuned_kedro.reporting.score_rows import Figure

# A page that names every document of a large corpus at every stage would not open.
_MOST_NAMED = 500
_AMOUNTS = (
    ("calls", "n_calls"),
    ("prompt_tokens", "n_prompt_tokens"),
    ("completion_tokens", "n_completion_tokens"),
    ("money", "money"),
)


@dataclass(frozen=True)
class SpendingRow:
    """One stage, or all: what was spent, with the estimate in place of an interval."""

    stage: str
    figures: Mapping[str, Figure]
    n_unusable: int


@dataclass(frozen=True)
class DisclosureRow:
    """What one model was sent at one stage: `shown` for certain, `possible` as a part of answers.

    Both are names of documents, cut after so many; `n_shown` and `n_possible` count all of them.
    """

    stage: str
    model_id: str
    endpoint: str
    is_loopback: bool
    shown: tuple[str, ...]
    possible: tuple[str, ...]
    n_shown: int
    n_possible: int


@dataclass(frozen=True)
class GateRow:
    """A measure of the grounding gate on planted claims; `figure` is null where nothing counts."""

    metric: str
    figure: Figure | None
    n: int
    n_without_verdict: int
    meaning: str


@dataclass(frozen=True)
class AskedRows:
    """All of it; `is_asked` is false where neither a teacher nor a judge was to be asked.

    `n_sent_away` documents were, or may have been, sent to another machine.
    """

    is_asked: bool
    spendings: tuple[SpendingRow, ...]
    disclosures: tuple[DisclosureRow, ...]
    gate: tuple[GateRow, ...]
    n_sent_away: int


def asked_rows(
    spendings: pd.DataFrame, disclosures: pd.DataFrame, grounding_calibration: pd.DataFrame
) -> AskedRows:
    """Write Spendings, Disclosures and GroundingCalibration in words."""
    away = disclosures.loc[~disclosures["is_loopback"], "doc_id"]
    return AskedRows(
        bool(len(spendings) or len(disclosures)),
        tuple(_spending_rows(spendings.to_dict("records"))),
        tuple(_disclosure_rows(disclosures)),
        tuple(_gate_row(row) for row in grounding_calibration.to_dict("records")),
        len(set(away)),
    )


def _spending_rows(rows: Sequence[Mapping[str, Any]]) -> list[SpendingRow]:
    shown = [_spending_row(row) for row in rows]
    # Amounts of two currencies cannot be added.
    if len(rows) > 1 and len({row["currency"] for row in rows}) == 1:
        numbers = [name for name in rows[0] if name not in ("stage", "currency")]
        # One stage that nobody foresaw leaves the sum without an estimate: nan stays nan.
        sums = {name: sum(row[name] for row in rows) for name in numbers}
        shown.append(_spending_row({"stage": "all", "currency": rows[0]["currency"], **sums}))
    return shown


def _spending_row(row: Mapping[str, Any]) -> SpendingRow:
    return SpendingRow(
        row["stage"],
        {
            amount: _beside(row[name], row[f"{amount}_low"], row[f"{amount}_high"], row["currency"])
            if amount == "money"
            else _beside(row[name], row[f"{amount}_low"], row[f"{amount}_high"])
            for amount, name in _AMOUNTS
        },
        int(row["n_unusable"]),
    )


def _beside(value: float, low: float, high: float, currency: str | None = None) -> Figure:
    write = _count if currency is None else _money
    interval = "" if pd.isna(low) else f"{write(low)} to {write(high)}"
    text = write(value) if currency is None else f"{write(value)} {currency}"
    return Figure(text, interval, float(value), float(low), float(high))


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _money(amount: float) -> str:
    # Small models cost fractions of a cent.
    return f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.4f}"


def _disclosure_rows(disclosures: pd.DataFrame) -> list[DisclosureRow]:
    keys = ["endpoint", "model_id", "stage", "is_loopback"]
    rows = []
    for (endpoint, model_id, stage, is_loopback), told in disclosures.groupby(keys, sort=False):
        shown = sorted(told.loc[told["n_calls"] > 0, "source_uri"])
        possible = sorted(told.loc[told["n_calls"] == 0, "source_uri"])
        rows.append(
            DisclosureRow(
                str(stage),
                str(model_id),
                str(endpoint),
                bool(is_loopback),
                tuple(shown[:_MOST_NAMED]),
                tuple(possible[:_MOST_NAMED]),
                len(shown),
                len(possible),
            )
        )
    return rows


def _gate_row(row: Mapping[str, Any]) -> GateRow:
    value = row["value"]
    known = not pd.isna(value)
    return GateRow(
        row["metric"],
        Figure(f"{100 * value:.0f} %", "", value, float("nan"), float("nan")) if known else None,
        int(row["n"]),
        int(row["n_without_verdict"]),
        row["meaning"],
    )
