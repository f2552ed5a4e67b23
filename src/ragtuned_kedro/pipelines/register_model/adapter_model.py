"""The registered model: MLflow runs this file, with the adapter and the settings beside it.

    mlflow.pyfunc.load_model("models:/<name>@champion").predict(["Who mended the clock?"])

`model_config={"base_model_path": ...}` at load names another folder of the same base model.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel

from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import BaseModelFolder, Message, Prompt

# MLflow would read a type hint on predict as the signature and then drop `params`; it says so
# whenever a class without one is defined.
warnings.filterwarnings("ignore", message=".*Add type hints to the `predict`")


class AdapterModel(PythonModel):
    """Answers questions from memory, as the answering pipeline does."""

    def load_context(self, context: Any) -> None:
        """Load the base model and put the adapter onto it.

        Raises:
            UserError: If the base model's folder is missing.
        """
        # torch takes seconds; logging this model must not pay for it.
        from ragtuned_kedro.language_models.recall import Recall
        from ragtuned_kedro.language_models.transformers_local import load_local_model

        config = context.model_config
        folder = Path(config["base_model_path"])
        if not folder.is_dir():
            raise UserError(
                f"the base model {config['base_model_source']} is not in {folder}; load this model "
                "with model_config={'base_model_path': <its folder>}"
            )
        self._system_prompt: str = config["system_prompt"]
        self._max_new_tokens: int = config["max_new_tokens"]
        self._model = load_local_model(
            BaseModelFolder(str(folder), config["base_model_id"], config["base_model_revision"]),
            adapter=Path(context.artifacts["adapter"]),
            batch_size=config["batch_size"],
            device=config["device"],
            n_threads=config["n_threads"],
            recall=Recall.of(**config["recall"]),
        )

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def] # noqa: ANN
        """Answer each question; `params` may hold `max_new_tokens`."""
        prompts = [
            Prompt(str(place), self._messages(question))
            for place, question in enumerate(_questions(model_input))
        ]
        limit = (params or {}).get("max_new_tokens", self._max_new_tokens)
        completions = self._model.complete(prompts, max_new_tokens=limit)
        failed = [one for one in completions if one.error is not None]
        if failed:
            raise RuntimeError(f"{len(failed)} answers failed; the first: {failed[0].error}")
        return [one.text for one in completions]

    def _messages(self, question: str) -> tuple[Message, ...]:
        asked = Message(role="user", content=question)
        if not self._system_prompt:
            return (asked,)
        return (Message(role="system", content=self._system_prompt), asked)


def _questions(model_input: str | Sequence[str] | pd.DataFrame) -> list[str]:
    """Accept one question, several, or the frame that MLflow makes of them."""
    if isinstance(model_input, str):
        return [model_input]
    if isinstance(model_input, pd.DataFrame):
        return [str(one) for one in model_input.iloc[:, 0]]
    return [str(one) for one in model_input]


mlflow.models.set_model(AdapterModel())
