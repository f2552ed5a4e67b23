from pathlib import Path

import pandas as pd

from ragtuned_kedro.language_models.weights import Quantization
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.records import BaseModelFolder, TrainingExample
from ragtuned_kedro.schemas.synthesis_parameters import ExampleParams
from ragtuned_kedro.schemas.tuning_parameters import (
    LoraParams,
    OptimizationParams,
    QuantizationParams,
)

History = dict[str, list[dict[str, float]]]


def tune_to_read(
    reading_questions: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    tuning_workspace: Path,
    base_model: BaseModelParams,
    reader_lora: LoraParams,
    reader_optimization: OptimizationParams,
) -> tuple[Path, pd.DataFrame]:
    """Tune the reader's adapter, or find it finished."""
    # torch takes seconds to import, and every command of the project imports this file.
    from ragtuned_kedro.tuning.adapter import LoraShape
    from ragtuned_kedro.tuning.reader import tune_reader
    from ragtuned_kedro.tuning.train import Schedule

    return tune_reader(
        reading_questions,
        base_model_folder,
        workspace=tuning_workspace,
        lora=LoraShape(**reader_lora.model_dump()),
        schedule=Schedule(**reader_optimization.model_dump(exclude={"device"})),
        device=reader_optimization.device,
        n_threads=base_model.n_threads,
    )


def tune(
    training_examples: pd.DataFrame,
    reader: Path,
    base_model_folder: BaseModelFolder,
    tuning_workspace: Path,
    base_model: BaseModelParams,
    quantization: QuantizationParams,
    lora: LoraParams,
    optimization: OptimizationParams,
    examples: ExampleParams,
) -> tuple[Path, pd.DataFrame]:
    """Tune the adapter that remembers, or find it finished, and lay the reader beside it."""
    from ragtuned_kedro.tuning.adapter import LoraShape
    from ragtuned_kedro.tuning.reader import add_reader
    from ragtuned_kedro.tuning.train import Schedule
    from ragtuned_kedro.tuning.tune import tune_adapter

    rows = training_examples.to_dict("records")
    adapter, log = tune_adapter(
        [TrainingExample.model_validate(example) for example in rows],
        base_model_folder,
        workspace=tuning_workspace,
        quantization=Quantization(**quantization.model_dump()),
        lora=LoraShape(**lora.model_dump()),
        schedule=Schedule(**optimization.model_dump(exclude={"device"})),
        opening_tokens=examples.opening_tokens,
        device=optimization.device,
        n_threads=base_model.n_threads,
    )
    return add_reader(adapter, reader), log


def list_training_metrics(training_log: pd.DataFrame) -> History:
    """Turn the log into MLflow's form: a list of steps and values per metric."""
    columns = {"train": ["loss", "learning_rate", "grad_norm"], "validation": ["loss"]}
    return {
        f"{split}.{column}": [
            {"step": int(step), "value": float(value)}
            for step, value in zip(rows["step"], rows[column], strict=True)
        ]
        for split, rows in training_log.groupby("split")
        for column in columns[str(split)]
    }
