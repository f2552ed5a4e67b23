"""A teacher asked for evaluation questions, and an account of what became of each prompt."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ragtuned_kedro.evaluation.entity_names import EntityNames
from ragtuned_kedro.evaluation.generated import OtherQuestions
from ragtuned_kedro.evaluation.wording import normalise
from ragtuned_kedro.language_models.asked import Reply
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.replies import Check
from ragtuned_kedro.schemas.records import Prompt, Record

R = TypeVar("R", bound=Record)
T = TypeVar("T")


@dataclass
class Interview:
    """A teacher with its prompts; `rejections` and `calls` are rows that grow as it is asked."""

    asker: Asker
    prompts: PromptBook
    language: str
    rejections: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def write(self, name: str, key: str, **values: Any) -> Prompt:
        """Write a prompt."""
        return self.prompts[name].render(key, language=self.language, **values)

    def ask(
        self,
        wanted: Sequence[Prompt],
        into: type[R],
        *,
        stage: str,
        max_new_tokens: int,
        check: Check | None = None,
        shown_as: Mapping[str, str] | None = None,
    ) -> Mapping[str, Reply[R]]:
        """Ask, and give the replies by key; `shown_as` gives keys a name among the rejections."""
        answered = self.asker.ask_all(
            wanted, into, stage=stage, max_new_tokens=max_new_tokens, check=check
        )
        names = shown_as or {}
        self.calls += answered.calls
        self.rejections += [
            row | {"key": names.get(row["key"], row["key"])} for row in answered.rejections
        ]
        return answered.replies

    def reject(self, key: str, reason: str, detail: str, call_id: str | None = None) -> None:
        """Add a rejection."""
        self.rejections.append({"key": key, "call_id": call_id, "reason": reason, "detail": detail})

    def distinct(
        self, reply: Reply[R], items: Iterable[T], name: Callable[[T], str], *, n: int
    ) -> list[T]:
        """Take the first `n` of a reply's items whose names differ; that it has fewer is a row."""
        named: dict[str, T] = {}
        for one in items:
            if spelled := normalise(name(one)):
                named.setdefault(spelled, one)
        if len(named) < n:
            detail = f"{len(named)} that differ, not {n}"
            self.reject(reply.key, "too_few", detail, reply.call_id)
        return list(named.values())[:n]


class Gate:
    """Lets a question pass once, and only if it is close to no other question."""

    def __init__(self, others: OtherQuestions, names: EntityNames) -> None:
        self._others = others
        self._names = names
        self._passed: set[str] = set()

    def fault(self, text: str, *, is_global: bool) -> tuple[str, str] | None:
        """Tell why a question is refused: the reason, and the detail.

        Reasons: names_entity (global ones only), duplicate, and those of `OtherQuestions`.
        """
        if is_global and (name := self._names.find(text)):
            return "names_entity", name
        if normalise(text) in self._passed:
            return "duplicate", "it was asked before"
        if fault := self._others.fault(text):
            return fault
        self._passed.add(normalise(text))
        return None
