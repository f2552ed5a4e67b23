"""What calls cost beside what was estimated, and whose text went where."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from ragtuned_kedro.language_models.egress import is_loopback
from ragtuned_kedro.schemas.parameters import SpendingParams
from ragtuned_kedro.schemas.tables import Disclosures, Spendings, frame_of


def compare_spending(
    calls: Sequence[pd.DataFrame], estimates: pd.DataFrame, spending: SpendingParams
) -> pd.DataFrame:
    """Sum ModelCalls by stage beside CallEstimates, as Spendings, in the order of the estimates."""
    made = pd.concat(calls, ignore_index=True)
    foreseen = {row["stage"]: row for row in estimates.to_dict("records")}
    rows = []
    for stage in dict.fromkeys([*foreseen, *made["stage"]]):
        own = made[made["stage"] == stage]
        n_prompt, n_completion = (
            int(own[name].sum()) for name in ("n_prompt_tokens", "n_completion_tokens")
        )
        money = n_prompt * spending.prompt_price + n_completion * spending.completion_price
        expected = foreseen.get(stage, {})
        rows.append(
            {
                "stage": stage,
                "n_calls": len(own),
                "n_unusable": int((own["outcome"] != "valid").sum()),
                "n_prompt_tokens": n_prompt,
                "n_completion_tokens": n_completion,
                "money": money / 1e6,
                **{
                    name: expected.get(name)
                    for name in ("calls_low", "calls_high", "money_low", "money_high")
                },
                "currency": spending.currency,
            }
        )
    return frame_of(Spendings, rows)


def disclose(
    calls: Sequence[pd.DataFrame],
    documents: pd.DataFrame,
    chunks: pd.DataFrame,
    chunks_of: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """List, as Disclosures, which documents' text each endpoint was sent, at which stage.

    A call's key names a chunk or something that `chunks_of` leads back to chunks; a call that leads
    nowhere is taken to have been shown everything, so that nothing sent goes unlisted. Refused and
    unusable calls were sent too.
    """
    doc_of = dict(zip(chunks["chunk_id"], chunks["doc_id"], strict=True))
    uri_of = dict(zip(documents["doc_id"], documents["source_uri"], strict=True))
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for call in pd.concat(calls, ignore_index=True).itertuples():
        names = str(call.key).split(" ")
        shown = [name for name in names if name in doc_of]
        shown = shown or [chunk for name in names for chunk in chunks_of.get(name, ())]
        docs = {doc_of[chunk] for chunk in shown}
        for doc_id in docs or set(uri_of):
            counts[doc_id, call.endpoint, call.model_id, call.stage] += 1
    return frame_of(
        Disclosures,
        [
            {
                "doc_id": doc_id,
                "source_uri": uri_of[doc_id],
                "endpoint": endpoint,
                "model_id": model_id,
                "stage": stage,
                "n_calls": n,
                "is_loopback": is_loopback(endpoint),
            }
            for (doc_id, endpoint, model_id, stage), n in sorted(counts.items())
        ],
    )
