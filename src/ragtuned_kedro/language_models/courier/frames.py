"""What travels between a run and its courier: numbered frames over a socket of this machine."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

# Length of the payload in bytes, number of the request, kind.
_HEAD = struct.Struct(">IIB")
_SECONDS = struct.Struct(">d")


class Kind(IntEnum):
    """What a frame is: the first four come from the run, the others from the courier.

    A run that hangs up says so: closing a socket is not noticed while a forked process holds it.
    """

    OPEN = 0
    POST = 1
    DONE = 2
    CUT = 3
    OPENED = 4
    ANSWER = 5
    FAULT = 6


class Frame(NamedTuple):
    """One frame; `number` tells which request it belongs to."""

    kind: Kind
    number: int
    payload: bytes

    def pack(self) -> bytes:
        """Write it as it travels."""
        return _HEAD.pack(len(self.payload), self.number, self.kind) + self.payload


class FrameReader:
    """Puts together what arrives in pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take the next piece and yield the frames that are whole now."""
        self._held += data
        start = 0
        while len(self._held) - start >= _HEAD.size:
            length, number, kind = _HEAD.unpack_from(self._held, start)
            end = start + _HEAD.size + length
            if len(self._held) < end:
                break
            yield Frame(Kind(kind), number, bytes(self._held[start + _HEAD.size : end]))
            start = end
        del self._held[:start]


class Answer(NamedTuple):
    """What an endpoint answered, and the seconds it took."""

    content: bytes
    seconds: float

    def pack(self) -> bytes:
        """Write it as the payload of a frame."""
        return _SECONDS.pack(self.seconds) + self.content

    @staticmethod
    def unpack(payload: bytes) -> "Answer":
        """Read it again."""
        return Answer(payload[_SECONDS.size :], *_SECONDS.unpack_from(payload))
