"""ProxyJump: one connection per jump host, shared by the hosts behind it, and sockets that lead through it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

from gigactl.errors import ConnectRefused, HostError
from gigactl.transport.base import Deadline
from gigactl.transport.ssh.channel import Opening
from gigactl.transport.ssh.config import Route
from gigactl.transport.ssh.session import ChannelPipe, Session
from gigactl.transport.waiting import until

_PIECE = 32 << 10
Connect = Callable[[Route, Deadline], AbstractAsyncContextManager[Session]]


class _Shared:
    def __init__(self) -> None:
        self.users = 0
        self.turn = asyncio.Lock()
        self.stack = AsyncExitStack()
        self.session: Session | None = None
        self.attempts = 0
        self.failure: HostError | None = None


class JumpPool:
    """Opens a jump host when the first host needs it, closes it after the last.

    One login for all: 64 at once would run into sshd's MaxStartups.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._shared: dict[Route, _Shared] = {}

    @asynccontextmanager
    async def lease(self, route: Route, deadline: Deadline) -> AsyncIterator[Session]:
        shared = self._shared.setdefault(route, _Shared())
        shared.users += 1
        try:
            yield await self._session(shared, route, deadline)
        finally:
            shared.users -= 1
            if not shared.users:
                self._shared.pop(route, None)
                await shared.stack.aclose()

    async def _session(self, shared: _Shared, route: Route, deadline: Deadline) -> Session:
        """The open one, or a new one. Who waited for a failed attempt shares its failure."""
        seen = shared.attempts
        await until(deadline, shared.turn.acquire(), f"waiting for {route.where}")
        try:
            if shared.session is not None and not shared.session.is_over:
                return shared.session
            if shared.attempts != seen and shared.failure is not None:
                raise type(shared.failure)(shared.failure.detail, hint=shared.failure.hint)
            shared.attempts += 1
            shared.session, shared.failure = None, None
            await shared.stack.aclose()
            shared.session = await shared.stack.enter_async_context(self._connect(route, deadline))
            return shared.session
        except HostError as error:
            shared.failure = error
            raise
        finally:
            shared.turn.release()


@asynccontextmanager
async def tunnel(
    jump: Session, address: str, port: int, where: str, deadline: Deadline
) -> AsyncIterator[socket.socket]:
    """A socket whose other end is the host's port, seen from the jump host. Whoever takes it closes it."""
    async with AsyncExitStack() as stack:
        try:
            pipe = await stack.enter_async_context(jump.open(Opening(target=(address, port)), deadline))
        except HostError as error:
            raise ConnectRefused(f"{where}: {error.detail}") from None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        carriers = (asyncio.create_task(_inwards(pipe, ours)), asyncio.create_task(_outwards(ours, pipe)))
        try:
            yield theirs
        finally:
            for carrier in carriers:
                carrier.cancel()
            await asyncio.wait(carriers)
            ours.close()


async def _inwards(pipe: ChannelPipe, sock: socket.socket) -> None:
    """Host to us; its end, or the loss of the jump host, is the socket's end."""
    loop = asyncio.get_running_loop()
    with suppress(HostError, OSError):
        while (piece := await pipe.read()) is not None:
            await loop.sock_sendall(sock, piece[1])
    _end(sock)


async def _outwards(sock: socket.socket, pipe: ChannelPipe) -> None:
    loop = asyncio.get_running_loop()
    with suppress(HostError, OSError):
        while data := await loop.sock_recv(sock, _PIECE):
            await pipe.feed_and_wait(data)
    _end(sock)


def _end(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
