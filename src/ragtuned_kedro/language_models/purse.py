"""Caps on calls, tokens and money, over all runs together, and never overdrawn."""

import asyncio
from dataclasses import dataclass

from ragtuned_kedro.schemas.endpoint_parameters import SpendingParams
from ragtuned_kedro.schemas.errors import UserError


@dataclass(frozen=True)
class Amount:
    """Calls and the tokens of their prompts and completions."""

    n_calls: int = 0
    n_prompt_tokens: int = 0
    n_completion_tokens: int = 0

    def plus(self, other: "Amount", *, times: int = 1) -> "Amount":
        """Add `other`, `times` times."""
        return Amount(
            self.n_calls + times * other.n_calls,
            self.n_prompt_tokens + times * other.n_prompt_tokens,
            self.n_completion_tokens + times * other.n_completion_tokens,
        )

    @property
    def n_tokens(self) -> int:
        """All tokens."""
        return self.n_prompt_tokens + self.n_completion_tokens

    def money(self, spending: SpendingParams) -> float:
        """Price this, in `spending.currency`."""
        return (
            self.n_prompt_tokens * spending.prompt_price
            + self.n_completion_tokens * spending.completion_price
        ) / 1e6


class Purse:
    """What may still be spent; `spent` is what earlier runs, and this one, have paid for.

    A call is sent only when its greatest possible cost fits beside that of the calls on their way,
    so a cap is never passed. `open` it inside the event loop that uses it.
    """

    def __init__(self, spending: SpendingParams, *, role: str) -> None:
        self._spending = spending
        self._role = role
        self._on_their_way = Amount()
        self._settled = asyncio.Event()
        self.spent = Amount()

    def open(self, spent: Amount) -> None:
        """Begin with what was spent before."""
        self.spent, self._on_their_way = spent, Amount()
        self._settled = asyncio.Event()

    async def reserve(self, most: Amount) -> None:
        """Set aside the greatest cost of a call, waiting for calls on their way if need be.

        Raises:
            UserError: If a cap is reached; what was paid for is kept.
        """
        while reached := self._passed(self.spent.plus(self._on_their_way).plus(most)):
            if not self._on_their_way.n_calls:
                raise UserError(self._explain(reached))
            self._settled.clear()
            await self._settled.wait()
        self._on_their_way = self._on_their_way.plus(most)

    def settle(self, most: Amount, paid: Amount) -> None:
        """Put back what was set aside and book what was paid.

        It never waits, so that nothing stands between a reply's arrival and its keeping.
        """
        self._on_their_way = self._on_their_way.plus(most, times=-1)
        self.spent = self.spent.plus(paid)
        self._settled.set()

    def _passed(self, total: Amount) -> str | None:
        caps = self._spending
        for name, cap, amount in (
            ("max_calls", caps.max_calls, total.n_calls),
            ("max_tokens", caps.max_tokens, total.n_tokens),
            ("max_money", caps.max_money, total.money(caps)),
        ):
            if cap is not None and amount > cap:
                return name
        return None

    def _explain(self, name: str) -> str:
        caps = self._spending
        money = f"{self.spent.money(caps):.4f} {caps.currency}"
        return (
            f"the next call could pass {self._role}.spending.{name} ({getattr(caps, name)}). Spent "
            f"so far: {self.spent.n_calls} calls, {self.spent.n_tokens} tokens, {money}. All of it "
            f"is kept: raise {name} and give the same command again to go on where this stopped"
        )
