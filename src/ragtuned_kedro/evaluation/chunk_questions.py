"""Local questions by a teacher: a fact of one chunk each, with what its answer must contain."""

import pandas as pd

from ragtuned_kedro.evaluation.answer_points import (
    MOST_WORDS,
    Source,
    fault_of_points,
    take_points,
)
from ragtuned_kedro.evaluation.generate import GeneratedQuestion
from ragtuned_kedro.evaluation.interview import Gate, Interview
from ragtuned_kedro.evaluation.wording import normalise
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.schemas.ids import seeded_order
from ragtuned_kedro.schemas.records import Prompt
from ragtuned_kedro.schemas.teacher_replies import FactQuestion

LOCAL = "generate_questions.local"


def local_prompts(
    chunks: pd.DataFrame, prompts: PromptBook, *, n: int, max_points: int, language: str, seed: int
) -> Prompts:
    """Ask for a question to each of `n` chunks, drawn by seed."""
    texts = dict(zip(chunks["chunk_id"], chunks["text"], strict=True))
    return Prompts(
        seeded_order(texts, seed=seed)[:n],
        lambda chunk_id: prompts["local"].render(
            chunk_id,
            document=texts[chunk_id],
            n=max_points,
            most_words=MOST_WORDS,
            language=language,
        ),
    )


def ask_about_chunks(
    interview: Interview,
    gate: Gate,
    chunks: pd.DataFrame,
    documents: pd.DataFrame,
    *,
    n: int,
    max_points: int,
    max_new_tokens: int,
    seed: int,
) -> list[GeneratedQuestion]:
    """Ask one question about each of `n` chunks; what an answer must contain stands in the chunk.

    Chunks = questions + rejections. Where the teacher says that there is nothing to ask, that is
    the rejection `nothing_to_ask`.
    """
    uris = dict(zip(documents["doc_id"], documents["source_uri"], strict=True))
    homes = {row["chunk_id"]: row for row in chunks.to_dict("records")}

    def check(prompt: Prompt, reply: FactQuestion) -> tuple[str, str] | None:
        if not _asks(reply):
            return None
        points = take_points(reply.points, most=max_points)
        return fault_of_points(reply.question, points, [[Source(homes[prompt.key]["text"])]])

    wanted = local_prompts(
        chunks,
        interview.prompts,
        n=n,
        max_points=max_points,
        language=interview.language,
        seed=seed,
    )
    replies = interview.ask(
        wanted, FactQuestion, stage=LOCAL, max_new_tokens=max_new_tokens, check=check
    )
    made = []
    for chunk_id, reply in replies.items():
        if not _asks(reply.record):
            detail = "the teacher found nothing to ask"
            interview.reject(chunk_id, "nothing_to_ask", detail, reply.call_id)
            continue
        text = " ".join(reply.record.question.split())
        if fault := gate.fault(text, is_global=False):
            interview.reject(text, *fault, reply.call_id)
            continue
        points = take_points(reply.record.points, most=max_points)
        made.append(
            GeneratedQuestion(
                "local",
                text,
                tuple((point,) for point in points),
                (uris[homes[chunk_id]["doc_id"]],),
                call_id=reply.call_id,
            )
        )
    return made


def _asks(reply: FactQuestion) -> bool:
    return reply.can_ask and bool(normalise(reply.question))
