"""Global questions the paper's way: describe the corpus, imagine its readers, ask as they would.

Source: the RAG-Tuned-LLM code (mindverse/rag-tuned-llm), which follows GraphRAG (Edge et al. 2024,
arXiv 2404.16130): personas, tasks of each, questions for each task.
"""

from dataclasses import dataclass
from functools import partial

from ragtuned_kedro.evaluation.interview import Interview
from ragtuned_kedro.language_models.prompts import Prompts
from ragtuned_kedro.schemas.ids import content_id
from ragtuned_kedro.schemas.records import Prompt
from ragtuned_kedro.schemas.teacher_replies import (
    Description,
    GlobalQuestions,
    Persona,
    Personas,
    Tasks,
)

DESCRIBE, PERSONAS, TASKS, ASK = (
    f"generate_questions.{step}" for step in ("describe", "personas", "tasks", "ask")
)


@dataclass(frozen=True)
class Asked:
    """A question with who asks it, what for, and the call that wrote it."""

    text: str
    persona: str
    task: str
    call_id: str


def ask_as_readers(
    interview: Interview,
    reports: str,
    *,
    n_personas: int,
    n_tasks: int,
    n_questions: int,
    max_new_tokens: int,
) -> list[Asked]:
    """Ask at most `n_personas` * `n_tasks` * `n_questions` questions about a whole corpus.

    `reports` tell what it holds; later prompts show only its description, which names nobody. A
    prompt without a usable reply and a list that is too short (`too_few`) are rejections.
    """
    ask = partial(interview.ask, max_new_tokens=max_new_tokens)
    described = ask(
        [interview.write("describe", "corpus", reports=reports)], Description, stage=DESCRIBE
    )
    if not described:
        return []
    write = partial(interview.write, description=described["corpus"].record.description)
    readers: dict[str, Persona] = {}
    listed = ask([write("personas", "corpus", n=n_personas)], Personas, stage=PERSONAS)
    for reply in listed.values():
        for one in interview.distinct(
            reply, reply.record.personas, lambda one: one.name, n=n_personas
        ):
            readers[content_id("persona", one.name)] = one
    shown = {key: f"{one.name}: {one.description}" for key, one in readers.items()}
    tasks: dict[str, tuple[str, str]] = {}
    wanted = Prompts(list(readers), lambda key: write("tasks", key, n=n_tasks, persona=shown[key]))
    for key, given in ask(wanted, Tasks, stage=TASKS).items():
        for task in interview.distinct(given, given.record.tasks, str, n=n_tasks):
            tasks[content_id("task", key, task)] = key, " ".join(task.split())

    def write_questions(key: str) -> Prompt:
        reader, task = tasks[key]
        return write("questions", key, n=n_questions, persona=shown[reader], task=task)

    asked = []
    for key, questions in ask(
        Prompts(list(tasks), write_questions), GlobalQuestions, stage=ASK
    ).items():
        reader, task = tasks[key]
        asked += [
            Asked(" ".join(text.split()), readers[reader].name, task, questions.call_id)
            for text in interview.distinct(
                questions, questions.record.questions, str, n=n_questions
            )
        ]
    return asked
