"""Completions kept on disk the moment they return, so that nothing is asked twice."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from ragtuned_kedro.language_models.boundary import Keep, LanguageModel
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.records import Completion, Prompt


def request_sha(model_id: str, prompt: Prompt, max_new_tokens: int) -> str:
    """Name a request by all that decides its answer; the prompt's key is not part of that."""
    turns = [[message.role, message.content] for message in prompt.messages]
    return fingerprint([model_id, turns, max_new_tokens])


class CompletionStore:
    """An append-only JSONL file, one completion a line.

    A line that was cut by a crash is dropped when the file is next opened. Failed calls are not
    kept: they deserve another try.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Completion] = {}
        if path.exists():
            self._read()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, request: str) -> Completion | None:
        """Find the completion of a request."""
        return self._known.get(request)

    def add(self, completions: dict[str, Completion]) -> None:
        """Keep completions by request; they are on the disk when this returns."""
        kept = {sha: one for sha, one in completions.items() if one.finish_reason != "error"}
        if not kept:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps({"request_sha": sha, **dataclasses.asdict(one)}) for sha, one in kept.items()
        ]
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        self._known |= kept

    def _read(self) -> None:
        content = self._path.read_bytes()
        whole, _, cut = content.rpartition(b"\n")
        if cut:
            # Later appends must not continue the broken line.
            with self._path.open("r+b") as file:
                file.truncate(len(content) - len(cut))
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                row = json.loads(line)
                sha = row.pop("request_sha")
                self._known[sha] = Completion(**row)
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"line {number} of {self._path} is no completion; delete that line"
                ) from error


class CachedModel:
    """A language model that asks only what `store` does not hold yet."""

    def __init__(self, model: LanguageModel, store: CompletionStore) -> None:
        self._model = model
        self._store = store

    @property
    def model_id(self) -> str:
        """Name the model behind the store."""
        return self._model.model_id

    def complete(
        self, prompts: Sequence[Prompt], *, max_new_tokens: int, keep: Keep | None = None
    ) -> list[Completion]:
        """Answer from the store where it can; equal prompts are asked once."""
        shas = [request_sha(self.model_id, prompt, max_new_tokens) for prompt in prompts]
        unknown = {
            sha: prompt
            for sha, prompt in zip(shas, prompts, strict=True)
            if self._store.get(sha) is None
        }
        failed: dict[str, Completion] = {}

        def remember(completions: Sequence[Completion]) -> None:
            # Prompts travel under their request, because several keys may share one.
            self._store.add({one.key: one for one in completions})
            failed.update({one.key: one for one in completions if one.finish_reason == "error"})

        if unknown:
            asked = [dataclasses.replace(prompt, key=sha) for sha, prompt in unknown.items()]
            self._model.complete(asked, max_new_tokens=max_new_tokens, keep=remember)
        answers = [
            dataclasses.replace(self._store.get(sha) or failed[sha], key=prompt.key)
            for sha, prompt in zip(shas, prompts, strict=True)
        ]
        if keep is not None:
            keep(answers)
        return answers
