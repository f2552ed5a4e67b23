"""Prompts as files: a system and a user part, values filled in, documents fenced off as data."""

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import Message, Prompt

_PARTS = re.compile(r"\A# System\n(?P<system>.*?)^# User\n(?P<user>.*)\Z", re.DOTALL | re.MULTILINE)


def fence(text: str, label: str = "document") -> str:
    """Enclose a text in marks that it cannot hold itself: they carry a hash of it.

    So no document can end its own fence and go on as if it were the instructions.
    """
    mark = hashlib.sha256(f"{label}\n{text}".encode()).hexdigest()[:12]
    return f"[{label} {mark} begins]\n{text}\n[{label} {mark} ends]"


_ENVIRONMENT = SandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)
_ENVIRONMENT.filters["fence"] = fence


@functools.lru_cache(maxsize=64)
def _compile(part: str) -> Template:
    """Compile a part once: prompts are rendered while calls are under way."""
    return _ENVIRONMENT.from_string(part)


@dataclass(frozen=True)
class PromptFile:
    """One prompt; `text` is a Jinja template with a `# System` and a `# User` part."""

    name: str
    text: str

    @property
    def sha(self) -> str:
        """Hash the template."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def render(self, key: str, **values: Any) -> Prompt:
        """Fill in the values; what stands in them is never read as template.

        Raises:
            UserError: If the file has no two parts, or names a value that it is not given.
        """
        parts = _PARTS.match(self.text)
        if parts is None:
            raise UserError(
                f"the prompt {self.name} must begin with a line `# System` and have a line `# User`"
            )
        try:
            system, user = (
                _compile(part).render(**values).strip() for part in (parts["system"], parts["user"])
            )
        except TemplateError as error:
            raise UserError(f"the prompt {self.name}: {error}") from error
        return Prompt(
            key, (Message(role="system", content=system), Message(role="user", content=user))
        )


@dataclass(frozen=True)
class PromptBook:
    """The prompts of one room by name."""

    room: str
    files: Mapping[str, PromptFile]

    def __getitem__(self, name: str) -> PromptFile:
        """Find a prompt.

        Raises:
            UserError: If there is no such file.
        """
        if name not in self.files:
            raise UserError(f"conf/base/prompts/{self.room} has no {name}.md")
        return self.files[name]


def read_prompts(folder: Path) -> PromptBook:
    """Read the *.md files of a folder."""
    files = {
        path.stem: PromptFile(path.stem, path.read_text("utf-8"))
        for path in sorted(folder.glob("*.md"))
    }
    return PromptBook(folder.name, files)
