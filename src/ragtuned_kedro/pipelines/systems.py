"""The systems that are compared: the one place that lists them.

A system is a row of PLANS: its name, how it is opened, and how its index is built if it has one.
What the two functions are called with follows from their arguments' names: a parameter block is
`params:<name>`; `index` and the prompts belong to the system; everything else is a dataset.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragtuned_kedro.answering.graph_global import index_graph_global, open_graph_global
from ragtuned_kedro.answering.graph_local import index_graph_local, open_graph_local
from ragtuned_kedro.answering.long_context import index_long_context, open_long_context
from ragtuned_kedro.answering.nearest_passage import open_nearest_passage
from ragtuned_kedro.answering.rag_tuned_retrieval import open_rag_tuned_retrieval
from ragtuned_kedro.answering.systems import System
from ragtuned_kedro.answering.vanilla_rag import index_vanilla_rag, open_vanilla_rag
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, RecallParams
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.records import BaseModelFolder

# torch takes seconds to import, and every command of the project imports this file.


@dataclass(frozen=True)
class Plan:
    """How a system is opened; `index_of` names the system whose index it shares.

    `asks_all`: whether it answers every evaluation question in every run, or only those that the
    systems are compared on.
    """

    open: Callable[..., System]
    index: Callable[..., Any] | None = None
    index_of: str | None = None
    asks_all: bool = False


def open_base_model(
    base_model_folder: BaseModelFolder, base_model: BaseModelParams, answering: AnsweringParams
) -> System:
    """Open the baseline."""
    from ragtuned_kedro.answering import base_model as system

    return system.open_base_model(
        base_model_folder,
        batch_size=answering.batch_size,
        device=answering.device,
        n_threads=base_model.n_threads,
    )


def open_rag_tuned(
    base_model_folder: BaseModelFolder,
    adapter: Path,
    base_model: BaseModelParams,
    answering: AnsweringParams,
    rag_tuned: RecallParams,
) -> System:
    """Open the candidate."""
    from ragtuned_kedro.answering import rag_tuned as system
    from ragtuned_kedro.language_models.recall import Recall

    return system.open_rag_tuned(
        base_model_folder,
        adapter,
        batch_size=answering.batch_size,
        device=answering.device,
        n_threads=base_model.n_threads,
        recall=Recall.of(answering.abstention, **rag_tuned.model_dump()),
    )


BASELINE = "base_model"
CANDIDATE = "rag_tuned"
# In the order in which tables show them.
PLANS = {
    BASELINE: Plan(open_base_model, asks_all=True),
    CANDIDATE: Plan(open_rag_tuned, asks_all=True),
    "nearest_passage": Plan(open_nearest_passage, index_of="vanilla_rag"),
    "vanilla_rag": Plan(open_vanilla_rag, index=index_vanilla_rag),
    "graph_local": Plan(open_graph_local, index=index_graph_local),
    "graph_global": Plan(open_graph_global, index=index_graph_global),
    "long_context": Plan(open_long_context, index=index_long_context),
    "rag_tuned_retrieval": Plan(open_rag_tuned_retrieval, index_of="vanilla_rag"),
}
SYSTEMS = tuple(PLANS)
BASE_ANSWERS = f"{BASELINE}.answers"
TUNED_ANSWERS = f"{CANDIDATE}.answers"
ALL_ANSWERS = tuple(f"{system}.answers" for system in SYSTEMS)
ALL_RETRIEVALS = tuple(f"{system}.retrievals" for system in SYSTEMS)
ALL_INDEX_COSTS = tuple(f"{system}.index_costs" for system, plan in PLANS.items() if plan.index)
