"""What a teacher will be asked for evaluation questions, when only the chunks are known."""

import pandas as pd

from ragtuned_kedro.evaluation.answer_points import MOST_WORDS
from ragtuned_kedro.evaluation.chunk_questions import LOCAL, local_prompts
from ragtuned_kedro.evaluation.personas import ASK, DESCRIBE, PERSONAS, TASKS
from ragtuned_kedro.evaluation.teacher_questions import POINTS
from ragtuned_kedro.language_models.estimate import (
    CallPlan,
    CountTokens,
    count_prompt,
    plan_counted,
)
from ragtuned_kedro.language_models.prompt_files import PromptBook
from ragtuned_kedro.language_models.replies import ask_for_shape
from ragtuned_kedro.schemas.teacher_replies import FactQuestion

# A description, a persona, a task and a question, in tokens: only their order of size matters.
_DESCRIPTION_TOKENS, _PERSONA_TOKENS, _TASK_TOKENS, _QUESTION_TOKENS = 150, 40, 25, 25


def plan_questions(
    chunks: pd.DataFrame,
    prompts: PromptBook,
    count_tokens: CountTokens,
    *,
    language: str,
    max_context_tokens: int,
    n_personas: int,
    n_tasks: int,
    n_questions: int,
    n_local: int,
    max_points: int,
    list_tokens: int,
    point_tokens: int,
    seed: int,
) -> list[CallPlan]:
    """Plan the calls: those about chunks are counted, those of personas at most what is set.

    The least of the latter is one reader with one task whose question is refused.
    """

    def frame(name: str, **values: object) -> int:
        prompt = prompts[name].render("", language=language, **values)
        return count_prompt(prompt, count_tokens)

    about = {"description": "", "n": n_tasks}
    described = frame("describe", reports="")
    personas = frame("personas", **about) + _DESCRIPTION_TOKENS
    tasks = frame("tasks", persona="", **about) + _DESCRIPTION_TOKENS + _PERSONA_TOKENS
    asked = frame("questions", persona="", task="", **about) + _DESCRIPTION_TOKENS
    asked += _PERSONA_TOKENS + _TASK_TOKENS
    points = frame("points", question="", reports="", n=max_points, most_words=MOST_WORDS)
    points += _QUESTION_TOKENS
    n_asked = n_personas * n_tasks

    def plan(stage: str, calls: tuple[int, int], fewest: int, most: int, room: int) -> CallPlan:
        return CallPlan(stage, calls, (fewest, most), room, is_counted=False)

    by_readers = [
        plan(DESCRIBE, (1, 1), described, described + max_context_tokens, list_tokens),
        plan(PERSONAS, (1, 1), personas, personas, list_tokens),
        plan(TASKS, (1, n_personas), tasks, tasks, list_tokens),
        plan(ASK, (1, n_asked), asked, asked, list_tokens),
        plan(POINTS, (0, n_asked * n_questions), points, points + max_context_tokens, point_tokens),
    ]
    counts = [
        count_prompt(ask_for_shape(one, FactQuestion), count_tokens)
        for one in local_prompts(
            chunks, prompts, n=n_local, max_points=max_points, language=language, seed=seed
        )
    ]
    local = plan_counted(LOCAL, counts, point_tokens)
    return [*(by_readers if n_personas else []), *([local] if counts else [])]
