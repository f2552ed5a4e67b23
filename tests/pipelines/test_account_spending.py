"""What an embedder behind an endpoint costs, and whose text it is sent."""

from pathlib import Path

import pandas as pd
import pytest

from ragtuned_kedro.language_models.asked import calls_table
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.embedding_endpoint import EmbeddingEndpoint
from ragtuned_kedro.pipelines.account_spending.nodes import compare, list_disclosures
from ragtuned_kedro.pipelines.score_answers.nodes import list_embedding_calls
from ragtuned_kedro.retrieval.passages import PassageIndex
from ragtuned_kedro.schemas.call_tables import CallEstimates, ModelCalls, Sendings
from ragtuned_kedro.schemas.community_tables import CommunityMembers
from ragtuned_kedro.schemas.evaluation_tables import QueryEvidence
from ragtuned_kedro.schemas.graph_tables import EntityChunks, RelationshipChunks
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.schemas.tables import frame_of
from tests.language_models.embedding_server import serve_embeddings
from tests.language_models.endpoints import Square, item_prompts, open_asker
from tests.language_models.fault_server import FaultServer
from tests.language_models.test_embedding_endpoint import open_embedder

DOCUMENTS = pd.DataFrame(
    {
        "doc_id": ["doc-1", "doc-2"],
        "source_uri": ["1.md", "2.md"],
        "title": ["The boat", "The owl"],
        "published_at": [pd.NaT, pd.Timestamp("1974-05-12", tz="UTC")],
    }
)
CHUNKS = pd.DataFrame(
    {
        "chunk_id": ["chunk-1", "chunk-2"],
        "doc_id": ["doc-1", "doc-2"],
        "position": [0, 0],
        "text": ["A boat came.", "An owl sat. It slept."],
    }
)
SENTENCES = pd.DataFrame(
    {
        "sentence_id": ["s-1", "s-2", "s-3"],
        "doc_id": ["doc-1", "doc-2", "doc-2"],
        "chunk_id": ["chunk-1", "chunk-2", "chunk-2"],
        "position": [0, 0, 1],
        "text": ["A boat came.", "An owl sat.", "It slept."],
    }
)


def disclose(embedder: EmbeddingEndpoint, path: Path) -> pd.DataFrame:
    tables = (EntityChunks, RelationshipChunks, CommunityMembers, QueryEvidence)
    sent = [one._asdict() for one in CompletionStore(path).sendings()]
    listed = list_disclosures(
        DOCUMENTS,
        CHUNKS,
        *(frame_of(table, []) for table in tables),
        SENTENCES,
        embedder,
        frame_of(Sendings, sent),
    )
    return listed.set_index("source_uri")


def test_what_an_endpoint_embeds_is_disclosed_by_document_and_the_rest_may_be_any(tmp_path):
    path = tmp_path / "store"
    with serve_embeddings() as server:
        embedder = open_embedder(server.url, path)
        PassageIndex.build(CHUNKS, SENTENCES, DOCUMENTS, embedder)
        embedder(["an answer that recites a boat"])
    listed = disclose(embedder, path)
    # Each chunk under its title, each sentence with and without it.
    assert listed["n_calls"].to_dict() == {"1.md": 1 + 2, "2.md": 1 + 4}
    assert listed["n_possible_calls"].to_dict() == {"1.md": 1, "2.md": 1}
    assert set(listed["stage"]) == {"embed"}


@pytest.mark.parametrize("judge_model", ["stub", "other"])
def test_probing_is_spent_at_a_stage_of_its_own_and_once_where_the_judge_is_the_teacher(
    tmp_path, judge_model
):
    path, none = tmp_path / "store", frame_of(ModelCalls, [])
    with FaultServer(latency=0.0) as server:
        teacher = open_asker(server.url, path, spending={"prompt_price": 1e6})
        asked = {"into": Square, "stage": "squares", "max_new_tokens": 64}
        answered = teacher.ask_all(item_prompts(3), **asked)
        judge = open_asker(server.url, path, model=judge_model)
        if judge_model != "stub":
            judge.ask_all(item_prompts(1), **asked)
    calls = calls_table(answered.calls)
    nobody = BaseModelFolder("none", "none", "none")
    spent = compare(frame_of(CallEstimates, []), judge, none, nobody, none, teacher, asked=calls)
    spent = spent.set_index("stage")
    assert spent["n_calls"].to_dict() == {"squares": 3, "probe": 1 if judge_model == "stub" else 2}
    counted = CompletionStore(path).spent("stub", server.url)
    if judge_model == "stub":
        assert counted == tuple(
            spent[["n_calls", "n_prompt_tokens", "n_completion_tokens"]].sum()
        ), "the caps count what is shown"


def test_what_an_endpoint_embedded_is_spent_at_the_embedders_own_price(tmp_path):
    path = tmp_path / "store"
    with serve_embeddings() as server:
        embedder = open_embedder(server.url, path, spending={"prompt_price": 1e6})
        embedder(["a boat", "the ferry came"])
        calls = list_embedding_calls(embedder, pd.DataFrame())
        judge = open_asker(server.url, path)
    none = frame_of(ModelCalls, [])
    spent = compare(frame_of(CallEstimates, []), judge, none, embedder, calls)
    assert spent["stage"].tolist() == ["embed"]
    assert spent["n_calls"].item() == 2
    assert spent["money"].item() == pytest.approx(5)
