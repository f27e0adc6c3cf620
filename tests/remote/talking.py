"""One dialogue with one host, over any transport, its commands counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from gigactl.inventory.model import Host, SshSettings
from gigactl.transport.base import Become, Blob, Connection, Deadline, Endpoint, Exec, Process, Transport
from gigactl.transport.dialogue import Dialogue
from gigactl.transport.local import LocalTransport

T = TypeVar("T")


class Counted:
    """A connection that counts the commands started through it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.started = 0

    def start(self, exec: Exec, deadline: Deadline) -> AbstractAsyncContextManager[Process]:
        self.started += 1
        return self._connection.start(exec, deadline)

    async def put(
        self, blob: Blob, path: str, deadline: Deadline, *, mode: int = 0o600, become: Become | None = None
    ) -> None:
        await self._connection.put(blob, path, deadline, mode=mode, become=become)


@asynccontextmanager
async def connected(transport: Transport, host: Host, seconds: float) -> AsyncIterator[tuple[Counted, Deadline]]:
    """A counted connection to the host and a deadline for all that is said over it."""
    deadline = Deadline.after(seconds, asyncio.get_running_loop().time)
    async with transport.connect(Endpoint(host.name, host.address, SshSettings()), deadline) as connection:
        yield Counted(connection), deadline


def said(
    dialogue: Dialogue[T], transport: Transport | None = None, host: Host | None = None, seconds: float = 30.0
) -> tuple[T, int]:
    """(the one value the host yields, commands it took). Without a transport: this host."""

    async def speak() -> tuple[T, int]:
        there = host or Host("gpu001", "127.0.0.1", transport="local")
        async with connected(transport or LocalTransport(), there, seconds) as (connection, deadline):
            values = [value async for value in dialogue.speak(there, connection, deadline)]
            assert len(values) == 1
            return values[0], connection.started

    return asyncio.run(speak())
