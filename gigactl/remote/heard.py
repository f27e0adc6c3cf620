"""Listens to one command: what it wrote is kept also when the connection is cut in the middle."""

from __future__ import annotations

from collections.abc import Callable

from gigactl.transport.base import Connection, Deadline, Exec, Stream

STDERR_KEPT = 2000


class Heard:
    """What came so far. `take` is called with each chunk of stdout; without one it piles up in `stdout`, up to a
    limit."""

    def __init__(self, limit_bytes: int = 0, take: Callable[[bytes], None] | None = None) -> None:
        self._limit = limit_bytes
        self._take = take or self._pile
        self.stdout = bytearray()
        self._stderr = b""
        self.how = "cut"
        self.code: int | None = None

    async def all_of(self, connection: Connection, asked: Exec, deadline: Deadline) -> None:
        """Run a command to its end. Raises HostError; what came before is kept."""
        async with connection.start(asked, deadline) as process:
            async for stream, chunk in process.chunks():
                if stream is Stream.STDOUT:
                    self._take(chunk)
                else:
                    self._stderr = (self._stderr + chunk)[:STDERR_KEPT]
            ended = await process.exit()
            truncated = process.truncated
        self.code = ended.code
        self.how = f"exit code {ended.code}" if ended.signal is None else f"signal {ended.signal}"
        if truncated:
            self.how = f"more than {asked.limit_bytes} bytes"

    def _pile(self, chunk: bytes) -> None:
        self.stdout += chunk[: self._limit - len(self.stdout)]

    @property
    def complaint(self) -> str:
        """What it said on stderr, as one line fit for a screen."""
        text = " ".join(self._stderr.decode("utf-8", "replace").split())
        return "".join(character for character in text if character.isprintable())[:300]
