"""One command on one host, its output collected: what `exec` says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from gigactl.errors import HostError
from gigactl.inventory.model import Host
from gigactl.transport.base import Become, Connection, Deadline, Exec, Exit, Stream
from gigactl.transport.dialogue import CutShort, Effect


@dataclass(frozen=True, slots=True)
class ShellReply:
    """What a command wrote and how it ended. `truncated`: it wrote more than the limit and was ended for it. An exit
    with neither code nor signal: we lost it before it ended, and this is what had come."""

    stdout: bytes
    stderr: bytes
    exit: Exit
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs `argv`, yields one ShellReply. `limit_bytes` bounds both streams together.

    ONCE unless the caller knows that the command changes nothing.
    """

    argv: tuple[str, ...]
    stdin: bytes = b""
    become: Become | None = None
    limit_bytes: int = 8 << 20
    effect: Effect = Effect.ONCE

    async def speak(self, host: Host, connection: Connection, deadline: Deadline) -> AsyncIterator[ShellReply]:
        exec = Exec(self.argv, stdin=self.stdin, become=self.become, limit_bytes=self.limit_bytes)
        written = {Stream.STDOUT: bytearray(), Stream.STDERR: bytearray()}
        try:
            async with connection.start(exec, deadline) as process:
                async for stream, data in process.chunks():
                    written[stream] += data
                ended = await process.exit()
                truncated = process.truncated
        except HostError as lost:
            if not any(written.values()):
                raise
            raise CutShort(lost, _reply(written, Exit(None), False)) from None
        yield _reply(written, ended, truncated)


def _reply(written: Mapping[Stream, bytearray], ended: Exit, truncated: bool) -> ShellReply:
    return ShellReply(bytes(written[Stream.STDOUT]), bytes(written[Stream.STDERR]), ended, truncated)
