"""Ask the tuned model from a terminal: no retrieval, no memory of earlier questions.

python -m ragtuned_kedro.pipelines.answer_queries.ask --question "Who mended the clock?"
"""

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from kedro.io import DatasetError
from kedro.utils import find_kedro_project

from ragtuned_kedro.answering.systems import build_prompt
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.synthesis_parameters import ExampleParams


def main() -> int:
    """Answer --question, or every line typed, and return the exit status."""
    parser = argparse.ArgumentParser(prog="ask", description=__doc__)
    parser.add_argument("--question", help="ask this one question instead of reading lines")
    parser.add_argument("--env", help="Kedro environment, as in `kedro run --env`")
    parser.add_argument("--data-root", help="where the run wrote, if not where globals.yml says")
    given = parser.parse_args()
    try:
        questions = [given.question] if given.question else _typed_lines()
        for answer in answer_from_memory(questions, env=given.env, data_root=given.data_root):
            print(answer, flush=True)
    except (UserError, DatasetError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print()
    return 0


def answer_from_memory(
    questions: Iterable[str], *, env: str | None = None, data_root: str | None = None
) -> Iterator[str]:
    """Answer each question with the adapter in the catalog of the project around this folder.

    Raises:
        UserError: If there is no project or no adapter yet.
    """
    # Between a question and its answer nobody wants to read which file was opened; importing
    # Kedro's session already logs.
    logging.disable(logging.WARNING)
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise UserError("there is no Kedro project here; ask from the project's folder")
    bootstrap_project(project)
    overrides = {"data_root": data_root} if data_root else {}
    with KedroSession.create(project_path=project, env=env, runtime_params=overrides) as session:
        context = session.load_context()  # type: ignore[attr-defined]
        catalog, settings = context.catalog, context.params
    if not catalog.exists("adapter"):
        raise UserError("there is no adapter yet; run `kedro run` first")
    from ragtuned_kedro.pipelines.systems import open_rag_tuned

    answering: AnsweringParams = settings["answering"]
    examples: ExampleParams = settings["examples"]
    system = open_rag_tuned(
        catalog.load("base_model_folder"),
        catalog.load("adapter"),
        settings["base_model"],
        answering,
        settings["rag_tuned"],
    )
    for question in questions:
        prompt = build_prompt("asked", question, system_prompt=examples.system_prompt)
        (completion,) = system.model.complete([prompt], max_new_tokens=answering.max_new_tokens)
        yield completion.error or completion.text


def _typed_lines() -> Iterator[str]:
    """Read lines until an empty one or the end of the input."""
    is_terminal = sys.stdin.isatty()
    while question := (input("? ") if is_terminal else sys.stdin.readline()).strip():
        yield question


if __name__ == "__main__":
    sys.exit(main())
