"""A teacher that reads the village by simple rules, and one that obeys whatever a document says."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.prompt_files import PromptBook, read_prompts
from ragtuned_kedro.language_models.scripted import ScriptedModel
from ragtuned_kedro.schemas.endpoint_parameters import ReplyParams, SpendingParams
from ragtuned_kedro.schemas.records import Prompt

ROOT = Path(__file__).parents[1]
_FENCED = re.compile(r"\[(\w+) (\w{12}) begins\]\n(.*?)\n\[\1 \2 ends\]", re.DOTALL)


def prompt_book(room: str) -> PromptBook:
    return read_prompts(ROOT / "conf/base/prompts" / room)


def asker_of(
    script: Callable[[Prompt], str], path: Path, *, max_attempts: int = 2
) -> tuple[Asker, ScriptedModel]:
    model = ScriptedModel(script)
    free = {"currency": "EUR", "prompt_price": 0, "completion_price": 0}
    no_caps = {"max_calls": None, "max_tokens": None, "max_money": None}
    asker = Asker(
        model,
        CompletionStore(path),
        replies=ReplyParams(max_attempts=max_attempts, max_new_tokens=10_000),
        spending=SpendingParams(**free, **no_caps),
        role="teacher",
    )
    return asker, model


def fenced(prompt: Prompt) -> dict[str, list[str]]:
    """Sort what a prompt shows by its label."""
    shown: dict[str, list[str]] = {}
    for label, _, text in _FENCED.findall(prompt.messages[-1].content):
        shown.setdefault(label, []).append(text)
    return shown


def shape_of(prompt: Prompt) -> set[str]:
    """Name the keys that the reply shall have."""
    return set(
        json.loads(re.split("nothing else:\n", prompt.messages[-1].content)[1].split("\n\nYour")[0])
    )


def teach(prompt: Prompt) -> str:
    """Reply as a good teacher would, from capitalised names and first sentences alone."""
    shown, keys = fenced(prompt), shape_of(prompt)
    text = next(
        (shown[one][0] for one in ("document", "group", "notes", "reports") if one in shown), ""
    )
    names = list(dict.fromkeys(re.findall(r"[A-Z][a-z]+(?: [A-Z][a-z]+)+", text)))
    if "entities" in keys and "names" in shown:
        return json.dumps({"entities": [], "relationships": []})
    if "entities" in keys:
        entities = [{"name": n, "type": "person", "description": f"{n} is named."} for n in names]
        ends = [
            {"source": a, "target": b, "description": f"{a} and {b}.", "strength": 5}
            for a, b in itertools.pairwise(names)
        ]
        return json.dumps({"entities": entities, "relationships": ends})
    if keys == {"description"}:
        return json.dumps({"description": " ".join(text.split())})
    if "findings" in keys:
        point = {"summary": "A point.", "explanation": text[:80]}
        head = {"title": ", ".join(names[:2]) or "A group", "summary": text[:80]}
        return json.dumps({**head, "rating": 5, "rating_reason": "known", "findings": [point]})
    if keys <= {"personas", "tasks", "questions", "points"} or "points" in keys:
        return json.dumps(_ask_as_reader(prompt, keys, shown, names))
    quote = " ".join(text.split()[:6])
    if "can_ask" in keys:
        subject = shown["subject"][0]
        return json.dumps({"can_ask": True, "question": f"What is told of {subject} at {quote}?"})
    if "is_supported" in keys:
        answer = shown["answer"][0]
        good = " ".join(answer.split()) in " ".join(" ".join(shown["document"]).split())
        return json.dumps({"is_supported": good, "quote": answer if good else ""})
    said = {"reasoning": "It stands there.", "answer": quote, "quote": quote}
    if "question" in keys:
        said = {"question": f"What do we know of {shown['subject'][0]}?", **said}
    return json.dumps(said)


def _ask_as_reader(
    prompt: Prompt, keys: set[str], shown: dict[str, list[str]], names: list[str]
) -> dict[str, object]:
    """Imagine readers, tasks and questions by number; answers must name whom the texts name."""
    wanted = re.search(r"(\d+) (?:different|things)", " ".join(prompt.messages[-1].content.split()))
    places = range(int(wanted[1]) if wanted else 1)
    who = " ".join(shown.get("reader", []) + shown.get("task", [])).lower()
    if "personas" in keys:
        return {"personas": [{"name": f"reader {n}", "description": "Reads."} for n in places]}
    if "can_ask" in keys:
        number = hash_of(shown["document"][0])
        return {
            "can_ask": bool(names),
            "question": f"Who is told of at {number}?" if names else "",
            "points": names[:1],
        }
    if "points" in keys:
        return {"points": re.findall(r"[A-Z][a-z]+(?: [A-Z][a-z]+)+", shown["reports"][0])[:1]}
    (kind,) = keys
    return {kind: [f"how does {who} see {kind} {hash_of(who + str(n))}?" for n in places]}


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
