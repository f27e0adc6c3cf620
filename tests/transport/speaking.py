"""Short ways to run one command in a test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gigactl.transport.base import Connection, Deadline, Endpoint, Exec, Exit, Stream, Transport

T = TypeVar("T")


@dataclass(frozen=True)
class Output:
    stdout: bytes
    stderr: bytes
    exit: Exit
    truncated: bool


def soon(seconds: float = 20.0) -> Deadline:
    """A deadline on the running loop's clock."""
    return Deadline.after(seconds, asyncio.get_running_loop().time)


async def speak(connection: Connection, exec: Exec, seconds: float = 20.0) -> Output:
    """Run `exec`, collect everything."""
    written = {Stream.STDOUT: b"", Stream.STDERR: b""}
    async with connection.start(exec, soon(seconds)) as process:
        async for stream, data in process.chunks():
            written[stream] += data
        ended = await process.exit()
        return Output(written[Stream.STDOUT], written[Stream.STDERR], ended, process.truncated)


def on(
    transport: Transport, endpoint: Endpoint, work: Callable[[Connection], Awaitable[T]], seconds: float = 20.0
) -> T:
    """Connect, do `work`, leave; no thread may be left over."""

    async def main() -> T:
        async with transport.connect(endpoint, soon(seconds)) as connection:
            return await work(connection)

    before = threads()
    result = asyncio.run(main())
    assert settles(lambda: threads() <= before), "a thread is left over"
    return result


def threads() -> int:
    """All threads of this process, also those that Python's own count does not know."""
    return len(list(Path("/proc/self/task").iterdir()))


def settles(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it becomes true."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def run(transport: Transport, endpoint: Endpoint, *argv: str, stdin: bytes = b"") -> Output:
    """One command over one connection."""
    return on(transport, endpoint, lambda connection: speak(connection, Exec(argv, stdin=stdin)))
