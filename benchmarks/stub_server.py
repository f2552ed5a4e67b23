"""A chat endpoint that answers every request after 50 ms, as cheaply as Python can.

python benchmarks/stub_server.py PORT
"""

import asyncio
import json
import sys

_ANSWER = {
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": '{"item": 1, "square": 1}'},
        }
    ],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10},
}
_BODY = json.dumps(_ANSWER).encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_REPLY = _HEAD % len(_BODY) + _BODY
LATENCY_SECONDS = 0.05


class Stub(asyncio.Protocol):
    """Reads requests off one connection and answers each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = transport
        self._read = b""

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(self._read) < end + 4 + length:
                return
            self._read = self._read[end + 4 + length :]
            loop = asyncio.get_running_loop()
            loop.call_later(LATENCY_SECONDS, self._transport.write, _REPLY)


async def serve(port: int) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
