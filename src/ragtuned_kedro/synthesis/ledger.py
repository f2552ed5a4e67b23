"""The ledger: for every unit of the corpus, whether it is asked about, and if not, why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ragtuned_kedro.synthesis.drafts import Draft

if TYPE_CHECKING:
    from ragtuned_kedro.synthesis.synthesize import Corpus

STAGE = "synthesize_qa"


def count_outcomes(
    corpus: Corpus, chosen: Sequence[Draft], refused: Mapping[tuple[str, str], int]
) -> list[dict]:
    """Count units as accepted (some chosen pair rests on them) or lost, by cause.

    For every unit kind the counts add up to the number of its inputs.
    """
    used = {sentence_id for draft in chosen for sentence_id in draft.evidence}
    anchors = {draft.anchor_id for draft in chosen}
    sentences = corpus.sentences
    mentioned = set(corpus.entity_mentions["sentence_id"])
    outcomes: Counter[tuple[str, str]] = Counter()
    for row in sentences.itertuples():
        lost = "no_entity" if row.sentence_id not in mentioned else "over_budget"
        outcomes["sentence", "accepted" if row.sentence_id in used else lost] += 1
    for _, ids in sentences.groupby("chunk_id")["sentence_id"]:
        outcomes["chunk", "accepted" if used & set(ids) else "over_budget"] += 1
    told = _sentences_of_entities(corpus)
    for row in corpus.entities.itertuples():
        held = row.entity_id in anchors or told[row.entity_id] & used
        outcomes["entity", "accepted" if held else "over_budget"] += 1
    for row in corpus.relationships.itertuples():
        held = row.relationship_id in anchors or told[row.source_id] & told[row.target_id] & used
        outcomes["relationship", "accepted" if held else "over_budget"] += 1
    cited = corpus.findings.groupby("community_id")["sentence_id"].agg(set).to_dict()
    for community_id in corpus.reports["community_id"]:
        held = community_id in anchors or cited.get(community_id, set()) & used
        outcomes["community", "accepted" if held else "over_budget"] += 1
    for draft in chosen:
        outcomes[f"draft {draft.kind}", "accepted"] += 1
    for (kind, reason), n in refused.items():
        outcomes[f"draft {kind}", reason] += n
    return [
        {"stage": STAGE, "unit_kind": unit, "outcome": outcome, "n": n}
        for (unit, outcome), n in sorted(outcomes.items())
    ]


def _sentences_of_entities(corpus: Corpus) -> dict[str, set[str]]:
    by_name = corpus.entity_mentions.assign(
        folded=corpus.entity_mentions["name"].str.casefold()
    ).groupby("folded")["sentence_id"]
    sentences = by_name.agg(set).to_dict()
    return {
        row.entity_id: sentences.get(row.name.casefold(), set())
        for row in corpus.entities.itertuples()
    }
