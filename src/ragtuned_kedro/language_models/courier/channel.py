"""A run's end of the way to an endpoint: requests go to the courier, answers come back."""

import asyncio
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from ragtuned_kedro.language_models.call_file import KeptAs
from ragtuned_kedro.language_models.courier.frames import Answer, Frame, FrameReader, Kind
from ragtuned_kedro.language_models.courier.settings import ChannelSettings, Errand
from ragtuned_kedro.language_models.courier.underway import this_process, wait_for_ended_runs
from ragtuned_kedro.language_models.faults import Fault
from ragtuned_kedro.schemas.errors import UserError

_open_here: set[str] = set()
_N_TRIES = 4
_PAUSE_SECONDS = 0.1
_WATCH_SECONDS = 1.0
# Importing the SDK takes a second, on a busy machine many.
_START_SECONDS = 60.0
# Linux allows 107, macOS 103.
_MAX_SOCKET_BYTES = 100


class Channel:
    """One endpoint, in one event loop; a courier that has died is replaced."""

    def __init__(self, settings: ChannelSettings) -> None:
        self._settings = settings
        self._line: _Line | None = None
        self._dialling = asyncio.Lock()

    async def post(self, path: str, body: bytes, kept_as: KeptAs) -> Answer | Fault:
        """Send one request; what went wrong is returned as it is."""
        line = self._line
        if line is None or line.is_cut:
            line = await self._dial()
        try:
            return await line.post(Errand(path, kept_as).pack(body))
        except ConnectionError as error:
            return Fault("passing", f"{type(error).__name__}: {error}")

    async def _dial(self) -> "_Line":
        async with self._dialling:
            if self._line is None or self._line.is_cut:
                self._line = await _connect(self._settings)
        return self._line

    def finish(self) -> None:
        """Hang up; all answers are kept."""
        if self._line is not None:
            self._line.finish()

    def cut(self) -> None:
        """Hang up; what was not kept is kept by the courier."""
        if self._line is not None:
            self._line.cut()


@asynccontextmanager
async def open_channel(
    *,
    url: str,
    api_key: SecretStr | None,
    concurrency: int,
    n_at_hand: int,
    call_timeout_seconds: float,
    trust_env: bool,
    store: Path | None,
) -> AsyncIterator[Channel]:
    """Hold a channel; answers to what is under way when this ends by an error go into `store`.

    What an ended run left under way for that store is waited for before.

    Raises:
        UserError: If the courier does not start.
    """
    store = None if store is None else store.resolve()
    if store is not None:
        await wait_for_ended_runs(store, mine=_open_here)
    settings = ChannelSettings(
        channel=uuid.uuid4().hex,
        owner=this_process(),
        url=url,
        api_key=api_key,
        concurrency=concurrency,
        n_at_hand=n_at_hand,
        call_timeout_seconds=call_timeout_seconds,
        trust_env=trust_env,
        store=store,
    )
    channel = Channel(settings)
    _open_here.add(settings.channel)
    try:
        yield channel
    except BaseException:
        channel.cut()
        raise
    else:
        channel.finish()
    finally:
        _open_here.discard(settings.channel)


