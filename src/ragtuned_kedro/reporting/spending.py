"""What calls cost beside what was estimated, and whose text went where."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from ragtuned_kedro.language_models.egress import is_loopback
from ragtuned_kedro.language_models.purse import Amount
from ragtuned_kedro.schemas.call_tables import Disclosures, Sendings, Spendings
from ragtuned_kedro.schemas.endpoint_parameters import SpendingParams
from ragtuned_kedro.schemas.tables import frame_of

_AMOUNTS = ("calls", "prompt_tokens", "completion_tokens", "money")


def compare_spending(
    paid: Sequence[tuple[pd.DataFrame, SpendingParams]], estimates: pd.DataFrame
) -> pd.DataFrame:
    """Sum ModelCalls by stage beside CallEstimates, as Spendings, in the order of the estimates.

    Each table of calls comes with the prices of the model that answered them.
    """
    foreseen = {row["stage"]: row for row in estimates.to_dict("records")}
    made: dict[str, list[tuple[pd.DataFrame, SpendingParams]]] = {stage: [] for stage in foreseen}
    for calls, spending in paid:
        for stage, own in calls.groupby("stage", sort=False):
            made.setdefault(str(stage), []).append((own, spending))
    return frame_of(
        Spendings, [_stage_row(stage, made[stage], foreseen.get(stage, {})) for stage in made]
    )


def _stage_row(
    stage: str,
    paid: Sequence[tuple[pd.DataFrame, SpendingParams]],
    expected: Mapping[str, object],
) -> dict[str, object]:
    sums = [
        Amount(len(own), int(own["n_prompt_tokens"].sum()), int(own["n_completion_tokens"].sum()))
        for own, _ in paid
    ]
    prices = [spending for _, spending in paid]
    return {
        "stage": stage,
        "n_calls": sum(one.n_calls for one in sums),
        "n_unusable": sum(int((own["outcome"] != "valid").sum()) for own, _ in paid),
        "n_prompt_tokens": sum(one.n_prompt_tokens for one in sums),
        "n_completion_tokens": sum(one.n_completion_tokens for one in sums),
        "money": sum(one.money(price) for one, price in zip(sums, prices, strict=True)),
        **{
            f"{amount}_{end}": expected.get(f"{amount}_{end}")
            for amount in _AMOUNTS
            for end in ("low", "high")
        },
        "currency": prices[0].currency if prices else expected["currency"],
    }


def disclose(
    sent: Sequence[pd.DataFrame],
    documents: pd.DataFrame,
    chunks: pd.DataFrame,
    docs_of: Mapping[str, Collection[str]],
    *,
    reciting_stages: Collection[str] = (),
) -> pd.DataFrame:
    """List, as Disclosures, which documents' text each endpoint was sent, at which stage.

    `sent` are Sendings and ModelCalls; a call that stands in several of them counts once. A call's
    key names a chunk, or something that `docs_of` leads back to documents. A call that leads
    nowhere may have shown every document, and so may one of `reciting_stages`, at which answers of
    the systems were shown: nothing that was sent goes unlisted. Refused, unusable and unanswered
    calls were sent too.
    """
    columns = list(Sendings.to_schema().columns)
    calls = pd.concat([frame_of(Sendings, []), *(table[columns] for table in sent)])
    doc_of = dict(zip(chunks["chunk_id"], chunks["doc_id"], strict=True))
    uri_of = dict(zip(documents["doc_id"], documents["source_uri"], strict=True))
    shown: Counter[tuple[str, str, str, str]] = Counter()
    # Calls that may have shown any document, and how often they showed one for certain.
    open_calls: Counter[tuple[str, str, str]] = Counter()
    shown_openly: Counter[tuple[str, str, str, str]] = Counter()
    for call in calls.drop_duplicates().itertuples():
        names = re.split(r"[ |]", str(call.key))
        docs = {doc_of[name] for name in names if name in doc_of}
        docs = docs or {doc for name in names for doc in docs_of.get(name, ())}
        where = (str(call.endpoint), str(call.model_id), str(call.stage))
        shown.update((doc, *where) for doc in docs)
        if not docs or call.stage in reciting_stages:
            open_calls[where] += 1
            shown_openly.update((doc, *where) for doc in docs)
    possible = Counter(
        {
            (doc, *where): n - shown_openly[doc, *where]
            for where, n in open_calls.items()
            for doc in uri_of
        }
    )
    return frame_of(
        Disclosures,
        [
            {
                "doc_id": key[0],
                "source_uri": uri_of[key[0]],
                **dict(zip(("endpoint", "model_id", "stage"), key[1:], strict=True)),
                "n_calls": shown[key],
                "n_possible_calls": possible[key],
                "is_loopback": is_loopback(key[1]),
            }
            for key in sorted({*shown, *+possible})
        ],
    )
