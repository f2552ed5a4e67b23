"""Which way of asking for JSON an endpoint holds to: tried once, then remembered.

Servers differ: some enforce a JSON schema, some ignore the field with 200, some answer 400 or 500.
"""

import asyncio
from typing import Any, Literal, Protocol

from ragtuned_kedro.language_models.boundary import ReplyMode
from ragtuned_kedro.language_models.call_file import Call, KeptAs
from ragtuned_kedro.language_models.completion_store import CompletionStore, request_sha
from ragtuned_kedro.language_models.faults import Fault
from ragtuned_kedro.language_models.limits import tell_pause, too_long_alone
from ragtuned_kedro.language_models.replies import UnusableReplyError, parse_reply, strict_schema
from ragtuned_kedro.schemas.records import Completion, Message, Prompt, Record

STAGE = "probe"
_N_TRIES = 3
_PAUSE_SECONDS = 0.2
_MAX_NEW_TOKENS = 64


class _Token(Record):
    """What no model would say unless its server makes it."""

    token: Literal["violet-7301"]


class _AnyObject(Record):
    model_config = {"extra": "allow"}


class _Probed(Protocol):
    @property
    def endpoint(self) -> str: ...

    @property
    def model_id(self) -> str: ...

    async def try_once(
        self,
        prompt: Prompt,
        *,
        max_new_tokens: int,
        schema: dict[str, Any] | None,
        mode: ReplyMode,
        kept_as: KeptAs,
    ) -> Completion | Fault: ...


async def probe_mode(
    model: _Probed, store: CompletionStore, *, total_timeout_seconds: float
) -> ReplyMode:
    """Find the strictest mode that the endpoint holds to, and remember it in `store`.

    An endpoint that gives no answer is not judged: its prompts are sent plain, and the next run
    tries again.

    Raises:
        UserError: If it asks to be left alone for longer than `total_timeout_seconds`.
    """
    known = store.reply_mode(model.endpoint, model.model_id)
    if known is not None:
        return known  # type: ignore[return-value]
    was_judged = True
    modes: tuple[tuple[ReplyMode, type[Record]], ...] = (
        ("json_schema", _Token),
        ("json_object", _AnyObject),
    )
    for mode, into in modes:
        verdict = await _try_mode(model, store, mode, into, total_timeout_seconds)
        if verdict:
            store.keep_reply_mode(model.endpoint, model.model_id, mode)
            return mode
        was_judged &= verdict is not None
    if was_judged:
        store.keep_reply_mode(model.endpoint, model.model_id, "prompt")
    return "prompt"


async def _try_mode(
    model: _Probed,
    store: CompletionStore,
    mode: ReplyMode,
    into: type[Record],
    total_timeout_seconds: float,
) -> bool | None:
    """Tell whether the endpoint holds to `mode`; null if it answered nothing at all."""
    text = "Greet me in one short sentence." + (" Use JSON." if mode == "json_object" else "")
    prompt = Prompt(f"probe-{mode}", (Message(role="user", content=text),))
    sha = request_sha(model.model_id, prompt, _MAX_NEW_TOKENS, {"probe": model.endpoint})
    verdict = None
    for n_try in range(_N_TRIES):
        outcome = await model.try_once(
            prompt,
            max_new_tokens=_MAX_NEW_TOKENS,
            schema=strict_schema(into),
            mode=mode,
            kept_as=((sha, n_try),),
        )
        if isinstance(outcome, Completion):
            holds = _fits(outcome.text, into)
            _book(model, store, sha, outcome, n_try, holds=holds)
            return holds
        if outcome.kind == "refused":
            return False
        if outcome.kind == "passing" and outcome.status is not None:
            verdict = False
        asked = outcome.retry_after or 0.0
        if asked > total_timeout_seconds:
            raise too_long_alone(model.endpoint, asked, total_timeout_seconds)
        if n_try < _N_TRIES - 1:
            tell_pause(model.endpoint, asked)
            await asyncio.sleep(max(_PAUSE_SECONDS, asked))
    return verdict


def _fits(text: str, into: type[Record]) -> bool:
    try:
        parse_reply(text, into)
    except UnusableReplyError:
        return False
    return True


def _book(
    model: _Probed,
    store: CompletionStore,
    sha: str,
    completion: Completion,
    n_try: int,
    *,
    holds: bool,
) -> None:
    """Keep what the probe cost."""
    store.add_call(
        Call(
            sha,
            n_try,
            STAGE,
            model.model_id,
            model.endpoint,
            "valid" if holds else "invalid",
            completion.text if holds else None,
            completion.finish_reason,
            completion.n_prompt_tokens,
            completion.n_completion_tokens,
            completion.seconds,
        )
    )
