"""An endpoint on loopback that embeds: a text's vector says how many of each vowel it holds."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VOWELS = "aeiou"


class EmbeddingServer(ThreadingHTTPServer):
    """`statuses` are given to the first requests instead of vectors; `log` holds all bodies."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = statuses
        self.log: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.drops_last = False
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def texts(self) -> list[str]:
        return [text for body in self.log for text in body["input"]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EmbeddingServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert self.path == "/v1/embeddings"
        if self.server.statuses:
            return self._send(self.server.statuses.pop(0), {"error": {"message": "not now"}})
        self.server.log.append(body)
        self.server.keys.append(self.headers["authorization"])
        data = [
            {"index": place, "embedding": [float(text.count(vowel)) for vowel in VOWELS]}
            for place, text in enumerate(body["input"])
        ]
        # Servers may answer in any order; `index` says which is which.
        data = data[::-1][: len(data) - self.server.drops_last]
        n_tokens = sum(len(text.split()) for text in body["input"])
        return self._send(200, {"data": data, "usage": {"prompt_tokens": n_tokens}})

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_embeddings(*statuses: int) -> Iterator[EmbeddingServer]:
    with EmbeddingServer(list(statuses)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
