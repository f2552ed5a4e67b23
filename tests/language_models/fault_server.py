"""An OpenAI-compatible server on loopback that fails on purpose, and logs all it did.

It answers a prompt that names `item N` with the record `{"item": N, "square": N * N}`, always the
same, unless it draws a fault. It runs in a thread of the test, so it outlives killed clients.
"""

import asyncio
import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

FAULTS = (
    "429 with Retry-After",
    "429",
    "500",
    "503",
    "hang",
    "cut stream",
    "broken envelope",
    "empty choices",
    "wrong content type",
    "truncated JSON",
    "mis-shaped JSON",
)
# What arrives whole with status 200 and still is no usable reply.
ANSWERED_FAULTS = ("truncated JSON", "mis-shaped JSON")


@dataclass
class Request:
    """One request as the server saw it; `finished` is null while it is under way."""

    item: str
    attempt_text: str
    body: dict[str, Any]
    headers: dict[str, str]
    started: float
    fault: str | None = None
    finished: float | None = None


@dataclass
class FaultServer:
    """`share` of all requests meet a fault of `faults`; others take `latency` seconds."""

    share: float = 0.0
    faults: Sequence[str] = FAULTS
    latency: float = 0.02
    seed: int = 1
    retry_after: str = "1"
    enforces_schema: bool = True
    # Values of response_format.type that are answered with `refusal`.
    refused_formats: Sequence[str] = ()
    refusal: int = 400
    answer: Callable[[dict[str, Any]], str] | None = None
    status: int | None = None
    redirect: str | None = None
    log: list[Request] = field(default_factory=list)

    def __enter__(self) -> "FaultServer":
        self._chance = random.Random(self.seed)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def asked(self) -> list[Request]:
        """List the requests about items, without probes."""
        return [one for one in self.log if one.item]

    def successes(self) -> Counter[str]:
        """Count, by item, the requests that were answered usably."""
        return Counter(
            one.item for one in self.asked() if one.finished is not None and one.fault is None
        )

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = {
                    name.lower(): value
                    for name, _, value in (
                        line.partition(": ") for line in head.split("\r\n")[1:] if line
                    )
                }
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                asked = body["messages"][-1]["content"]
                found = re.search(r"item (\d+)", asked)
                item = found[1] if found else ""
                request = Request(item, asked, body, headers, time.monotonic())
                self.log.append(request)
                await self._reply(request, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _reply(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.redirect is not None:
            return await _send(writer, 307, {}, {"Location": self.redirect})
        if self.status is not None:
            request.fault = str(self.status)
            return await _send(
                writer, self.status, {"error": {"message": request.headers["authorization"]}}
            )
        if request.body.get("response_format", {}).get("type") in self.refused_formats:
            request.fault = "refused format"
            told = {"error": {"message": "response_format is not supported"}}
            return await _send(writer, self.refusal, told)
        fault = self._chance.choice(self.faults) if self._chance.random() < self.share else None
        request.fault = fault
        if fault in {"429", "429 with Retry-After"}:
            wait = {"Retry-After": self.retry_after} if fault != "429" else {}
            return await _send(writer, 429, {"error": {"message": "slow down"}}, wait)
        if fault in {"500", "503"}:
            return await _send(writer, int(fault), {"error": {"message": "broken"}})
        if fault == "hang":
            await asyncio.sleep(3600)
        await asyncio.sleep(self.latency)
        text, reason = self._text(request, fault), "stop"
        if self.answer is not None and text.startswith("{") and not text.endswith("}"):
            reason = "length"
        if fault == "truncated JSON":
            text, reason = text[: len(text) // 2], "length"
        answer: dict[str, Any] = {
            "id": "x",
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": reason,
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": {"prompt_tokens": len(request.attempt_text.split()), "completion_tokens": 8},
        }
        if fault == "empty choices":
            answer["choices"] = []
        if fault == "wrong content type":
            return await _send(writer, 200, b"<html>gateway</html>", {"Content-Type": "text/html"})
        if fault == "broken envelope":
            return await _send(writer, 200, json.dumps(answer).encode()[:-9])
        if fault == "cut stream":
            content = json.dumps(answer).encode()
            writer.write(_head(200, len(content) + 50, {}) + content)
            writer.close()
            return None
        if reader.at_eof():
            request.fault = "nobody there"
            return None
        await _send(writer, 200, answer)
        request.finished = time.monotonic()
        return None

    def _text(self, request: Request, fault: str | None) -> str:
        if self.answer is not None and fault is None:
            return self.answer(request.body)
        wanted = request.body.get("response_format", {})
        if not request.item:
            schema = wanted.get("json_schema", {}).get("schema", {})
            token = schema.get("properties", {}).get("token", {}).get("const")
            if wanted and self.enforces_schema:
                return json.dumps({"token": token})
            return "Hello to you."
        if fault == "mis-shaped JSON":
            return json.dumps({"item": "none", "squares": []})
        n = int(request.item)
        return json.dumps({"item": n, "square": n * n})


def _head(status: int, length: int, headers: dict[str, str]) -> bytes:
    named = {"Content-Type": "application/json", "Content-Length": str(length)} | headers
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: dict[str, Any] | bytes,
    headers: dict[str, str] | None = None,
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    writer.write(_head(status, len(content), headers or {}) + content)
    await writer.drain()
