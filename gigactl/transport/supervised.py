"""What every transport's process does alike: sudo, the output limit, the deadline. Below it is a plain pipe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from gigactl.errors import BecomeFailed
from gigactl.transport.base import Deadline, Exec, Exit, Stream
from gigactl.transport.become import Elevation
from gigactl.transport.waiting import until


class Pipe(Protocol):
    """A command's three streams, as a transport has them."""

    async def read(self) -> tuple[Stream, bytes] | None:
        """The next piece, None at the end. Raises ConnectionLost."""
        ...

    async def exit(self) -> Exit: ...

    def feed(self, data: bytes, eof: bool) -> None:
        """Give it input; goes out as the other side takes it."""
        ...

    def kill(self) -> None:
        """End it now."""
        ...


class SupervisedProcess:
    """A `Process` over a pipe."""

    def __init__(self, pipe: Pipe, exec: Exec, elevation: Elevation | None, deadline: Deadline) -> None:
        self._pipe = pipe
        self._exec = exec
        self._elevation = elevation
        self._deadline = deadline
        self._left = exec.limit_bytes
        self.truncated: bool = False
        if elevation is None or not elevation.interactive:
            pipe.feed(exec.stdin, eof=True)

    async def chunks(self) -> AsyncIterator[tuple[Stream, bytes]]:
        while not self.truncated:
            piece = await until(self._deadline, self._pipe.read(), "waiting for output")
            if piece is None:
                break
            for stream, data in self._own(*piece):
                kept = data[: self._left]
                self._left -= len(kept)
                if kept:
                    yield stream, kept
                if len(kept) < len(data):
                    self.truncated = True
                    self._pipe.kill()
                    return
        if self._elevation is not None and not self._elevation.started:
            raise self._elevation.refusal()

    def _own(self, stream: Stream, data: bytes) -> tuple[tuple[Stream, bytes], ...]:
        elevation = self._elevation
        if elevation is None or elevation.started:
            return ((stream, data),)
        return self._after_sudo(elevation, stream, data)

    def _after_sudo(self, elevation: Elevation, stream: Stream, data: bytes) -> tuple[tuple[Stream, bytes], ...]:
        try:
            own = elevation.feed(stream, data)
        except BecomeFailed:
            self._pipe.kill()
            raise
        if elevation.wants_password:
            self._pipe.feed(elevation.password(), eof=False)
        if elevation.started and elevation.interactive:
            self._pipe.feed(self._exec.stdin, eof=True)
        return own

    async def exit(self) -> Exit:
        async for _ in self.chunks():
            pass
        if self.truncated:
            return Exit(None, "KILL")
        return await until(self._deadline, self._pipe.exit(), "waiting for the exit code")
