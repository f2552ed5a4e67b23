"""The budget: exactly so many pairs, in a given mix of kinds, spread evenly over the corpus."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ragtuned_kedro.schemas.ids import seeded_order
from ragtuned_kedro.synthesis.drafts import Draft


def choose_drafts(
    drafts: Sequence[Draft], *, n_pairs: int, mix: Mapping[str, float], seed: int
) -> list[Draft]:
    """Choose `n_pairs` drafts (all, if there are fewer), each kind by its share of `mix`.

    Within a kind every anchor gets one question before any gets two, and within an anchor every
    thing wanted (who, when, how many) is asked once before any is asked twice. A kind that cannot
    fill its share leaves the rest to the others, in proportion.
    """
    queues = {kind: _fair_order([d for d in drafts if d.kind == kind], seed) for kind in mix}
    quotas = _quotas({kind: len(queue) for kind, queue in queues.items()}, mix, n_pairs)
    return [draft for kind, queue in queues.items() for draft in queue[: quotas[kind]]]


def _quotas(available: Mapping[str, int], mix: Mapping[str, float], total: int) -> dict[str, int]:
    """Share `total` out by `mix`, never more than is available; the last units by remainder."""
    quotas = dict.fromkeys(mix, 0)
    left = min(total, sum(available.values()))
    while left:
        open_kinds = [k for k in mix if quotas[k] < available[k]]
        weight = sum(mix[k] for k in open_kinds)
        shares = {
            k: left * (mix[k] / weight if weight else 1 / len(open_kinds)) for k in open_kinds
        }
        whole = {k: min(int(shares[k]), available[k] - quotas[k]) for k in open_kinds}
        if not any(whole.values()):
            best = min(open_kinds, key=lambda k: (-shares[k], k))
            whole[best] = 1
        for kind, n in whole.items():
            quotas[kind] += n
            left -= n
    return quotas


def _fair_order(drafts: Iterable[Draft], seed: int) -> list[Draft]:
    """Order by rounds: every fact in one phrasing, its anchors taking turns; then a second one."""
    facts: dict[str, dict[str, dict[str, Draft]]] = defaultdict(lambda: defaultdict(dict))
    for draft in drafts:
        facts[draft.anchor_id][draft.short or draft.wants][draft.question] = draft
    ranked: list[tuple[int, int, int, Draft]] = []
    for turn, anchor in enumerate(seeded_order(facts, seed=seed)):
        for place, fact in enumerate(seeded_order(facts[anchor], seed=seed)):
            phrasings = facts[anchor][fact]
            ordered = sorted(seeded_order(phrasings, seed=seed), key=_is_indirect)
            ranked += [(n, place, turn, phrasings[one]) for n, one in enumerate(ordered)]
    return [draft for *_, draft in sorted(ranked, key=lambda item: item[:3])]


def _is_indirect(question: str) -> bool:
    """Tell the forms that people use less: they come in once the direct ones are used."""
    return question.startswith(("Tell me", "Name whoever"))
