"""Pairs become chats to train on, split by anchor."""

from collections.abc import Callable

import pandas as pd

from ragtuned_kedro.schemas.ids import content_id, is_chosen, seeded_order
from ragtuned_kedro.schemas.records import Message, TrainingExample
from ragtuned_kedro.schemas.tables import Rejections, frame_of

CountTokens = Callable[[tuple[Message, ...]], tuple[int, int]]


def build_examples(
    queries: pd.DataFrame,
    pairs: pd.DataFrame,
    count_tokens: CountTokens,
    *,
    system_prompt: str,
    validation_share: float,
    opening_share: float,
    opening_tokens: int,
    max_tokens: int,
    seed: int,
) -> tuple[list[TrainingExample], pd.DataFrame]:
    """Turn each pair into a TrainingExample, or a rejection if it is too long.

    The split is by anchor, so that no two questions about one thing fall on both sides: held-out
    anchors show how well the form is learnt, not how well the corpus is remembered. Memory itself
    is tested by other people's questions, so `validation_share` may be small or 0.
    `count_tokens` gives (all, target) tokens of a chat.

    Once a passage is known by heart all that is hard about it is its opening, the choice among
    passages; so `opening_share` of the answers, drawn by hash, are trained on for their first
    `opening_tokens` only, which buys more questions for the same time. Refusals are taught whole.
    """
    anchor_of = dict(zip(queries["query_id"], queries["anchor_id"], strict=True))
    text_of = dict(zip(queries["query_id"], queries["text"], strict=True))
    kind_of = dict(zip(queries["query_id"], queries["kind"], strict=True))
    anchors = seeded_order(sorted(set(anchor_of.values())), seed=seed)
    held_out = set(anchors[: round(validation_share * len(anchors))])
    examples: list[TrainingExample] = []
    rejected: list[dict] = []
    for row in pairs.sort_values("qa_id").itertuples():
        messages = (
            *([Message(role="system", content=system_prompt)] if system_prompt else []),
            Message(role="user", content=text_of[row.query_id]),
            Message(role="assistant", content=f"{row.reasoning} {row.answer}".strip()),
        )
        n_tokens, n_target_tokens = count_tokens(messages)
        if n_tokens > max_tokens:
            detail = f"{n_tokens} tokens, at most {max_tokens}"
            rejected.append(
                {"key": row.qa_id, "call_id": None, "reason": "too_long", "detail": detail}
            )
            continue
        n_spared = 0
        if kind_of[row.query_id] != "unanswerable" and is_chosen(
            row.qa_id, share=opening_share, seed=seed
        ):
            n_spared = max(0, n_target_tokens - opening_tokens)
        examples.append(
            TrainingExample(
                example_id=content_id("example", row.qa_id, system_prompt, n_spared),
                qa_id=row.qa_id,
                split="validation" if anchor_of[row.query_id] in held_out else "train",
                messages=messages,
                n_tokens=n_tokens - n_spared,
                n_target_tokens=n_target_tokens - n_spared,
            )
        )
    return examples, frame_of(Rejections, rejected)
