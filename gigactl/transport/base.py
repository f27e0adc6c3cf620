"""The seam to a host: what is executed there, over which connection, until when.

A transport owns the phase limits (connect, key exchange, authentication) and never retries. It raises the `HostError`
tree and nothing else; the library underneath is never named above it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn, Protocol

from gigactl.errors import DeadlineExceeded
from gigactl.inventory.model import SshSettings

Clock = Callable[[], float]
"""Monotonic seconds; the event loop's `time` in the program, a fake one in tests."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a host's time is up, on a monotonic clock. Made once per host and handed down."""

    at: float
    clock: Clock = field(compare=False)

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Deadline:
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - self.clock())

    def check(self, doing: str) -> None:
        """Raise DeadlineExceeded, saying what was being done, when the time is up."""
        if self.remaining() <= 0:
            raise DeadlineExceeded(f"while {doing}")

    def capped(self, seconds: float) -> float:
        """Seconds for one phase: its own limit, or what is left if that is less."""
        return min(seconds, self.remaining())


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that never shows, and never leaves the process: `repr` is redacted and it refuses to pickle."""

    text: str

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret does not pickle")


@dataclass(frozen=True, slots=True)
class Become:
    """Another user on the host. `method` is `sudo`; the password, if any, travels on stdin only."""

    method: str = "sudo"
    user: str = "root"
    password: Secret | None = None


class Stream(StrEnum):
    """Which of a process's two streams a chunk came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Exec:
    """One command on a host. `argv` is quoted by the transport, never a shell string; output past `limit_bytes` is
    dropped and the process ended."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    become: Become | None = None
    pty: bool = False
    limit_bytes: int = 8 << 20

    def __repr__(self) -> str:
        return f"Exec({' '.join(self.argv)[:120]!r}, stdin={len(self.stdin)} bytes, become={self.become!r})"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: a code, or the name of the signal that ended it (then `code` is None)."""

    code: int | None
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes to put on a host, named by what they hash to."""

    data: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a host is reached, and as whom. `name` is the inventory's; it is what errors and key files name."""

    name: str
    address: str
    ssh: SshSettings


class Process(Protocol):
    """A running command. A slow reader closes the window; nothing piles up in memory."""

    @property
    def truncated(self) -> bool:
        """Whether output past `limit_bytes` was dropped and the process ended for it."""
        ...

    def chunks(self) -> AsyncIterator[tuple[Stream, bytes]]: ...

    async def exit(self) -> Exit:
        """How it ended. Output that was not read by then is dropped."""
        ...


class Connection(Protocol):
    """An established session with one host."""

    def start(self, exec: Exec, deadline: Deadline) -> AbstractAsyncContextManager[Process]:
        """Start a command; leaving the context closes its channel."""
        ...

    async def put(
        self, blob: Blob, path: str, deadline: Deadline, *, mode: int = 0o600, become: Become | None = None
    ) -> None:
        """Write a file: to a temporary name beside it, its digest checked on the host, then renamed."""
        ...


class Transport(Protocol):
    """A way to reach hosts."""

    def connect(self, endpoint: Endpoint, deadline: Deadline) -> AbstractAsyncContextManager[Connection]: ...
