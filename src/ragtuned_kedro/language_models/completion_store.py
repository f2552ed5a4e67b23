"""Calls kept on disk the moment they return, so that nothing is asked, or paid for, twice."""

import dataclasses
import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ragtuned_kedro.language_models.boundary import Keep, LanguageModel
from ragtuned_kedro.language_models.call_file import (
    FIELDS,
    Arrival,
    Call,
    CallFile,
    KeptAs,
    Sending,
)
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.records import Completion, Prompt

_COLUMNS = ", ".join(FIELDS)
_VALUES = operator.attrgetter(*FIELDS)


def request_sha(
    model_id: str,
    prompt: Prompt,
    max_new_tokens: int,
    sampling: Mapping[str, Any] | None = None,
) -> str:
    """Name a request by all that decides its answer; the prompt's key is not part of that."""
    turns = [[message.role, message.content] for message in prompt.messages]
    return fingerprint([model_id, turns, max_new_tokens, *([sampling] if sampling else [])])


class CompletionStore(CallFile):
    """One row per answered call, in a file that many threads and processes may write.

    What `add_call` returned from survives kill -9. Of two writers of one call the first wins, so
    that both go on with the same reply. Failed calls are not kept: they deserve another try.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        # A call takes long enough without looking for an arrival that was never there.
        self._unread: set[KeptAs] = set()

    def __len__(self) -> int:
        """Count the valid replies."""
        return int(self.rows("SELECT count(*) FROM calls WHERE outcome = 'valid'")[0][0])

    def get(self, request: str) -> Completion | None:
        """Find the valid reply to a request, whichever attempt gave it."""
        for call in self.calls_of(request):
            if call.outcome == "valid":
                return Completion(
                    call.request_sha,
                    str(call.text),
                    "length" if call.finish_reason == "length" else "stop",
                    call.n_prompt_tokens,
                    call.n_completion_tokens,
                    call.seconds,
                    first_token_seconds=call.first_token_seconds,
                    peak_memory_bytes=call.peak_memory_bytes,
                )
        return None

    def add(self, completions: Mapping[str, Completion], *, model_id: str, stage: str) -> None:
        """Keep completions that need no checking, by request; failed ones are left out."""
        for sha, one in completions.items():
            if one.finish_reason != "error":
                self.add_call(
                    Call(
                        sha,
                        0,
                        stage,
                        model_id,
                        "in process",
                        "valid",
                        one.text,
                        one.finish_reason,
                        one.n_prompt_tokens,
                        one.n_completion_tokens,
                        one.seconds,
                        first_token_seconds=one.first_token_seconds,
                        peak_memory_bytes=one.peak_memory_bytes,
                    )
                )

    def add_call(self, call: Call) -> None:
        """Keep one call; it outlives this process when this returns."""
        self.add_calls([call])

    def add_calls(self, calls: Iterable[Call]) -> None:
        """Keep several calls, all or none; the arrival that gave them, in this order, is read."""
        calls = list(calls)
        kept_as = tuple((call.request_sha, call.attempt) for call in calls)
        marks = ", ".join("?" * len(FIELDS))
        with self.writing() as connection:
            connection.executemany(
                f"INSERT INTO calls ({_COLUMNS}) VALUES ({marks}) "  # noqa: S608
                "ON CONFLICT (request_sha, attempt) DO NOTHING",
                [_VALUES(call) for call in calls],
            )
            if kept_as in self._unread:
                connection.execute("DELETE FROM arrivals WHERE kept_as = ?", (json.dumps(kept_as),))

    def add_sendings(self, sendings: Iterable[Sending]) -> None:
        """Write down what is about to leave, before it does; what stands there already stays."""
        names, marks = ", ".join(Sending._fields), ", ".join("?" * len(Sending._fields))
        with self.writing() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO sendings ({names}) VALUES ({marks})",  # noqa: S608
                sendings,
            )

    def sendings(self) -> list[Sending]:
        """List everything that ever left."""
        query = f"SELECT {', '.join(Sending._fields)} FROM sendings ORDER BY 1, 2, 3, 4, 5, 6"  # noqa: S608
        return [Sending(*row) for row in self.rows(query)]

    def add_arrivals(self, arrivals: Iterable[Arrival]) -> None:
        """Lay down answers whose run has ended, except what it had kept before."""
        with self.writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO arrivals SELECT ?, ?, ?, ? WHERE NOT EXISTS "
                "(SELECT 1 FROM calls WHERE request_sha = ? AND attempt = ?)",
                [(json.dumps(one.kept_as), *one[1:], *one.kept_as[0]) for one in arrivals],
            )

    def arrivals(self, endpoint: str) -> dict[KeptAs, Arrival]:
        """List the answers that no run has read."""
        query = "SELECT kept_as, endpoint, content, seconds FROM arrivals WHERE endpoint = ?"
        waiting: dict[KeptAs, Arrival] = {}
        for text, *rest in self.rows(query, endpoint):
            kept_as = tuple((sha, attempt) for sha, attempt in json.loads(text))
            waiting[kept_as] = Arrival(kept_as, *rest)
        self._unread.update(waiting)
        return waiting

    def calls_of(self, request: str) -> list[Call]:
        """List the answered calls of a request, first attempt first."""
        query = f"SELECT {_COLUMNS} FROM calls WHERE request_sha = ? ORDER BY attempt"  # noqa: S608
        return [Call(*row) for row in self.rows(query, request)]

    def calls_at(self, stage: str, model_id: str, endpoint: str) -> list[Call]:
        """List the answered calls of one stage to one model."""
        query = (
            f"SELECT {_COLUMNS} FROM calls "  # noqa: S608
            "WHERE stage = ? AND model_id = ? AND endpoint = ? ORDER BY request_sha, attempt"
        )
        return [Call(*row) for row in self.rows(query, stage, model_id, endpoint)]

    def spent(self, model_id: str, endpoint: str) -> tuple[int, int, int]:
        """Sum calls, prompt tokens and completion tokens that a model has cost so far."""
        row = self.rows(
            "SELECT count(*), coalesce(sum(n_prompt_tokens), 0), "
            "coalesce(sum(n_completion_tokens), 0) FROM calls WHERE model_id = ? AND endpoint = ?",
            model_id,
            endpoint,
        )[0]
        return int(row[0]), int(row[1]), int(row[2])

    def reply_mode(self, endpoint: str, model_id: str) -> str | None:
        """Tell which way of asking for JSON an endpoint was found to hold to."""
        query = "SELECT mode FROM reply_modes WHERE endpoint = ? AND model_id = ?"
        rows = self.rows(query, endpoint, model_id)
        return str(rows[0][0]) if rows else None

    def keep_reply_mode(self, endpoint: str, model_id: str, mode: str) -> None:
        """Remember it."""
        with self.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO reply_modes VALUES (?, ?, ?)", (endpoint, model_id, mode)
            )


class CachedModel:
    """A language model that asks only what `store` does not hold yet; its replies need no check."""

    def __init__(self, model: LanguageModel, store: CompletionStore, *, stage: str = "") -> None:
        self._model = model
        self._store = store
        self._stage = stage

    @property
    def model_id(self) -> str:
        """Name the model behind the store."""
        return self._model.model_id

    def complete(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, keep: Keep | None = None
    ) -> list[Completion]:
        """Answer from the store where it can; equal prompts are asked once."""
        shas = [request_sha(self.model_id, prompt, max_new_tokens) for prompt in prompts]
        known = {sha: self._store.get(sha) for sha in dict.fromkeys(shas)}
        unknown = {
            sha: prompt for sha, prompt in zip(shas, prompts, strict=True) if known[sha] is None
        }
        failed: dict[str, Completion] = {}

        def remember(completions: Sequence[Completion]) -> None:
            # Prompts travel under their request, because several keys may share one.
            replies = {one.key: one for one in completions}
            self._store.add(replies, model_id=self.model_id, stage=self._stage)
            failed.update(
                {key: one for key, one in replies.items() if one.finish_reason == "error"}
            )

        if unknown:
            asked = [dataclasses.replace(prompt, key=sha) for sha, prompt in unknown.items()]
            self._model.complete(asked, max_new_tokens=max_new_tokens, keep=remember)
            known |= {sha: self._store.get(sha) or failed[sha] for sha in unknown}
        answers = [
            dataclasses.replace(_certain(known[sha]), key=prompt.key)
            for sha, prompt in zip(shas, prompts, strict=True)
        ]
        if keep is not None:
            keep(answers)
        return answers


def _certain(completion: Completion | None) -> Completion:
    assert completion is not None, "every request was known or asked"  # noqa: S101
    return completion
