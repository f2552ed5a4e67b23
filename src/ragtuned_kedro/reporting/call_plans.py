"""What a teacher will be asked, by stage, when only the chunks are known; what plans cost."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ragtuned_kedro.language_models.estimate import (
    CallPlan,
    CountTokens,
    Range,
    count_prompt,
    plan_counted,
    price_plan,
)
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.schemas.endpoint_parameters import SpendingParams
from ragtuned_kedro.schemas.teaching_parameters import EstimateParams, TeachingParams

# A community report, a description and a name, in tokens: only their order of size matters.
_REPORT_TOKENS, _DESCRIPTION_TOKENS, _NAME_TOKENS = 400, 60, 4


def plan_teaching(
    chunks: pd.DataFrame,
    books: Mapping[str, PromptBook],
    count_tokens: CountTokens,
    *,
    entity_types: Sequence[str],
    teaching: TeachingParams,
    assumed: EstimateParams,
    engines: Mapping[str, str],
) -> list[CallPlan]:
    """Plan the calls of every stage that `engines` gives to the teacher.

    The first reading's prompts are rendered and counted; what depends on what will be found there
    is assumed, within the caps of `teaching`.
    """
    plans: list[CallPlan] = []
    if engines["build_graph"] == "teacher":
        plans += _graph_plans(chunks, books["graph"], count_tokens, entity_types, teaching, assumed)
    things = _scaled(_things(assumed), len(chunks))
    if engines["write_reports"] == "teacher":
        plans.append(_report_plan(things, books["communities"], count_tokens, teaching, assumed))
    if engines["synthesize_qa"] == "teacher":
        plans += _synthesis_plans(
            chunks, things, books["synthesis"], count_tokens, teaching, assumed
        )
    return plans


def price_plans(
    plans: Sequence[CallPlan],
    spending: SpendingParams,
    *,
    model_id: str,
    endpoint: str,
    assumed: EstimateParams,
) -> list[dict[str, object]]:
    """Predict what one model is asked and paid, as rows of CallEstimates."""
    spread = {
        "token_spread": assumed.token_spread,
        "reply_share": assumed.reply_share,
        "unusable_share": assumed.unusable_share,
    }
    whose = {"model_id": model_id, "endpoint": endpoint}
    return [price_plan(plan, spending, **spread) | whose for plan in plans]


def _things(assumed: EstimateParams) -> Range:
    return (
        assumed.entities_per_chunk[0] + assumed.relationships_per_chunk[0],
        assumed.entities_per_chunk[1] + assumed.relationships_per_chunk[1],
    )


def _scaled(one: Range, by: float) -> Range:
    return one[0] * by, one[1] * by


def _capped(one: Range, most: int) -> Range:
    return min(one[0], most), min(one[1], most)


def _graph_plans(
    chunks: pd.DataFrame,
    book: PromptBook,
    count_tokens: CountTokens,
    entity_types: Sequence[str],
    teaching: TeachingParams,
    assumed: EstimateParams,
) -> list[CallPlan]:
    about = {"entity_types": entity_types, "language": teaching.language}
    counts = [
        count_prompt(book["extract"].render("", document=text, **about), count_tokens)
        for text in chunks["text"]
    ]
    first = plan_counted("build_graph.extract", counts, teaching.extraction_tokens)
    mean = first.prompt_tokens[0]
    names = _scaled(assumed.entities_per_chunk, _NAME_TOKENS)
    glean = CallPlan(
        "build_graph.extract.glean",
        # A chunk without a usable first reading is not gleaned.
        (0, len(chunks) * teaching.n_gleanings),
        (mean, mean + names[1]),
        teaching.extraction_tokens,
        is_counted=False,
    )
    things = _scaled(_things(assumed), len(chunks))
    notes = book["describe"].render(
        "", subject="a", notes=["a"], language=teaching.language, max_words=80
    )
    frame = count_prompt(notes, count_tokens)
    describe = CallPlan(
        "build_graph.describe",
        (things[0] * assumed.described_share[0], things[1] * assumed.described_share[1]),
        (frame + 2 * _DESCRIPTION_TOKENS, frame + 8 * _DESCRIPTION_TOKENS),
        teaching.description_tokens,
        is_counted=False,
    )
    return [first, *([glean] if teaching.n_gleanings else []), describe]


def _report_plan(
    things: Range,
    book: PromptBook,
    count_tokens: CountTokens,
    teaching: TeachingParams,
    assumed: EstimateParams,
) -> CallPlan:
    fewest, most = assumed.entities_per_community
    frame = count_prompt(
        book["report"].render("", context="", language=teaching.language, max_findings=8),
        count_tokens,
    )
    return CallPlan(
        "write_reports",
        (things[0] / most / 2, things[1] / fewest),
        (frame + 200, frame + teaching.max_context_tokens),
        teaching.report_tokens,
        is_counted=False,
    )


def _synthesis_plans(
    chunks: pd.DataFrame,
    things: Range,
    book: PromptBook,
    count_tokens: CountTokens,
    teaching: TeachingParams,
    assumed: EstimateParams,
) -> list[CallPlan]:
    words = {"language": teaching.language, "subject": "a"}
    ask = count_prompt(book["ask"].render("", document="", **words), count_tokens)
    answer = count_prompt(
        book["answer"].render("", document="", question="", language=teaching.language),
        count_tokens,
    )
    reason = count_prompt(
        book["reason"].render("", notes="", documents=[""], **words), count_tokens
    )
    ground = count_prompt(
        book["ground"].render("", question="", answer="", documents=[""]), count_tokens
    )
    chunk = float(chunks["n_tokens"].mean())
    shown = (chunk, chunk * min(teaching.max_chunks_per_anchor, 8))
    local = _capped(things, teaching.n_local)
    anchors = [
        _capped(_scaled(assumed.entities_per_chunk, len(chunks) / 2), teaching.n_entities),
        _capped(_scaled(assumed.relationships_per_chunk, len(chunks)), teaching.n_relationships),
        _capped((1, things[1]), teaching.n_reports),
    ]
    reasoned = (sum(low for low, _ in anchors), sum(high for _, high in anchors))
    checked = (0.0 + 2 * teaching.n_planted, local[1] + reasoned[1] + 2 * teaching.n_planted)
    room = teaching.answer_tokens
    return [
        CallPlan(
            "synthesize_qa.ask",
            local,
            (ask + chunk,) * 2,
            teaching.question_tokens,
            is_counted=False,
        ),
        CallPlan(
            "synthesize_qa.answer", (0, local[1]), (answer + chunk,) * 2, room, is_counted=False
        ),
        CallPlan(
            "synthesize_qa.reason",
            reasoned,
            (reason + shown[0], reason + shown[1] + _REPORT_TOKENS),
            room,
            is_counted=False,
        ),
        CallPlan(
            "synthesize_qa.ground",
            checked,
            (ground + shown[0], ground + shown[1]),
            teaching.grounding_tokens,
            is_counted=False,
        ),
    ]
