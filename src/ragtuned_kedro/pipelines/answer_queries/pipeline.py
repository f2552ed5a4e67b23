import inspect
from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from ragtuned_kedro.pipelines.systems import PLANS, Plan
from ragtuned_kedro.schemas.parameters import Block

from .nodes import answer_queries

# Arguments that each system has of its own, under its namespace.
_OWN = {"index", "prompt", "map_prompt"}
_ANSWERING = ["completion_folder", "params:answering", "params:examples"]


def create_pipeline(**_: object) -> Pipeline:
    """Let every system answer queries; a system is a row of PLANS, and a namespace."""
    return sum((_answering(name, plan) for name, plan in PLANS.items()), start=Pipeline([]))


def _answering(system: str, plan: Plan) -> Pipeline:
    queries = "asked_queries" if plan.asks_all else "compared_queries"
    nodes = [
        Node(plan.open, inputs=_inputs(plan.open), outputs="system", name="open"),
        Node(
            answer_queries,
            inputs=["system", queries, *_ANSWERING],
            outputs=["answers", "retrievals"],
            name="answer_queries",
        ),
    ]
    if plan.index is not None:
        nodes.append(
            Node(
                plan.index,
                inputs=_inputs(plan.index),
                outputs=["index", "index_costs"],
                name="index",
            )
        )
    used = {name for node in nodes for name in node.inputs}
    shared: dict[str, str] = {
        name: name for name in used - _OWN - {"system"} if not name.startswith("params:")
    }
    if plan.index_of is not None:
        shared["index"] = f"{plan.index_of}.index"
    parameters = {name for name in used if name.startswith("params:")}
    return Pipeline(nodes, namespace=system, inputs=shared, parameters=parameters)


def _inputs(function: Callable[..., Any]) -> list[str]:
    """Name a dataset or a parameter block for each argument of a function."""
    return [
        f"params:{name}"
        if isinstance(one.annotation, type) and issubclass(one.annotation, Block)
        else name
        for name, one in inspect.signature(function).parameters.items()
    ]
