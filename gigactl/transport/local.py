"""The `local` transport: this host itself, through a shell as sshd would, each command in its own process group."""

from __future__ import annotations

import asyncio
import os
import pwd
import shlex
import signal
from asyncio.subprocess import PIPE
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from gigactl.errors import HostError
from gigactl.transport.base import Become, Blob, Connection, Deadline, Endpoint, Exec, Exit, Stream
from gigactl.transport.become import Elevation
from gigactl.transport.placing import place
from gigactl.transport.supervised import SupervisedProcess

_PIECE = 32 << 10
_PIECES_AHEAD = 4
"""Pieces read from the command before the reader has taken them."""
_GONE_S = 1.0
"""Seconds to wait for a killed process; one in another user's hands (sudo) or in D state is left to end by itself."""


class LocalTransport:
    """Runs commands on this host, as this user."""

    @asynccontextmanager
    async def connect(self, endpoint: Endpoint, deadline: Deadline) -> AsyncIterator[Connection]:
        deadline.check(f"starting on {endpoint.name}")
        yield _LocalConnection()


class _LocalConnection:
    @asynccontextmanager
    async def start(self, exec: Exec, deadline: Deadline) -> AsyncIterator[SupervisedProcess]:
        deadline.check("starting a command")
        if exec.pty:
            raise HostError("the local transport offers no terminal")
        become = exec.become
        elevated = become is not None and not _is_this_user(become.user)
        elevation = Elevation(become, exec.argv) if become is not None and elevated else None
        command = shlex.join(elevation.argv if elevation else exec.argv)
        # a shell, so that what is not found is exit code 127 as over SSH
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            f"exec {command}",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
            cwd=Path.home(),
        )
        pipe = _LocalPipe(process)
        try:
            yield SupervisedProcess(pipe, exec, elevation, deadline)
        finally:
            await pipe.leave()

    async def put(
        self, blob: Blob, path: str, deadline: Deadline, *, mode: int = 0o600, become: Become | None = None
    ) -> None:
        await place(self, blob, path, deadline, mode, become)


class _LocalPipe:
    """The three pipes of one process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._pieces: asyncio.Queue[tuple[Stream, bytes] | None] = asyncio.Queue(_PIECES_AHEAD)
        self._readers = [
            asyncio.create_task(self._carry(Stream.STDOUT, process.stdout)),
            asyncio.create_task(self._carry(Stream.STDERR, process.stderr)),
        ]
        self._open_streams = len(self._readers)
        self._input: deque[bytes] = deque()
        self._input_over = False
        self._input_news = asyncio.Event()
        self._writer = asyncio.create_task(self._write())

    async def _carry(self, stream: Stream, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_PIECE):
            await self._pieces.put((stream, data))
        await self._pieces.put(None)

    async def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # the command does not want it
            while self._input or not self._input_over:
                if not self._input:
                    self._input_news.clear()
                    await self._input_news.wait()
                while self._input:
                    stdin.write(self._input.popleft())
                    await stdin.drain()
        stdin.close()

    async def read(self) -> tuple[Stream, bytes] | None:
        while self._open_streams:
            piece = await self._pieces.get()
            if piece is not None:
                return piece
            self._open_streams -= 1
        return None

    async def exit(self) -> Exit:
        code = await self._process.wait()
        return Exit(code) if code >= 0 else Exit(None, signal.Signals(-code).name.removeprefix("SIG"))

    def feed(self, data: bytes, eof: bool) -> None:
        if data:
            self._input.append(data)
        self._input_over = self._input_over or eof
        self._input_news.set()

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # it is gone, or sudo's
            os.killpg(self._process.pid, signal.SIGKILL)

    async def leave(self) -> None:
        if self._process.returncode is None:
            self.kill()
        tasks = (*self._readers, self._writer)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        _close(self._process)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _GONE_S)


def _is_this_user(name: str) -> bool:
    """By the user id that the process really has: LOGNAME may say anything."""
    try:
        return pwd.getpwnam(name).pw_uid == os.geteuid()
    except KeyError:
        return False


def _close(process: asyncio.subprocess.Process) -> None:
    # unread output keeps asyncio's wait() from returning, and it offers no public way to close the pipes
    transport = getattr(process, "_transport", None)
    if isinstance(transport, asyncio.SubprocessTransport):
        transport.close()
