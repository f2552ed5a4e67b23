"""A base model of some 100,000 parameters that is built in a second and learns like a large one.

python -m tests.toy_model FOLDER
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] + '\n' + message['content'] }}"
    "<|im_end|>{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{{ 'assistant\n' }}{% endif %}"
)


def build_toy_model(folder: Path, *, seed: int = 0) -> Path:
    """Write a Llama of two layers with random weights and a byte-level tokenizer into `folder`.

    Every byte is a token, so that any text can be read and no tokenizer has to be trained.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    wrapped = _byte_tokenizer()
    wrapped.chat_template = CHAT_TEMPLATE
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(wrapped),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            # The head is the embedding, and frozen: from smaller vectors an adapter could not make
            # a confident prediction.
            initializer_range=0.3,
            eos_token_id=2,
            bos_token_id=1,
            pad_token_id=0,
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


def build_toy_embedder(folder: Path, *, seed: int = 0) -> Path:
    """Write a sentence-transformers model of one layer with random weights into `folder`."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertModel

    wrapped = _byte_tokenizer()
    torch.manual_seed(seed)
    bert = BertModel(_encoder_config(len(wrapped), max_position_embeddings=256))
    with tempfile.TemporaryDirectory() as bare:
        bert.save_pretrained(bare)
        wrapped.save_pretrained(bare)
        transformer = Transformer(bare, max_seq_length=256)
    pooling = Pooling(32, pooling_mode="mean")
    SentenceTransformer(modules=[transformer, pooling], device="cpu").save(str(folder))
    return folder


def build_toy_reranker(folder: Path, *, seed: int = 0) -> Path:
    """Write a cross-encoder of one layer with random weights into `folder`."""
    import torch
    from transformers import BertForSequenceClassification

    wrapped = _byte_tokenizer()
    torch.manual_seed(seed)
    config = _encoder_config(
        len(wrapped),
        max_position_embeddings=512,
        num_labels=1,
        pad_token_id=0,
        # From smaller weights all texts would get nearly the same score.
        initializer_range=0.3,
    )
    bert = BertForSequenceClassification(config)
    bert.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


def _encoder_config(vocab_size: int, **more: Any) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        **more,
    )


def _byte_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate([*special, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **dict(zip(["pad_token", "bos_token", "eos_token"], special, strict=True)),
    )


if __name__ == "__main__":
    build_toy_model(Path(sys.argv[1]))
    build_toy_embedder(Path(sys.argv[1]).with_name("toy_embedder"))
