"""Gates: each refuses a draft for one named reason; what passes them all may be chosen."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from rapidfuzz import fuzz, process

from ragtuned_kedro.synthesis.drafts import Draft

# Words that make no question specific.
_EMPTY = frozenset(
    (
        "who whom what which where when why how much many long old a an the of to in on at "
        "for from by with and or is are was were be been do does did has have had will shall "
        "would could may might must can it its he she they him her them his their this that "
        "these those there tell me name person whoever kind happened became become said about "
        "know people one some any did done do we you i not no so as into than then"
    ).split()
)


def normalise(text: str) -> str:
    """Fold a question to what makes it the same question: letters and digits, one case."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(re.findall(r"[a-z0-9]+", folded))


def content_words(text: str) -> list[str]:
    """List the words of a text that say something."""
    return [word for word in normalise(text).split() if word not in _EMPTY]


def pass_gates(
    drafts: Iterable[Draft],
    statements: Mapping[str, str],
    context: Mapping[str, str],
    evaluation_texts: Sequence[str],
    count_tokens: Callable[[str], int],
    *,
    max_answer_tokens: int,
    decontamination_similarity: float,
    is_extractive: bool = True,
) -> tuple[list[Draft], list[tuple[Draft, str, str]]]:
    """Split drafts into accepted and (draft, reason, detail), in order.

    `statements` maps a sentence to its text, `context` to what else its document says (names that
    stand for pronouns come from there). A question close to an evaluation question, by token-set
    similarity of at least `decontamination_similarity`, is refused: what scores us is not taught.
    Answers that are not `is_extractive` are in a teacher's own words, checked by `grounding`.
    """
    accepted: list[Draft] = []
    refused: list[tuple[Draft, str, str]] = []
    evaluation = [normalise(text) for text in evaluation_texts]
    answers_of: dict[str, set[str]] = defaultdict(set)
    drafts = list(drafts)

    # Thousands of drafts stand on a few hundred sentences.
    @cache
    def known_words(evidence: tuple[str, ...]) -> frozenset[str]:
        return frozenset(
            normalise(" ".join(statements[i] + " " + context[i] for i in evidence)).split()
        )

    for draft in drafts:
        if draft.kind == "local" and draft.wants != "keywords":
            answers_of[normalise(draft.question)].add(draft.anchor_id)
    seen: dict[str, str] = {}
    for draft in drafts:
        key = normalise(draft.question)
        fault = (
            (is_extractive and _unsupported(draft, known_words))
            or _too_vague(draft)
            or _too_long(draft, count_tokens, max_answer_tokens)
        )
        if not fault and draft.kind == "local" and len(answers_of[key]) > 1:
            fault = ("ambiguous", f"{len(answers_of[key])} sentences answer it")
        if not fault and key in seen:
            fault = ("duplicate", seen[key])
        if not fault:
            fault = find_contamination(key, evaluation, decontamination_similarity)
        if fault:
            refused.append((draft, *fault))
        else:
            seen[key] = draft.anchor_id
            accepted.append(draft)
    return accepted, refused


def _unsupported(
    draft: Draft, known_words: Callable[[tuple[str, ...]], frozenset[str]]
) -> tuple[str, str] | None:
    """Every name and number of an answer must stand in its evidence or in its document."""
    if draft.kind == "unanswerable":
        return None
    known = known_words(draft.evidence)
    said = re.findall(r"\b[A-Z][a-z]+|\d+", f"{draft.reasoning} {draft.answer}"[1:])
    missing = {w for w in said if normalise(w) not in known and normalise(w) not in _EMPTY}
    return ("ungrounded", ", ".join(sorted(missing))) if missing or not draft.evidence else None


def _too_vague(draft: Draft) -> tuple[str, str] | None:
    n_words = len(content_words(draft.question))
    least = 2 if draft.kind in {"local", "linked"} else 1
    return ("vague", f"{n_words} words say something") if n_words < least else None


def _too_long(
    draft: Draft, count_tokens: Callable[[str], int], most: int
) -> tuple[str, str] | None:
    n_tokens = count_tokens(f"{draft.reasoning} {draft.answer}".strip())
    return ("too_long", f"{n_tokens} tokens, at most {most}") if n_tokens > most else None


def find_contamination(
    key: str, evaluation: Sequence[str], similarity: float
) -> tuple[str, str] | None:
    """Tell which of `evaluation`, normalised like `key`, a question is close to, if any."""
    match = process.extractOne(key, evaluation, scorer=fuzz.ratio, score_cutoff=100 * similarity)
    return ("evaluation_query", match[0]) if match else None


def drop_near_duplicates(
    drafts: Iterable[Draft], *, similarity: float
) -> tuple[list[Draft], list[tuple[Draft, str, str]]]:
    """Refuse questions nearly the same as an earlier one about the same anchor."""
    kept: dict[str, list[str]] = defaultdict(list)
    accepted: list[Draft] = []
    refused: list[tuple[Draft, str, str]] = []
    for draft in drafts:
        anchor = f"{draft.kind} {draft.anchor_id}"
        key = normalise(draft.question)
        near = process.extractOne(
            key, kept[anchor], scorer=fuzz.ratio, score_cutoff=100 * similarity
        )
        if near and draft.kind != "unanswerable":
            refused.append((draft, "near_duplicate", near[0]))
        else:
            kept[anchor].append(key)
            accepted.append(draft)
    return accepted, refused
