"""Where the base model's tokens lie in a text."""

from collections.abc import Callable
from functools import lru_cache

TokenSpans = Callable[[str], list[tuple[int, int]]]


@lru_cache(maxsize=2)
def load_token_spans(base_model_path: str) -> TokenSpans:
    """Build a function from text to its tokens' half-open character spans, no special tokens.

    A base model's folder does not change once it is there, so its tokenizer is loaded once.
    A character that takes several tokens (a rare symbol under byte-level BPE) yields several
    overlapping spans, so the number of spans is the number of tokens.
    """
    # transformers takes seconds to import, and every command of the project imports this file.
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_model_path, local_files_only=True)

    def token_spans(text: str) -> list[tuple[int, int]]:
        encoded = tokenizer(
            text, return_offsets_mapping=True, add_special_tokens=False, verbose=False
        )
        return [(int(start), int(end)) for start, end in encoded["offset_mapping"]]

    return token_spans
