"""The grounding gate: a teacher sees evidence and answer, and must quote what supports it.

A yes counts only if the quote stands in the evidence. How far the gate is to be trusted is measured
on planted rows: sentences of the corpus, true as they stand, and false once a name or a number in
them is exchanged.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ragtuned_kedro.language_models.asked import Answered
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.schemas.ids import content_id, seeded_order
from ragtuned_kedro.schemas.records import Prompt
from ragtuned_kedro.schemas.synthesis_tables import GroundingCalibration
from ragtuned_kedro.schemas.tables import frame_of
from ragtuned_kedro.schemas.teacher_replies import GroundingVerdict
from ragtuned_kedro.synthesis.quotes import Quotes

STAGE = "synthesize_qa.ground"
_QUESTION_TO_PLANTED = "What does the document say?"


@dataclass(frozen=True)
class Claim:
    """An answer to be checked against chunks; `is_true` is known of planted ones only."""

    key: str
    question: str
    answer: str
    chunk_ids: tuple[str, ...]
    is_true: bool | None = None


def judge_grounding(
    claims: Sequence[Claim],
    quotes: Quotes,
    asker: Asker,
    prompts: PromptBook,
    *,
    max_new_tokens: int,
) -> tuple[dict[str, bool], Answered[GroundingVerdict]]:
    """Judge every claim; one without a usable verdict is in the rejections and not in the dict."""
    by_key = {one.key: one for one in claims}

    def quoted(prompt: Prompt, verdict: GroundingVerdict) -> tuple[str, str] | None:
        if not verdict.is_supported:
            return None
        return quotes.fault(verdict.quote, by_key[prompt.key].chunk_ids)

    answered = asker.ask_all(
        grounding_prompts(claims, quotes, prompts),
        GroundingVerdict,
        stage=STAGE,
        max_new_tokens=max_new_tokens,
        check=quoted,
    )
    return {key: one.record.is_supported for key, one in answered.replies.items()}, answered


def grounding_prompts(claims: Sequence[Claim], quotes: Quotes, prompts: PromptBook) -> Prompts:
    """Show each claim beside its evidence."""
    return Prompts(
        claims,
        lambda one: prompts["ground"].render(
            one.key,
            question=one.question,
            answer=one.answer,
            documents=quotes.texts(one.chunk_ids),
        ),
    )


def plant_claims(
    sentences: pd.DataFrame,
    entity_mentions: pd.DataFrame,
    quotes: Quotes,
    *,
    n: int,
    seed: int,
) -> list[Claim]:
    """Make `n` true claims of sentences that stand alone, and of the same sentences `n` false ones.

    A false one has another entity of the same type in place of a name, or another number in place
    of a number. Fewer come where the corpus has fewer such sentences; one that its chunk cuts could
    not be quoted and is left out.
    """
    rows = {row.sentence_id: row for row in sentences.itertuples()}
    mentions = entity_mentions.sort_values("mention_id").groupby("sentence_id")
    named = {str(key): list(group.itertuples()) for key, group in mentions}
    by_type = entity_mentions.groupby("type")["surface"].agg(lambda s: sorted(set(s))).to_dict()
    claims: list[Claim] = []
    for sentence_id in seeded_order(rows, seed=seed):
        text = rows[sentence_id].text
        false = _falsify(text, named.get(sentence_id, []), by_type, seed)
        chunk_ids = (rows[sentence_id].chunk_id,)
        if false is None or quotes.fault(text, chunk_ids) is not None:
            continue
        for said, is_true in ((text, True), (false, False)):
            key = f"planted {chunk_ids[0]} {content_id('claim', sentence_id, said)}"
            claims.append(Claim(key, _QUESTION_TO_PLANTED, said, chunk_ids, is_true))
        if len(claims) >= 2 * n:
            break
    return claims


def _falsify(text: str, mentions: list, by_type: dict, seed: int) -> str | None:
    number = re.search(r"\d+", text)
    if number is not None:
        return text[: number.start()] + str(int(number[0]) + 3) + text[number.end() :]
    for mention in mentions:
        if not mention.surface[:1].isupper() or mention.surface not in text:
            continue
        others = [
            one
            for one in seeded_order(by_type[mention.type], seed=seed)
            if one[:1].isupper() and one.casefold() not in text.casefold()
        ]
        if others:
            return text.replace(mention.surface, others[0])
    return None


def calibrate(claims: Sequence[Claim], supported: dict[str, bool]) -> pd.DataFrame:
    """Compare verdicts with what was planted, as GroundingCalibration: what the gate refuses.

    A claim without a usable verdict counts as refused, because that is what happens to it.
    """
    refused = {one.key: not supported.get(one.key, False) for one in claims}
    n_false = sum(one.is_true is False for one in claims)
    n_refused = sum(refused.values())
    n_caught = sum(refused[one.key] for one in claims if one.is_true is False)
    values = (
        ("precision", n_caught, n_refused, "share of refused claims that were planted false"),
        ("recall", n_caught, n_false, "share of claims planted false that were refused"),
    )
    return frame_of(
        GroundingCalibration,
        [
            {
                "metric": name,
                "value": part / whole if whole else None,
                "n": whole,
                "n_without_verdict": len(claims) - len(supported),
                "meaning": meaning,
            }
            for name, part, whole, meaning in values
        ],
    )
