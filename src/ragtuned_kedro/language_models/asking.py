"""Asking a model for records: the one way in which rooms use a teacher or a judge.

    asker = Asker(model, CompletionStore(path), replies=..., spending=..., role="judge")
    answered = asker.ask_all(prompts, into=Verdict, stage="judge_answers", max_new_tokens=400)
    answered.replies["query-1"].record      # a Verdict; also .call_id
    answered.rejections                     # rows of Rejections: one per key without a reply
    answered.calls                          # rows of ModelCalls: one per answered call

In pipelines an Asker comes out of the catalog (`teacher`, `judge`); in tests it is built around a
`ScriptedModel`. `into` is a pydantic `Record`; its field descriptions are shown to the model.
`check(prompt, record)` may refuse a record for what it says, with (reason, detail); the model is
shown the detail and asked again, like after a reply that does not parse. Every key ends either in
`replies` or in `rejections`, never in both.

Only valid replies are stored as replies. That a request was answered unusably, and why, is stored
too, without its text: a later run neither pays for it again nor mistakes it for an answer, and it
goes on with the next attempt. `store_command FILE prune --outcome invalid` gives another chance.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TypeVar

import pandas as pd
from tqdm import tqdm

from ragtuned_kedro.language_models.asked import (
    Answered,
    Errand,
    Refusal,
    Reply,
    Settled,
    call_id_of,
    call_row,
    calls_table,
    refusal_of,
)
from ragtuned_kedro.language_models.boundary import CallableModel, Keep, RequestRefusedError
from ragtuned_kedro.language_models.bounded import run_bounded
from ragtuned_kedro.language_models.call_file import Call, Outcome
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.paid_model import PaidModel
from ragtuned_kedro.language_models.probe import STAGE as PROBE
from ragtuned_kedro.language_models.purse import Purse
from ragtuned_kedro.language_models.replies import (
    Check,
    ask_for_shape,
    read_reply,
    show_fault,
    strict_schema,
)
from ragtuned_kedro.schemas.endpoint_parameters import ReplyParams, SpendingParams
from ragtuned_kedro.schemas.records import Completion, Prompt, Record

__all__ = ["Answered", "Asker", "Refusal", "Reply", "Settled"]

R = TypeVar("R", bound=Record)


class Asker:
    """A model with its store, its limits on repetition and its purse."""

    def __init__(
        self,
        model: CallableModel,
        store: CompletionStore,
        *,
        replies: ReplyParams,
        spending: SpendingParams,
        role: str,
    ) -> None:
        self._paid = PaidModel(model, store, Purse(spending, role=role))
        self._replies = replies
        self.spending = spending
        self.role = role

    @property
    def model_id(self) -> str:
        """Name the model."""
        return self._paid.model.model_id

    @property
    def endpoint(self) -> str:
        """Name where prompts go."""
        return self._paid.model.endpoint

    def probe_calls(self) -> pd.DataFrame:
        """List as ModelCalls, of all runs, what it took to find out how the endpoint gives JSON."""
        # The last that a run asks of the store, whose side files are not to outlive it.
        with closing(self._paid.store) as store:
            calls = store.calls_at(PROBE, self.model_id, self.endpoint)
        return calls_table([call_row(one, one.request_sha) for one in calls])

    def ask_all(
        self,
        prompts: Iterable[Prompt],
        into: type[R],
        *,
        stage: str,
        max_new_tokens: int,
        check: Check | None = None,
    ) -> Answered[R]:
        """Ask every prompt; keys must be unique. Replies and rows come in the prompts' order.

        Raises:
            UserError: If the endpoint is dead, refuses its settings, or a cap is reached. What was
                answered until then is kept.
        """
        order: dict[str, int] = {}
        settled: dict[str, Settled[R]] = {}

        def numbered() -> Iterable[Prompt]:
            for place, prompt in enumerate(prompts):
                if prompt.key in order:
                    raise ValueError(f"two prompts have the key {prompt.key}")
                order[prompt.key] = place
                yield prompt

        def deliver(one: Settled[R]) -> None:
            settled[one.outcome.key] = one

        self.ask_each(
            numbered(), into, deliver, stage=stage, max_new_tokens=max_new_tokens, check=check
        )
        answered: Answered[R] = Answered()
        listed: set[str] = set()
        for key in order:
            one = settled[key]
            if isinstance(one.outcome, Reply):
                answered.replies[key] = one.outcome
            else:
                answered.rejections.append(vars(one.outcome).copy())
            for call in one.calls:
                if call_id_of(call) not in listed:
                    listed.add(call_id_of(call))
                    answered.calls.append(call_row(call, key))
        return answered

    def ask_each(
        self,
        prompts: Iterable[Prompt],
        into: type[R],
        deliver: Callable[[Settled[R]], None],
        *,
        stage: str,
        max_new_tokens: int,
        check: Check | None = None,
    ) -> None:
        """Ask prompts of an input of any length, handing each to `deliver` when it has ended.

        They end in any order; only as many prompts exist at once as the model has use for.
        """
        errand = Errand(into, stage, max_new_tokens, check)
        total = len(prompts) if isinstance(prompts, Sequence) else None
        with tqdm(desc=stage, unit=" prompts", total=total, mininterval=1.0) as progress:

            async def settle(prompt: Prompt) -> None:
                deliver(await self._settle(prompt, errand))
                progress.update()

            run_bounded(
                prompts, settle, n_workers=self._paid.model.n_waiting, within=self._paid.open
            )

    def complete(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, keep: Keep | None = None
    ) -> list[Completion]:
        """Answer in plain text, through store and purse: the `LanguageModel` protocol."""
        answers: dict[int, Completion] = {}

        async def answer(place: int) -> None:
            prompt = prompts[place]
            sha = self._paid.request_sha(prompt, max_new_tokens)
            async with self._paid.one_at_a_time(sha):
                known = self._paid.store.get(sha)
                if known is None:
                    known = await self._complete(prompt, sha, max_new_tokens)
            answers[place] = replace(known, key=prompt.key)
            if keep is not None:
                keep([answers[place]])

        n_workers = self._paid.model.n_waiting
        run_bounded(range(len(prompts)), answer, n_workers=n_workers, within=self._paid.open)
        return [answers[place] for place in range(len(prompts))]

    async def _complete(self, prompt: Prompt, sha: str, max_new_tokens: int) -> Completion:
        try:
            completion = await self._paid.pay(
                prompt, max_new_tokens, None, sha=sha, attempt=0, stage="complete"
            )
        except RequestRefusedError as error:
            return Completion(prompt.key, "", "error", 0, 0, 0.0, str(error))
        if completion.finish_reason != "error":
            self._paid.keep(sha, 0, "complete", "valid", completion, None)
        return completion

    async def _settle(self, prompt: Prompt, errand: Errand[R]) -> Settled[R]:
        asked = ask_for_shape(prompt, errand.into)
        sha = self._paid.request_sha(asked, errand.max_new_tokens)
        async with self._paid.one_at_a_time(sha):
            calls = self._paid.store.calls_of(sha)
            for call in calls:
                # What today's record or check would refuse is no reply.
                record = (
                    None
                    if call.text is None
                    else read_reply(call.text, asked, errand.into, errand.check)
                )
                if isinstance(record, Record):
                    return Settled(Reply(prompt.key, record, call_id_of(call)), tuple(calls))
            settled = None
            while settled is None:
                given_up = bool(calls) and calls[-1].outcome == "refused"
                if given_up or len(calls) >= self._replies.max_attempts:
                    return Settled(refusal_of(prompt.key, calls[-1]), tuple(calls))
                settled = await self._attempt(asked, sha, calls, errand)
            return settled

    async def _attempt(
        self, asked: Prompt, sha: str, calls: list[Call], errand: Errand[R]
    ) -> Settled[R] | None:
        """Ask once more and append the call; null if its reply is of no use.

        Between the reply and its keeping nothing is awaited, so that it is kept before another
        call is sent on its connection.
        """
        n_cut = sum(call.outcome == "length" for call in calls)
        room = max(errand.max_new_tokens, self._replies.max_new_tokens)
        max_new_tokens = min(errand.max_new_tokens * 2**n_cut, room)
        sent = asked
        if calls and calls[-1].outcome != "length":
            sent = show_fault(asked, (calls[-1].error or "it was not valid").partition(": ")[2])
        try:
            completion = await self._paid.pay(
                sent,
                max_new_tokens,
                strict_schema(errand.into),
                sha=sha,
                attempt=len(calls),
                stage=errand.stage,
            )
        except RequestRefusedError as error:
            nothing = Completion(asked.key, "", "error", 0, 0, 0.0)
            refused = f"refused: {error}"
            calls.append(
                self._paid.keep(sha, len(calls), errand.stage, "refused", nothing, refused)
            )
            return None
        if completion.finish_reason == "error":
            refusal = Refusal(asked.key, None, "error", completion.error or "no answer")
            return Settled(refusal, tuple(calls))
        record = read_reply(completion.text, asked, errand.into, errand.check)
        outcome: Outcome = "valid"
        fault = None
        if isinstance(record, str):
            outcome, fault = "invalid", record
            if completion.finish_reason == "length":
                outcome, fault = "length", f"length: cut at {completion.n_completion_tokens} tokens"
        calls.append(self._paid.keep(sha, len(calls), errand.stage, outcome, completion, fault))
        if isinstance(record, str):
            return None
        return Settled(Reply(asked.key, record, call_id_of(calls[-1])), tuple(calls))
