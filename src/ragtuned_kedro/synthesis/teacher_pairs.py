"""Questions and answers by a teacher: in two steps if local, else in one chain of thought."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ragtuned_kedro.language_models.asked import Answered
from ragtuned_kedro.language_models.asking import Asker
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.schemas.records import Prompt
from ragtuned_kedro.schemas.teacher_replies import Question, ReasonedAnswer, ReasonedPair
from ragtuned_kedro.synthesis.anchors import Anchor
from ragtuned_kedro.synthesis.quotes import Evidence, Quotes

ASK, ANSWER, REASON = (f"synthesize_qa.{step}" for step in ("ask", "answer", "reason"))


@dataclass(frozen=True)
class TeacherPair:
    """A question with its answer, the sentences it quotes, and the calls that gave both."""

    anchor: Anchor
    question: str
    reasoning: str
    answer: str
    evidence: tuple[Evidence, ...]
    question_call_id: str
    answer_call_id: str


@dataclass
class Written:
    """What the teacher wrote, what it did not, and all calls."""

    pairs: list[TeacherPair] = field(default_factory=list)
    rejections: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def note(self, answered: Answered) -> None:
        """Take over rejections and calls."""
        self.rejections += answered.rejections
        self.calls += answered.calls


def write_pairs(
    anchors: Sequence[Anchor],
    quotes: Quotes,
    asker: Asker,
    prompts: PromptBook,
    *,
    language: str,
    max_question_tokens: int,
    max_answer_tokens: int,
) -> Written:
    """Ask about every anchor and answer; anchors = pairs + rejections.

    A quote that does not stand in the chunks shown is told to the teacher, who may mend it. Where
    the teacher says that there is nothing to ask, that is the rejection `nothing_to_ask`.
    """
    written = Written()
    by_key = {one.key: one for one in anchors}

    def quoted(prompt: Prompt, reply: ReasonedAnswer | ReasonedPair) -> tuple[str, str] | None:
        return quotes.fault(reply.quote, by_key[prompt.key].chunk_ids)

    local = [one for one in anchors if one.kind == "local"]
    asked = asker.ask_all(
        question_prompts(local, quotes, prompts, language=language),
        Question,
        stage=ASK,
        max_new_tokens=max_question_tokens,
    )
    written.note(asked)
    questions: dict[str, str] = {}
    for key, reply in asked.replies.items():
        question = reply.record.question.strip()
        if reply.record.can_ask and question:
            questions[key] = question
        else:
            detail = "the teacher found nothing to ask"
            written.rejections.append(_rejection(key, reply.call_id, "nothing_to_ask", detail))
    answered = asker.ask_all(
        answer_prompts(questions, by_key, quotes, prompts, language=language),
        ReasonedAnswer,
        stage=ANSWER,
        max_new_tokens=max_answer_tokens,
        check=quoted,
    )
    written.note(answered)
    for key, answer in answered.replies.items():
        question_call = asked.replies[key].call_id
        written.pairs.append(
            _pair(by_key[key], questions[key], answer.record, question_call, answer.call_id, quotes)
        )
    reasoned = asker.ask_all(
        reasoning_prompts(
            [one for one in anchors if one.kind != "local"], quotes, prompts, language=language
        ),
        ReasonedPair,
        stage=REASON,
        max_new_tokens=max_answer_tokens,
        check=quoted,
    )
    written.note(reasoned)
    for key, pair in reasoned.replies.items():
        record = pair.record
        written.pairs.append(
            _pair(by_key[key], record.question, record, pair.call_id, pair.call_id, quotes)
        )
    return written


def question_prompts(
    anchors: Sequence[Anchor], quotes: Quotes, prompts: PromptBook, *, language: str
) -> Prompts:
    """Ask for a question about a thing in one chunk."""
    return Prompts(
        anchors,
        lambda one: prompts["ask"].render(
            one.key,
            subject=one.subject,
            document=quotes.texts(one.chunk_ids)[0],
            language=language,
        ),
    )


def answer_prompts(
    questions: Mapping[str, str],
    anchors: Mapping[str, Anchor],
    quotes: Quotes,
    prompts: PromptBook,
    *,
    language: str,
) -> Prompts:
    """Ask for the answer to each question, from the chunk that it was asked about."""
    return Prompts(
        list(questions),
        lambda key: prompts["answer"].render(
            key,
            question=questions[key],
            document=quotes.texts(anchors[key].chunk_ids)[0],
            language=language,
        ),
    )


def reasoning_prompts(
    anchors: Sequence[Anchor], quotes: Quotes, prompts: PromptBook, *, language: str
) -> Prompts:
    """Ask for a question and its answer at once, from notes and chunks."""
    return Prompts(
        anchors,
        lambda one: prompts["reason"].render(
            one.key,
            subject=one.subject,
            notes=one.notes,
            documents=quotes.texts(one.chunk_ids),
            language=language,
        ),
    )


def _pair(
    anchor: Anchor,
    question: str,
    said: ReasonedAnswer | ReasonedPair,
    question_call_id: str,
    answer_call_id: str,
    quotes: Quotes,
) -> TeacherPair:
    return TeacherPair(
        anchor,
        " ".join(question.split()),
        " ".join(said.reasoning.split()),
        " ".join(said.answer.split()),
        quotes.evidence(said.quote, anchor.chunk_ids),
        question_call_id,
        answer_call_id,
    )


def _rejection(key: str, call_id: str, reason: str, detail: str) -> dict[str, Any]:
    return {"key": key, "call_id": call_id, "reason": reason, "detail": detail}