class _Line(asyncio.Protocol):
    """A connection to the courier; one that does not answer in time is killed."""

    def __init__(self, courier: "_Courier", most_seconds: float) -> None:
        self._courier = courier
        self._most_seconds = most_seconds
        self._reader = FrameReader()
        # By number, so the one that has waited longest is the first.
        self._waiting: dict[int, tuple[float, asyncio.Future[Answer | Fault]]] = {}
        self._n_sent = 0
        self.is_cut = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._watch()

    def _watch(self) -> None:
        """Look once a second, since a time-out for each call would cost more than the call."""
        loop = asyncio.get_running_loop()
        sent_at, _ = next(iter(self._waiting.values()), (loop.time(), None))
        if loop.time() - sent_at > self._most_seconds:
            # The courier has a time-out for each call, so it has been stopped.
            self._courier.kill()
            self._transport.abort()
        elif not self._transport.is_closing():
            loop.call_later(_WATCH_SECONDS, self._watch)

    def data_received(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            if frame.kind == Kind.OPENED:
                self.opened.set_result(None)
                continue
            # Whoever was cancelled waits no more.
            _, asked = self._waiting.pop(frame.number)
            if asked.done():
                continue
            if frame.kind == Kind.ANSWER:
                asked.set_result(Answer.unpack(frame.payload))
            else:
                asked.set_result(Fault(**json.loads(frame.payload)))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_cut = True
        waiting: list[asyncio.Future] = [
            self.opened,
            *(asked for _, asked in self._waiting.values()),
        ]
        for asked in waiting:
            if not asked.done():
                asked.set_exception(ConnectionResetError("the process that carries calls ended"))
                # Whoever waited may have been cancelled; then nobody else looks at it.
                asked.exception()
        self._waiting.clear()

    def send(self, frame: Frame) -> None:
        self._transport.write(frame.pack())

    async def post(self, payload: bytes) -> Answer | Fault:
        if self.is_cut:
            raise ConnectionResetError("the process that carries calls ended")
        self._n_sent += 1
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[Answer | Fault] = loop.create_future()
        self._waiting[self._n_sent] = loop.time(), asked
        self.send(Frame(Kind.POST, self._n_sent, payload))
        return await asked

    def finish(self) -> None:
        self.send(Frame(Kind.DONE, 0, b""))
        self._transport.close()

    def cut(self) -> None:
        self.send(Frame(Kind.CUT, 0, b""))
        self._transport.close()


async def _connect(settings: ChannelSettings) -> _Line:
    """Connect to the courier; one that is just dying may still take a connection."""
    last: OSError | None = None
    for n_try in range(_N_TRIES):
        courier = await asyncio.to_thread(_courier_of_this_process)
        try:
            async with asyncio.timeout(_START_SECONDS):
                _, line = await asyncio.get_running_loop().create_unix_connection(
                    partial(_Line, courier, settings.most_seconds), str(courier.path)
                )
                line.send(Frame(Kind.OPEN, 0, settings.model_dump_json().encode()))
                await line.opened
        except TimeoutError as error:
            last = error
            courier.kill()
        except OSError as error:
            last = error
            await asyncio.sleep(_PAUSE_SECONDS * (n_try + 1))
        else:
            return line
    raise UserError(f"the process that carries calls cannot be reached: {last!r}")


class _Courier:
    """The courier as its run sees it."""

    def __init__(self) -> None:
        folder = _make_folder()
        self.path = folder / "socket"
        self._owner = os.getpid()
        # Its errors go into a file: it may outlive a run whose terminal or pipe waits to be closed.
        errors = folder / "errors"
        with errors.open("w") as told:
            # A session of its own: what ends a run from its terminal must not end its courier.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "ragtuned_kedro.language_models.courier.process", self.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
                start_new_session=True,
            )
        if not self._starts():
            reason = (errors.read_text(errors="replace").strip().splitlines() or ["no reason"])[-1]
            self.kill()
            raise UserError(f"the process that carries calls to endpoints did not start: {reason}")

    @property
    def is_mine(self) -> bool:
        """Tell whether it serves, and was started by this process and not by one that forked."""
        lives = self._owner == os.getpid() and self._process.poll() is None
        return lives and self.path.exists()

    def kill(self) -> None:
        """End it at once; its socket goes with it."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def bury(self) -> None:
        """Remove the socket of one that died."""
        if self._owner == os.getpid() and self._process.poll() is not None:
            shutil.rmtree(self.path.parent, ignore_errors=True)

    def _starts(self) -> bool:
        """Wait for its first word, whatever else a start of Python prints here."""
        assert self._process.stdout is not None  # noqa: S101
        out, said, deadline = self._process.stdout.fileno(), b"", time.monotonic() + _START_SECONDS
        while b"listening\n" not in said:
            ready, _, _ = select.select([out], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(out, 4096) if ready else b""
            if not piece:
                return False
            said += piece
        return True


def _make_folder() -> Path:
    """Make a folder that is this user's alone, with a path as short as a socket's has to be."""
    folder = Path(tempfile.mkdtemp(prefix="ragtuned-courier-"))
    if len(str(folder / "socket").encode()) <= _MAX_SOCKET_BYTES:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="ragtuned-courier-", dir="/tmp"))


_starting = threading.Lock()
_couriers: dict[tuple, _Courier] = {}


def _courier_of_this_process() -> _Courier:
    """Give the courier, started when first needed, again where it died, one for each environment.

    Proxies and certificates are those of the environment in which it was started.
    """
    environment = tuple(
        sorted(
            (name, value)
            for name, value in os.environ.items()
            if name.lower().endswith("_proxy") or name.startswith("SSL_CERT_")
        )
    )
    with _starting:
        courier = _couriers.get(environment)
        if courier is None or not courier.is_mine:
            if courier is not None:
                courier.bury()
            courier = _couriers[environment] = _Courier()
        return courier
