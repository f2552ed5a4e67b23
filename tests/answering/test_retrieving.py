"""Systems that retrieve, one query each, with the real base model and the real embedder."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from ragtuned_kedro.answering import (
    graph_global,
    graph_local,
    long_context,
    nearest_passage,
    vanilla_rag,
)
from ragtuned_kedro.answering.systems import answer_queries
from ragtuned_kedro.language_models.base_model import resolve_base_model, resolve_encoder
from ragtuned_kedro.schemas.answering_parameters import (
    AnsweringParams,
    GraphGlobalParams,
    GraphLocalParams,
    LongContextParams,
    RetrievalParams,
    VanillaRagParams,
)
from ragtuned_kedro.schemas.answering_tables import Answers, IndexCosts, Retrievals
from ragtuned_kedro.schemas.model_parameters import BaseModelParams, EncoderParams
from ragtuned_kedro.schemas.synthesis_parameters import ExampleParams

CONF = Path(__file__).parents[2] / "conf" / "base"
QUERIES = pd.DataFrame({"query_id": ["equery-a"], "text": ["Who painted the door of Tarn Mill?"]})


def block(file: str, name: str, kind: type, **changes: object):  # type: ignore[no-untyped-def]
    settings = yaml.safe_load((CONF / f"parameters_{file}.yml").read_text())
    return kind(**(settings[name] | changes))


@pytest.fixture(scope="module")
def given(village, tmp_path_factory: pytest.TempPathFactory) -> dict:  # type: ignore[no-untyped-def]
    """What the functions of all systems ask for, under the names of their arguments."""
    cache = tmp_path_factory.mktemp("models")
    base_model = block("base_model", "base_model", BaseModelParams, n_threads=1)
    embedder = block("answering", "embedder", EncoderParams)
    model = base_model.model_dump(exclude={"n_threads"})
    return {
        "base_model_folder": resolve_base_model(**model, cache=cache),
        "embedder_folder": resolve_encoder(
            **embedder.model_dump(), cache=cache, setting="embedder"
        ),
        "base_model_cache": cache,
        "index_folder": cache / "indexes",
        "base_model": base_model,
        "answering": block("answering", "answering", AnsweringParams, device="cpu"),
        "examples": block("synthesis", "examples", ExampleParams),
        "nearest_passage": block("answering", "nearest_passage", RetrievalParams),
        "vanilla_rag": block("answering", "vanilla_rag", VanillaRagParams),
        "graph_local": block("answering", "graph_local", GraphLocalParams),
        "graph_global": block("answering", "graph_global", GraphGlobalParams),
        "long_context": block("answering", "long_context", LongContextParams),
        "documents": village.documents,
        "chunks": village.chunks,
        "sentences": village.sentences,
        "entities": village.entities,
        "relationships": village.relationships,
        "entity_chunks": village.entity_chunks,
        "communities": village.communities,
        "community_members": village.members,
        "community_reports": village.reports,
        "report_findings": village.findings,
    }


def call(function, given: dict, **more: object):  # type: ignore[no-untyped-def]
    known = given | more
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return function(**{one: known[one] for one in names})


@pytest.mark.slow
@pytest.mark.parametrize("module", [vanilla_rag, graph_local, graph_global, long_context])
def test_a_system_that_retrieves_answers_from_what_it_shows(module, given, tmp_path):
    name = module.__name__.rsplit(".", 1)[-1]
    prompts = CONF / "prompts" / "answering"
    given = given | {
        "prompt": (prompts / f"{name}.md").read_text(),
        "map_prompt": (prompts / "graph_global_map.md").read_text(),
    }
    index, costs = call(getattr(module, f"index_{name}"), given)
    again, same_costs = call(getattr(module, f"index_{name}"), given)
    assert again == index
    assert same_costs.equals(IndexCosts.validate(costs))
    system = call(getattr(module, f"open_{name}"), given, index=index)
    answers, retrievals = answer_queries(
        system, QUERIES, completion_folder=tmp_path, system_prompt="", max_new_tokens=24
    )
    (answer,) = Answers.validate(answers).to_dict("records")
    assert answer["error"] is None or pd.isna(answer["error"])
    assert answer["text"]
    assert answer["n_prompt_tokens"] > 20
    assert Retrievals.validate(retrievals)["is_used"].any()


@pytest.mark.slow
def test_a_passage_is_repeated_word_for_word_at_its_own_cost(given, tmp_path):
    index, _ = call(vanilla_rag.index_vanilla_rag, given)
    system = call(nearest_passage.open_nearest_passage, given, index=index)
    answers, retrievals = answer_queries(
        system, QUERIES, completion_folder=tmp_path, system_prompt="", max_new_tokens=80
    )
    (answer,) = Answers.validate(answers).to_dict("records")
    assert "Greta painted the door of Tarn Mill red." in answer["text"].split("\n")
    used = Retrievals.validate(retrievals)[lambda rows: rows["is_used"]]
    assert set(used["unit_kind"]) == {"chunk", "sentence"}
    assert 0 < answer["n_completion_tokens"] <= given["answering"].max_new_tokens
    assert answer["n_prompt_tokens"] == 0
    assert answer["seconds"] > 0
    assert answer["peak_memory_bytes"] > 0
