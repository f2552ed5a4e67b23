"""The long-context baseline: as much of the corpus as the window holds, in order, then the query.

The corpus stands before every question, so the model reads it once and keeps its keys and values
(cache-augmented generation, Chan et al., arXiv 2412.15605); that is the index of this system.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ragtuned_kedro.answering.evidence import Evidence, Unit, take_fitting
from ragtuned_kedro.answering.index_folder import Indexed, keep_index
from ragtuned_kedro.answering.reader import Reader, choose_model
from ragtuned_kedro.answering.systems import Query, System, build_prompt, fill_template
from ragtuned_kedro.language_models.boundary import LanguageModel
from ragtuned_kedro.retrieval.passages import head_line, in_order
from ragtuned_kedro.schemas.answering_parameters import AnsweringParams, LongContextParams
from ragtuned_kedro.schemas.model_parameters import BaseModelParams
from ragtuned_kedro.schemas.records import BaseModelFolder
from ragtuned_kedro.schemas.synthesis_parameters import ExampleParams

_PREFIX_FILE = "prefix.safetensors"
# Kept free for a question; a longer one is an error row.
_QUESTION_TOKENS = 128
# Two questions that share no letter: prompts with them part where a question begins.
_PROBES = ("7", "A")


def index_long_context(
    documents: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    base_model_cache: Path,
    index_folder: Path,
    prompt: str,
    base_model: BaseModelParams,
    answering: AnsweringParams,
    examples: ExampleParams,
    long_context: LongContextParams,
) -> tuple[Path, pd.DataFrame]:
    """Let the model read the corpus: the folder with its keys and values, and IndexCosts."""
    from ragtuned_kedro.language_models.prefix_model import PrefixModel

    folder = choose_model(base_model_folder, long_context.model, base_model_cache)
    text, units = fit_corpus(documents, Reader(folder), prompt, answering, long_context)
    prompts = [
        build_prompt(
            probe,
            fill_template(prompt, evidence=text, question=probe),
            system_prompt=examples.system_prompt,
        )
        for probe in _PROBES
    ]
    model = PrefixModel(
        folder, None, batch_size=1, device=answering.device, n_threads=base_model.n_threads
    )

    def build(unfinished: Path) -> list[Indexed]:
        n_tokens = model.read(prompts, unfinished / _PREFIX_FILE)
        return [Indexed("document", sum(unit.is_used for unit in units), n_tokens)]

    asked = [message.content for message in prompts[0].messages]
    return keep_index(index_folder, ["prefix", model.model_id, asked], build)


def open_long_context(
    documents: pd.DataFrame,
    base_model_folder: BaseModelFolder,
    base_model_cache: Path,
    index: Path,
    prompt: str,
    base_model: BaseModelParams,
    answering: AnsweringParams,
    long_context: LongContextParams,
) -> System:
    """Let the base model answer with the corpus before it."""
    from ragtuned_kedro.language_models.prefix_model import PrefixModel

    folder = choose_model(base_model_folder, long_context.model, base_model_cache)
    model = PrefixModel(
        folder,
        index / _PREFIX_FILE,
        batch_size=long_context.batch_size,
        device=answering.device,
        n_threads=base_model.n_threads,
    )
    text, units = fit_corpus(documents, Reader(folder), prompt, answering, long_context)

    def gather(queries: Sequence[Query], _: LanguageModel) -> list[Evidence]:
        return [Evidence(query.query_id, text, units) for query in queries]

    return System("long_context", model, prompt, gather)


def fit_corpus(
    documents: pd.DataFrame,
    reader: Reader,
    prompt: str,
    answering: AnsweringParams,
    long_context: LongContextParams,
) -> tuple[str, tuple[Unit, ...]]:
    """Take documents, by date, until the window is full; the first that does not fit ends it."""
    room = reader.room(prompt, [], max_new_tokens=answering.max_new_tokens) - _QUESTION_TOKENS
    if long_context.max_tokens is not None:
        room = min(room, long_context.max_tokens)
    rows = in_order(documents).to_dict("records")
    texts = [f"{head_line(row['title'], row['published_at'])}\n{row['text']}" for row in rows]
    # Two tokens more for the empty line between two documents.
    sizes = [reader.count_tokens(text) + 2 for text in texts]
    fits = take_fitting(sizes, room=room)
    units = tuple(
        Unit("document", row["doc_id"], None, size, fit)
        for row, size, fit in zip(rows, sizes, fits, strict=True)
    )
    return "\n\n".join(text for text, fit in zip(texts, fits, strict=True) if fit), units
