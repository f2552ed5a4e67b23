from pathlib import Path
from typing import Any

import pandas as pd

from ragtuned_kedro.evaluation.promotion import local_recall
from ragtuned_kedro.language_models.adapter_folder import read_adapter_card
from ragtuned_kedro.pipelines.register_model.registry import Scored, register_adapter
from ragtuned_kedro.pipelines.systems import BASELINE, CANDIDATE
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, RecallParams
from ragtuned_kedro.schemas.evaluation_parameters import RegistryParams
from ragtuned_kedro.schemas.ids import fingerprint
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.schemas.synthesis_parameters import ExampleParams


def register_model(
    adapter: Path,
    base_model_folder: BaseModelFolder,
    metrics: pd.DataFrame,
    evaluation_queries: pd.DataFrame,
    registry: RegistryParams,
    base_model: BaseModelParams,
    answering: AnsweringParams,
    rag_tuned: RecallParams,
    examples: ExampleParams,
) -> dict[str, Any]:
    """Register the adapter with how it is asked and how it fared."""
    local = evaluation_queries[evaluation_queries["scope"] == "local"]
    return register_adapter(
        model_name=registry.model_name,
        adapter_folder=adapter,
        card=read_adapter_card(adapter),
        model_config={
            "base_model_source": base_model.source,
            "base_model_path": str(Path(base_model_folder.path).resolve()),
            "base_model_id": base_model_folder.model_id,
            "base_model_revision": base_model_folder.revision,
            "system_prompt": examples.system_prompt,
            "max_new_tokens": answering.max_new_tokens,
            "batch_size": answering.batch_size,
            "recall": rag_tuned.model_dump() | {"abstention": answering.abstention},
            "device": answering.device,
            "n_threads": base_model.n_threads,
        },
        scored=Scored(
            local_recall(metrics, CANDIDATE),
            local_recall(metrics, BASELINE),
            fingerprint(sorted(local["query_id"])),
        ),
        min_gain=registry.min_gain,
    )
