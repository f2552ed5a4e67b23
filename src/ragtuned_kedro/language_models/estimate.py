"""What calls will cost: a range, from counted prompts and replies that nobody knows yet."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ragtuned_kedro.language_models.purse import Amount
from ragtuned_kedro.schemas.endpoint_parameters import SpendingParams
from ragtuned_kedro.schemas.records import Prompt

Range = tuple[float, float]
CountTokens = Callable[[str], int]


def count_prompt(prompt: Prompt, count_tokens: CountTokens) -> int:
    """Count the tokens of a prompt, without those of a chat template."""
    return sum(count_tokens(message.content) for message in prompt.messages)


@dataclass(frozen=True)
class CallPlan:
    """A stage to come: how many calls, how long their prompts, how much room for each reply.

    `n_calls` is least and most; `prompt_tokens` are those of one prompt, counted by our own
    tokenizer or assumed; `is_counted` says which.
    """

    stage: str
    n_calls: Range
    prompt_tokens: Range
    room: int
    is_counted: bool


def plan_counted(stage: str, prompt_tokens: Iterable[int], room: int) -> CallPlan:
    """Plan for prompts that exist."""
    counts = list(prompt_tokens)
    mean = sum(counts) / len(counts) if counts else 0.0
    return CallPlan(stage, (len(counts), len(counts)), (mean, mean), room, is_counted=True)


def price_plan(
    plan: CallPlan,
    spending: SpendingParams,
    *,
    token_spread: Range,
    reply_share: Range,
    unusable_share: Range,
) -> dict[str, object]:
    """Give the least and the most that a plan takes, as columns of CallEstimates.

    Both grow with the replies that have to be asked for again (`unusable_share`, at least and at
    most), which cost a call each.
    """
    ends = []
    for end in (0, 1):
        n_calls = plan.n_calls[end] * (1 + unusable_share[end])
        prompt = n_calls * plan.prompt_tokens[end] * token_spread[end]
        completion = n_calls * plan.room * reply_share[end]
        ends.append(Amount(round(n_calls), round(prompt), round(completion)))
    low, high = ends
    return {
        "stage": plan.stage,
        "basis": "counted" if plan.is_counted else "assumed",
        "calls_low": low.n_calls,
        "calls_high": high.n_calls,
        "prompt_tokens_low": low.n_prompt_tokens,
        "prompt_tokens_high": high.n_prompt_tokens,
        "completion_tokens_low": low.n_completion_tokens,
        "completion_tokens_high": high.n_completion_tokens,
        "money_low": low.money(spending),
        "money_high": high.money(spending),
        "currency": spending.currency,
    }
