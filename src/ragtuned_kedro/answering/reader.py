"""The model that reads evidence: its tokens, its window, and how much evidence goes into it."""

from collections.abc import Sequence
from pathlib import Path

from ragtuned_kedro.language_models.base_model import resolve_base_model
from ragtuned_kedro.language_models.boundary import LanguageModel
from ragtuned_kedro.language_models.token_spans import load_token_spans
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams
from ragtuned_kedro.schemas.model_parameters import BaseModelParams, OtherModelParams
from ragtuned_kedro.schemas.records import BaseModelFolder

# What a chat template writes around one message, with room to spare.
_TEMPLATE_TOKENS = 48


def open_model(
    folder: BaseModelFolder, base_model: BaseModelParams, answering: AnsweringParams
) -> LanguageModel:
    """Open a model without an adapter, to answer as the settings of all systems say."""
    from ragtuned_kedro.language_models.transformers_local import load_local_model

    return load_local_model(
        folder,
        adapter=None,
        batch_size=answering.batch_size,
        device=answering.device,
        n_threads=base_model.n_threads,
    )


class Reader:
    """Counts tokens as a model does and knows the length of its context."""

    def __init__(self, folder: BaseModelFolder) -> None:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(folder.path, local_files_only=True)
        self.window = int(config.get_text_config().max_position_embeddings)
        self._spans = load_token_spans(folder.path)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, without special ones."""
        return len(self._spans(text))

    def cut(self, text: str, n_tokens: int) -> str:
        """Keep the first `n_tokens` tokens of a text."""
        spans = self._spans(text)[: max(0, n_tokens)]
        return text[: spans[-1][1]] if spans else ""

    def room(self, template: str, questions: Sequence[str], *, max_new_tokens: int) -> int:
        """Tell how many tokens of evidence fit beside the longest question and the answer."""
        longest = max((self.count_tokens(question) for question in questions), default=0)
        taken = self.count_tokens(template) + longest + max_new_tokens + _TEMPLATE_TOKENS
        return max(0, self.window - taken)


def choose_model(
    base_model_folder: BaseModelFolder, other: OtherModelParams | None, cache: Path
) -> BaseModelFolder:
    """Give a system the base model, or the `other` model that its settings name.

    Raises:
        UserError: If the other model cannot be had.
    """
    if other is None:
        return base_model_folder
    return resolve_base_model(
        other.source,
        revision=other.revision,
        sha256=other.sha256,
        chat_template=other.chat_template,
        cache=cache,
    )
