"""The `ssh` transport. Loads nothing heavy until the first connection opens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gigactl.transport.base import Connection, Deadline, Endpoint
from gigactl.transport.ssh.options import SshOptions

if TYPE_CHECKING:
    from gigactl.transport.ssh.connector import Connector
    from gigactl.transport.ssh.trust import Scanned


class SshTransport:
    """Reaches hosts over SSH. One per run: config, known hosts and keys are read once and kept."""

    def __init__(self, options: SshOptions | None = None) -> None:
        self._options = options or SshOptions()
        self._connector: Connector | None = None

    @asynccontextmanager
    async def connect(self, endpoint: Endpoint, deadline: Deadline) -> AsyncIterator[Connection]:
        async with self._loaded().connect(endpoint, deadline) as session:
            yield session

    async def scan(self, endpoint: Endpoint, deadline: Deadline) -> Scanned:
        """The host's keys (ed25519, ecdsa, rsa), without logging in. Raises Unreachable."""
        return await self._loaded().scan(endpoint, deadline)

    def _loaded(self) -> Connector:
        if self._connector is None:
            from gigactl.transport.ssh.connector import Connector

            self._connector = Connector(self._options)
        return self._connector
