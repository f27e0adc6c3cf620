"""The `simulated` transport: hosts that follow a script, in memory. For tests, and for scale without hosts.

Every wait is on the running loop's clock, so that a loop with a clock of its own makes a run exact and instant.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gigactl.errors import ConnectionLost, HostError
from gigactl.transport.base import Become, Blob, Connection, Deadline, Endpoint, Exec, Exit, Stream
from gigactl.transport.supervised import SupervisedProcess
from gigactl.transport.waiting import until

_PIECE = 32 << 10


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command does: waits `after_s`, writes, ends. `repeat`: writes stdout so often (a flood). `cut`: the
    connection is lost after the output. `hang`: it never ends. `stdin_echoed`: its output is what it was given."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit: Exit = field(default_factory=lambda: Exit(0))
    after_s: float = 0.0
    repeat: int = 1
    cut: bool = False
    hang: bool = False
    stdin_echoed: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """How one host behaves. `refusals`: what the first connections fail with, one each; `refuse_all`: every one after
    them. `answer` maps a command to its reply."""

    connect_s: float = 0.0
    refusals: tuple[HostError, ...] = ()
    refuse_all: HostError | None = None
    answer: Callable[[Exec], Reply] = lambda exec: Reply()


@dataclass(frozen=True, slots=True)
class Received:
    """One command a host was given."""

    host: str
    argv: tuple[str, ...]
    stdin: bytes
    become: Become | None


class SimulatedTransport:
    """Reaches scripted hosts. `received`: every command, in order; `files`: what was put; `connected`: now open.

    A host without a script of its own follows `otherwise`. `keep` False: nothing is remembered, for large runs.
    """

    def __init__(
        self, scripts: Mapping[str, Script] | None = None, otherwise: Script | None = None, *, keep: bool = True
    ) -> None:
        self._keep = keep
        self._scripts = scripts or {}
        self._otherwise = otherwise or Script()
        self._tries: dict[str, int] = {}
        self.received: list[Received] = []
        self.files: dict[tuple[str, str], tuple[Blob, int]] = {}
        self.connected = 0
        self.most_connected = 0

    @asynccontextmanager
    async def connect(self, endpoint: Endpoint, deadline: Deadline) -> AsyncIterator[Connection]:
        script = self._scripts.get(endpoint.name, self._otherwise)
        self.connected += 1
        self.most_connected = max(self.most_connected, self.connected)
        try:
            await until(deadline, asyncio.sleep(script.connect_s), f"connecting to {endpoint.name}")
            self._refuse(endpoint.name, script)
            yield _SimulatedConnection(self, endpoint.name, script)
        finally:
            self.connected -= 1

    def note(self, received: Received) -> None:
        if self._keep:
            self.received.append(received)

    def _refuse(self, name: str, script: Script) -> None:
        if not script.refusals and script.refuse_all is None:
            return  # so that nothing is kept per host in a large run
        tried = self._tries.get(name, 0)
        self._tries[name] = tried + 1
        error = script.refusals[tried] if tried < len(script.refusals) else script.refuse_all
        if error is not None:
            raise error


class _SimulatedConnection:
    def __init__(self, transport: SimulatedTransport, name: str, script: Script) -> None:
        self._transport = transport
        self._name = name
        self._script = script

    @asynccontextmanager
    async def start(self, exec: Exec, deadline: Deadline) -> AsyncIterator[SupervisedProcess]:
        deadline.check("starting a command")
        self._transport.note(Received(self._name, exec.argv, exec.stdin, exec.become))
        pipe = _SimulatedPipe(self._name, self._script.answer(exec))
        yield SupervisedProcess(pipe, exec, None, deadline)

    async def put(
        self, blob: Blob, path: str, deadline: Deadline, *, mode: int = 0o600, become: Become | None = None
    ) -> None:
        deadline.check(f"writing {path}")
        self._transport.files[self._name, path] = (blob, mode)


class _SimulatedPipe:
    def __init__(self, name: str, reply: Reply) -> None:
        self._name = name
        self._reply = reply
        self._stdin = b""
        self._writes_left = reply.repeat
        self._pieces: deque[tuple[Stream, bytes]] = deque()
        self._waited = False
        self._errors_written = False
        self._killed = False

    async def read(self) -> tuple[Stream, bytes] | None:
        if not self._waited:
            self._waited = True
            await asyncio.sleep(self._reply.after_s)
        while not self._pieces:
            if self._killed or not self._write():
                break
        if self._pieces:
            return self._pieces.popleft()
        if self._reply.hang and not self._killed:
            await asyncio.Event().wait()
        if self._reply.cut:
            raise ConnectionLost(f"{self._name}: cut")
        return None

    def _write(self) -> bool:
        """The command writes some more; False when it has written all."""
        if not self._errors_written:
            self._errors_written = True
            self._split(Stream.STDERR, self._reply.stderr)
            return True
        if not self._writes_left:
            return False
        self._writes_left -= 1
        self._split(Stream.STDOUT, self._stdin if self._reply.stdin_echoed else self._reply.stdout)
        return True

    def _split(self, stream: Stream, data: bytes) -> None:
        self._pieces.extend((stream, data[start : start + _PIECE]) for start in range(0, len(data), _PIECE))

    async def exit(self) -> Exit:
        return self._reply.exit

    def feed(self, data: bytes, eof: bool) -> None:
        self._stdin += data

    def kill(self) -> None:
        self._killed = True
