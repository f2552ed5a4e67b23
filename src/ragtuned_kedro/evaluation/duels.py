"""Who is compared with whom by a judge: systems on questions, and checks on the judge itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ragtuned_kedro.evaluation.assertions import n_held, spellings_by_query
from ragtuned_kedro.schemas.ids import seeded_order

# The side of a check that is known to be no worse than the other.
REFERENCE = "reference"
# What adds nothing to an answer.
_PADDING = (
    "That is the answer to the question that was asked. There is a great deal that could be said "
    "about a matter of this kind, and it is good to keep all of it in mind. As always the details "
    "matter, and with more time more could be added to what has been said here."
)


@dataclass(frozen=True)
class Duel:
    """Two answers to one question; the evidence is the same for both."""

    query_id: str
    question: str
    evidence: str
    candidate: str
    baseline: str
    candidate_text: str
    baseline_text: str


@dataclass(frozen=True)
class Plan:
    """What a judge is asked, and the pairs that cannot be: (key, reason, detail)."""

    duels: tuple[Duel, ...]
    refused: tuple[tuple[str, str, str], ...]


def gather_evidence(
    query_evidence: pd.DataFrame, documents: pd.DataFrame, *, max_words: int
) -> dict[str, str]:
    """Join the documents that state what a query asks, each cut to its share of `max_words`."""
    texts = dict(zip(documents["source_uri"], documents["text"], strict=True))
    titles = dict(zip(documents["source_uri"], documents["title"], strict=True))
    gathered = {}
    for query_id, rows in query_evidence.groupby("query_id", sort=True):
        sources = [one for one in sorted(rows["source_uri"]) if one in texts]
        share = max_words // max(1, len(sources))
        gathered[str(query_id)] = "\n\n".join(
            f"{titles[one]}\n{cut_words(texts[one], share)}" for one in sources
        )
    return gathered


def plan_duels(
    queries: pd.DataFrame,
    answers: pd.DataFrame,
    evidence: Mapping[str, str],
    *,
    candidate: str,
    baselines: Sequence[str],
    scopes: Sequence[str],
    n_per_scope: int,
    seed: int,
) -> Plan:
    """Pair `candidate` with each baseline on at most `n_per_scope` questions of each scope.

    Every baseline gets the same questions, drawn among those that all of them answered, and the
    first sample of each answer. A pair of which one answer failed or is empty is refused, with
    reason no_answer: a judge would see nothing.
    """
    first = answers[answers["sample"] == 0]
    said = {(row["system"], row["query_id"]): row for row in first.to_dict("records")}
    present = [one for one in baselines if one in set(first["system"]) and one != candidate]
    duels, refused = [], []
    for query in _drawn(queries, said, (candidate, *present), scopes, n_per_scope, seed):
        key = query["query_id"]
        for baseline in present:
            sides = [said[system, key] for system in (candidate, baseline)]
            mute = [one for one in sides if one["finish_reason"] == "error" or not one["text"]]
            if mute:
                told = f"{mute[0]['system']}: {mute[0]['error'] or 'it is empty'}"
                refused.append((f"{key}|{candidate}|{baseline}", "no_answer", told))
                continue
            shown = evidence.get(key, "")
            texts = (one["text"] for one in sides)
            duels.append(Duel(key, query["text"], shown, candidate, baseline, *texts))
    return Plan(tuple(duels), tuple(refused))


def plan_checks(
    queries: pd.DataFrame,
    assertions: pd.DataFrame,
    evidence: Mapping[str, str],
    *,
    n_checks: int,
    seed: int,
) -> tuple[Duel, ...]:
    """Build the duels whose right outcome is known, for `n_checks` questions with a reference.

    `identical` (the reference against itself) must tie, `planted` (the reference to another
    question, in which no assertion of this one holds) must lose on usefulness, and `padded` (the
    reference and words that add nothing) must not win.
    """
    spellings = spellings_by_query(assertions)
    known = {
        row["query_id"]: row
        for row in queries.to_dict("records")
        if isinstance(row["reference"], str) and row["query_id"] in spellings
    }
    order = seeded_order(known, seed=seed)
    checks = []
    for key in order[:n_checks]:
        query = known[key]
        right = query["reference"]
        wrong = _reference_to_another(key, order, known, spellings)
        candidates = {"identical": right, "padded": f"{right} {_PADDING}"}
        if wrong is not None:
            candidates["planted"] = wrong
        checks += [
            Duel(key, query["text"], evidence.get(key, ""), name, REFERENCE, text, right)
            for name, text in sorted(candidates.items())
        ]
    return tuple(checks)


def cut_words(text: str, most: int) -> str:
    """Cut a text after `most` words; shorter ones stay as they are, line by line."""
    words = text.split()
    return text.strip() if len(words) <= most else " ".join(words[:most])


def _drawn(
    queries: pd.DataFrame,
    said: Mapping[tuple[str, str], dict],
    systems: Sequence[str],
    scopes: Sequence[str],
    n_per_scope: int,
    seed: int,
) -> list[dict]:
    """Draw questions that every system was asked, the same ones in every run."""
    asked = [
        row
        for row in queries.to_dict("records")
        if all((system, row["query_id"]) in said for system in systems)
    ]
    by_id = {row["query_id"]: row for row in asked}
    return [
        by_id[key]
        for scope in scopes
        for key in seeded_order(
            [row["query_id"] for row in asked if row["scope"] == scope], seed=seed
        )[:n_per_scope]
    ]


def _reference_to_another(
    key: str, order: Sequence[str], known: Mapping[str, dict], spellings: Mapping[str, list]
) -> str | None:
    place = order.index(key)
    for other in (*order[place + 1 :], *order[:place]):
        text = str(known[other]["reference"])
        question = known[key]["text"]
        if not n_held(spellings[key], question=question, answer=text, hedged=False):
            return text
    return None
