"""`transformers serve` on loopback, in a process of its own, with a model that says whole replies.

It takes `response_format` and ignores it, with 200: nothing makes its replies fit a schema.
"""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.toy_model import build_toy_model

_START_SECONDS = 240
_SERVE = "import sys; from transformers.cli.transformers import main; sys.exit(main())"


def build_saying_model(folder: Path, replies: Sequence[str]) -> Path:
    """Write the toy model with each of `replies` as one token; it says one of them and ends.

    Which one is up to its random weights and the prompt.
    """
    from transformers import AddedToken, AutoTokenizer, LlamaForCausalLM

    build_toy_model(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([AddedToken(one, normalized=False, special=False) for one in replies])
    model = LlamaForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    said = [tokenizer.convert_tokens_to_ids(one) for one in replies]
    end = model.config.eos_token_id
    model.generation_config.sequence_bias = [
        *([[one], 1e3] for one in said),
        *([[one, end], 1e4] for one in said),
    ]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@contextmanager
def transformers_server(folder: Path) -> Iterator[str]:
    """Serve a folder; yield the base URL. The server knows the model by the folder's path."""
    port = _free_port()
    command = [sys.executable, "-c", _SERVE, "serve", str(folder), "--device", "cpu"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.communicate()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen) -> None:
    gives_up_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < gives_up_at:
        if process.poll() is not None:
            told = process.stderr.read().decode() if process.stderr else ""
            raise AssertionError(f"the server ended: {told[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no answer from {url} in {_START_SECONDS} s")
