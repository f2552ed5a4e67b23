"""Vanilla RAG with a cross-encoder: one with random weights has opinions of its own."""

from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ragtuned_kedro.answering.systems import Query, System
from ragtuned_kedro.answering.vanilla_rag import index_vanilla_rag, open_vanilla_rag
from ragtuned_kedro.language_models.base_model import resolve_encoder
from ragtuned_kedro.retrieval.passages import title_chunks
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, VanillaRagParams
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from tests.toy_model import build_toy_embedder, build_toy_reranker

CONF = Path(__file__).parents[2] / "conf" / "base"
QUESTION = "Who painted the door of Tarn Mill?"


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_toy_reranker(tmp_path_factory.mktemp("reranker") / "model")


@pytest.fixture
def rag(village, toy_model, tmp_path):  # type: ignore[no-untyped-def]
    """Open vanilla RAG with some reranker and whole chunks."""
    settings = yaml.safe_load((CONF / "parameters_answering.yml").read_text())
    answering = AnsweringParams(**(settings["answering"] | {"device": "cpu"}))
    embedder = resolve_encoder(
        str(build_toy_embedder(tmp_path / "embedder")),
        **{"revision": None, "sha256": None, "cache": tmp_path, "setting": "embedder"},
    )
    index, _ = index_vanilla_rag(
        village.chunks,
        village.sentences,
        village.documents,
        embedder,
        tmp_path / "indexes",
        answering,
    )
    base_model = yaml.safe_load((CONF / "parameters_base_model.yml").read_text())["base_model"]

    def open_with(source: Path | None, **changes: object) -> System:
        reranker = source and {"source": str(source), "revision": None, "sha256": None}
        chosen = {"n_sentences": None, "n_fetched": 10, "min_likeness": -1.0} | changes
        return open_vanilla_rag(
            toy_model,
            embedder,
            tmp_path,
            index,
            "{evidence}\n\n{question}",
            BaseModelParams(**base_model),
            answering,
            VanillaRagParams(**(settings["vanilla_rag"] | chosen | {"reranker": reranker})),
        )

    return open_with


def fetched(system: System) -> tuple[pd.DataFrame, str]:
    """List what was fetched, in order, and the text that is shown."""
    assert system.gather is not None
    (evidence,) = system.gather([Query("equery-a", QUESTION)], system.model)
    return pd.DataFrame(evidence.rows("vanilla_rag")), evidence.text


def scores(folder: Path, texts: list[str]) -> list[float]:
    """Score each text by the weights themselves, one pair at a time."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return [
            float(model(**tokenizer(QUESTION, text, return_tensors="pt")).logits) for text in texts
        ]


def test_what_is_shown_follows_the_scores_of_a_cross_encoder(rag, reranker, village):
    texts = dict(title_chunks(village.chunks, village.documents))
    scored = dict(zip(texts, scores(reranker, list(texts.values())), strict=True))
    expected = sorted(texts, key=lambda one: -scored[one])
    plain, _ = fetched(rag(None))
    reranked, shown = fetched(rag(reranker, n_chunks=2, evidence_tokens=1000))
    assert reranked["unit_id"].tolist() == expected != plain["unit_id"].tolist()
    assert reranked["is_used"].tolist() == [True, True, *[False] * (len(texts) - 2)]
    # The best stands last, next to the question.
    assert shown == f"{texts[expected[1]]}\n{texts[expected[0]]}"


def test_a_missing_cross_encoder_is_one_clear_error(rag, tmp_path):
    system = rag(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"reranker\.source is .*nowhere, and there is no such"):
        fetched(system)
