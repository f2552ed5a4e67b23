"""The courier: a process that carries requests, and outlives the run that gave them to it.

A run that is killed cannot read what an endpoint has been paid for already. So the requests of a
run travel through this process: it finishes what it was given, and when the run is gone, it lays
the answers down in the run's store, where the next run finds them. It ends with its last answer.

It is started by `channel.py`; its first argument is the path of the socket on which it listens,
and its standard input ends when the run does.
"""

import asyncio
import collections
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import httpx
import openai

from ragtuned_kedro.language_models.call_file import Arrival
from ragtuned_kedro.language_models.completion_store import CompletionStore
from ragtuned_kedro.language_models.courier.carrier import Carrier
from ragtuned_kedro.language_models.courier.frames import Answer, Frame, FrameReader, Kind
from ragtuned_kedro.language_models.courier.settings import ChannelSettings, Errand
from ragtuned_kedro.language_models.courier.underway import Underway
from ragtuned_kedro.language_models.faults import Fault, classify_fault
from ragtuned_kedro.schemas.errors import UserError

_POLL_SECONDS = 0.1


class Channel(asyncio.Protocol):
    """The requests of one run to one endpoint, until the run hangs up and the last is answered.

    A run keeps an answer before it gives another request in its place, so what it was given and may
    not have kept is never more than it has at hand.
    """

    def __init__(self, living: set["Channel"]) -> None:
        self._living = living
        self._reader = FrameReader()
        self._errands: set[asyncio.Task[None]] = set()
        self._given: collections.deque[Arrival] = collections.deque(maxlen=0)
        self._client: openai.AsyncOpenAI | None = None
        self._is_cut = False
        self._underway: Underway | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the settings."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._living.add(self)

    def data_received(self, data: bytes) -> None:
        """Take what the run says."""
        for frame in self._reader.feed(data):
            if frame.kind == Kind.POST:
                errand = asyncio.create_task(self._run_errand(frame))
                self._errands.add(errand)
                errand.add_done_callback(self._errands.discard)
            elif frame.kind == Kind.OPEN:
                self._open(ChannelSettings.model_validate_json(frame.payload))
            elif frame.kind == Kind.DONE:
                self._given.clear()
                self.hang_up()
            elif frame.kind == Kind.CUT:
                self.hang_up()

    def connection_lost(self, error: Exception | None) -> None:
        """Lay down what the run may not have kept, and go on with what is under way."""
        self.hang_up()

    def hang_up(self) -> None:
        """Do this when the run has hung up or ended; its sockets may still be held open."""
        if self._is_cut:
            return
        self._is_cut = True
        self._transport.abort()
        if self._underway is None:
            for errand in self._errands:
                errand.cancel()
        self._ending = asyncio.create_task(self._end())
        self._lay_down(self._given)

    @property
    def most_seconds(self) -> float:
        """Tell after how long the last request has surely ended."""
        return self._settings.most_seconds if self._client is not None else 0.0

    def _open(self, settings: ChannelSettings) -> None:
        self._settings = settings
        self._given = collections.deque(maxlen=settings.n_at_hand)
        self._slots = asyncio.Semaphore(settings.concurrency)
        # A proxy must not carry the text elsewhere than the user allowed.
        carrier = Carrier(concurrency=settings.concurrency, trust_env=settings.trust_env)
        self._client = openai.AsyncOpenAI(
            api_key=settings.secret or "none",
            base_url=settings.url,
            max_retries=0,
            timeout=settings.call_timeout_seconds,
            http_client=carrier,
        )
        if settings.store is not None:
            self._underway = Underway(
                settings.store,
                settings.channel,
                settings.owner,
                most_seconds=settings.most_seconds,
            )
        self._transport.write(Frame(Kind.OPENED, 0, b"").pack())

    async def _run_errand(self, frame: Frame) -> None:
        errand, body = Errand.unpack(frame.payload)
        async with self._slots:
            if self._is_cut:
                return
            outcome = await self._post(errand.path, body)
        if isinstance(outcome, Fault):
            if not self._is_cut:
                told = json.dumps(asdict(outcome)).encode()
                self._transport.write(Frame(Kind.FAULT, frame.number, told).pack())
            return
        arrival = Arrival(errand.kept_as, self._settings.url, *outcome)
        if self._is_cut:
            self._lay_down([arrival])
            return
        if errand.kept_as:
            self._given.append(arrival)
        self._transport.write(Frame(Kind.ANSWER, frame.number, outcome.pack()).pack())

    async def _post(self, path: str, body: bytes) -> Answer | Fault:
        """Send one request; what went wrong is returned as it is."""
        # Whole, because the SDK takes its time to join an address.
        url = f"{self._settings.url.rstrip('/')}/{path}"
        assert self._client is not None, "the settings come first"  # noqa: S101
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._settings.call_timeout_seconds):
                response = await self._client.post(url, content=body, cast_to=httpx.Response)
        except Exception as error:
            # Whatever it was, the run waits for an answer.
            return classify_fault(error, hide=self._hide)
        return Answer(response.content, time.perf_counter() - started)

    def _hide(self, text: str) -> str:
        """Take the key out of a message: some servers send back what they were sent."""
        secret = self._settings.secret
        return text.replace(secret, "***") if secret else text

    def _lay_down(self, arrivals: Iterable[Arrival]) -> None:
        wanted = [one for one in arrivals if one.kept_as]
        if self._underway is None or not wanted:
            return
        path = self._settings.store
        if path is None or not path.exists():
            # The user has deleted it.
            return
        store = CompletionStore(path)
        # There is nobody left to tell of a disk that cannot be written.
        with contextlib.suppress(UserError, OSError):
            store.add_arrivals(wanted)
        store.close()

    async def _end(self) -> None:
        await asyncio.gather(*self._errands, return_exceptions=True)
        self._living.discard(self)
        if self._underway is not None:
            self._underway.end()
        if self._client is not None:
            await self._client.close()


class _Lifeline(asyncio.Protocol):
    """Notices that the run has ended."""

    def __init__(self) -> None:
        self.is_cut = False

    def connection_lost(self, error: Exception | None) -> None:
        """Tell."""
        self.is_cut = True


async def serve(path: Path) -> None:
    """Carry requests until the run has ended and the last of them is answered."""
    living: set[Channel] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: Channel(living), str(path))
    lifeline = _Lifeline()
    await loop.connect_read_pipe(lambda: lifeline, sys.stdin)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    # Whoever asks it to end gets the answers that still come in the time he gives it.
    loop.add_signal_handler(signal.SIGTERM, lambda: lifeline.connection_lost(None))
    # A report of an error can hold what was sent, the key with it.
    loop.set_exception_handler(_report_briefly)
    run = os.getppid()
    # A process that the run has forked may hold its end of the pipe open.
    while not lifeline.is_cut and os.getppid() == run:
        await asyncio.sleep(_POLL_SECONDS)
    server.close()
    shutil.rmtree(path.parent, ignore_errors=True)
    ends_at = time.monotonic() + max((one.most_seconds for one in living), default=0.0)
    for channel in list(living):
        channel.hang_up()
    while living and time.monotonic() < ends_at:
        await asyncio.sleep(_POLL_SECONDS)


def _report_briefly(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    sys.stderr.write(f"{type(context.get('exception')).__name__}: {context.get('message')}\n")


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
