"""The loop's half of an SSH connection: commands as processes, tunnels as sockets, over a `Wire`.

A pump without threads would replace `Wire` behind the same `Listener` and `ChannelListener`, and nothing here.
"""

from __future__ import annotations

import asyncio
import shlex
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gigactl.errors import ConnectionLost, HostError
from gigactl.transport.base import Become, Blob, Deadline, Exec, Exit, Stream
from gigactl.transport.become import Elevation
from gigactl.transport.placing import place
from gigactl.transport.ssh import failures
from gigactl.transport.ssh.channel import WINDOW, Channel, Opening
from gigactl.transport.ssh.wire import Wire
from gigactl.transport.supervised import SupervisedProcess
from gigactl.transport.waiting import until


class ChannelPipe:
    """One channel's streams. Unread output is bounded by the channel's window: it opens as output is read."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._channel: Channel | None = None
        self._output: deque[tuple[Stream, bytes]] = deque()
        self._unacknowledged = 0
        self._exit: Exit | None = None
        self._refused: str | None = None
        self._opened = asyncio.Event()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._output_over = False
        self._closed = False

    def attach(self, channel: Channel) -> None:
        self._channel = channel

    # what the wire tells

    def opened(self) -> None:
        self._opened.set()

    def refused(self, reason: str) -> None:
        self._refused = reason
        self.ended(closed=True)

    def data(self, stderr: bool, data: bytes) -> None:
        self._output.append((Stream.STDERR if stderr else Stream.STDOUT, data))
        self._news.set()

    def exited(self, code: int | None, signal: str | None) -> None:
        self._exit = Exit(code, signal)

    def drained(self) -> None:
        self._room.set()

    def ended(self, closed: bool) -> None:
        self._output_over = True
        self._closed = self._closed or closed
        for event in (self._news, self._opened, self._room):
            event.set()

    # what the process asks

    async def wait_opened(self) -> None:
        await self._opened.wait()
        if self._refused is not None:
            raise HostError(f"{self._session.where}: {self._refused}")
        if self._closed and not self._output and self._exit is None:
            raise self._session.loss()

    async def read(self) -> tuple[Stream, bytes] | None:
        while not self._output:
            if self._output_over:
                if self._closed and self._exit is None:
                    raise self._broken()
                return None
            self._news.clear()
            await self._news.wait()
        piece = self._output.popleft()
        self._acknowledge(len(piece[1]))
        return piece

    async def exit(self) -> Exit:
        while not self._closed:
            self._news.clear()
            await self._news.wait()
        if self._exit is None:
            raise self._broken()
        return self._exit

    def _broken(self) -> HostError:
        if self._refused is not None:
            return HostError(f"{self._session.where}: {self._refused}")
        return self._session.loss()

    def _acknowledge(self, count: int) -> None:
        self._unacknowledged += count
        if self._unacknowledged >= WINDOW // 2 and self._channel is not None and not self._output_over:
            taken, self._unacknowledged = self._unacknowledged, 0
            self._session.wire.post(lambda: self._get_channel().acknowledge(taken))

    def _get_channel(self) -> Channel:
        assert self._channel is not None
        return self._channel

    def feed(self, data: bytes, eof: bool) -> None:
        self._session.wire.post(lambda: self._get_channel().feed(data, eof))

    async def feed_and_wait(self, data: bytes) -> None:
        """As `feed`, returning when it has gone out."""
        self._room.clear()
        self.feed(data, eof=False)
        await self._room.wait()
        if self._closed:
            raise self._session.loss()

    def kill(self) -> None:
        self._session.wire.post(lambda: self._end("KILL"))

    def leave(self) -> None:
        """Nobody reads any more: the host's process gets SIGHUP where sshd grants it, and closed pipes anyway."""
        if not self._closed:
            self._session.wire.post(lambda: self._end("HUP"))

    def _end(self, signal: str) -> None:
        channel = self._get_channel()
        channel.signal(signal)
        channel.close()


class Session:
    """A `Connection` over one wire."""

    def __init__(self, wire: Wire, where: str, user: str) -> None:
        self.wire = wire
        self.where = where
        self._user = user
        self._pipes: set[ChannelPipe] = set()
        self._over: Exception | None = None
        self.is_over = False

    def finished(self, error: Exception | None) -> None:
        """The wire is gone: whoever waits hears of it."""
        self._over, self.is_over = error, True
        for pipe in self._pipes:
            pipe.ended(closed=True)

    def loss(self) -> ConnectionLost:
        if self.is_over:
            return failures.lost(self.where, self._over)
        return ConnectionLost(f"{self.where}: the host closed the channel without an exit code")

    @asynccontextmanager
    async def open(self, opening: Opening, deadline: Deadline) -> AsyncIterator[ChannelPipe]:
        """A channel, open; closed on leaving."""
        pipe = self._open(opening)
        try:
            await until(deadline, pipe.wait_opened(), f"opening a channel to {self.where}")
            yield pipe
        finally:
            self._leave(pipe)

    @asynccontextmanager
    async def start(self, exec: Exec, deadline: Deadline) -> AsyncIterator[SupervisedProcess]:
        become = exec.become
        elevated = become is not None and become.user != self._user
        elevation = Elevation(become, exec.argv) if become is not None and elevated else None
        command = shlex.join(elevation.argv if elevation else exec.argv)
        deadline.check(f"starting a command on {self.where}")
        pipe = self._open(Opening(command=command, pty=exec.pty))
        try:
            yield SupervisedProcess(pipe, exec, elevation, deadline)
        finally:
            self._leave(pipe)

    def _open(self, opening: Opening) -> ChannelPipe:
        if self.is_over:
            raise self.loss()
        pipe = ChannelPipe(self)
        self._pipes.add(pipe)
        pipe.attach(self.wire.open(opening, pipe))
        return pipe

    def _leave(self, pipe: ChannelPipe) -> None:
        self._pipes.discard(pipe)
        pipe.leave()

    async def put(
        self, blob: Blob, path: str, deadline: Deadline, *, mode: int = 0o600, become: Become | None = None
    ) -> None:
        await place(self, blob, path, deadline, mode, become)
