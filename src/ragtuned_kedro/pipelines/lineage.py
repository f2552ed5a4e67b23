"""Which nodes stand behind what: the stages, and what a system needs before it can answer."""

import importlib
import pkgutil
from collections.abc import Mapping

from kedro.pipeline import Pipeline

from ragtuned_kedro import pipelines

# What these make is there for other reasons than an answer: questions, and an installed model.
_QUESTION_STAGES = ("ask_questions", "generate_questions")
_INSTALLING_STAGES = ("fetch_model",)


def find_stages() -> dict[str, Pipeline]:
    """Build the pipeline of every folder here, whichever of them a command asked for."""
    names = [found.name for found in pkgutil.iter_modules(pipelines.__path__) if found.ispkg]
    return {
        name: importlib.import_module(f"{pipelines.__name__}.{name}").create_pipeline()
        for name in sorted(names)
    }


def index_nodes(stages: Mapping[str, Pipeline], system: str) -> set[str]:
    """Name the nodes that have to run before `system` can answer its first question.

    They are what its answers descend from, without the questions, what the system does with them
    and the installation of the base model. (Synthesis reads the evaluation questions too, but
    only to keep away from them.)
    """
    whole: Pipeline = sum(stages.values(), start=Pipeline([]))
    asking: Pipeline = sum((stages[name] for name in _QUESTION_STAGES), start=Pipeline([]))
    questions = asking.all_outputs()
    own = Pipeline([node for node in whole.nodes if node.namespace == system])
    asked = set(own.from_inputs(*(questions & own.inputs())).nodes)
    needed = {name for node in asked for name in node.inputs} - questions
    behind = whole.to_outputs(*(needed & whole.all_outputs())).nodes
    apart = {
        node for name in (*_QUESTION_STAGES, *_INSTALLING_STAGES) for node in stages[name].nodes
    }
    return {node.name for node in set(behind) - asked - apart}
