"""From a route to an established session: dial or tunnel, key exchange, host key, login, each within its limit.

Loaded when the first SSH connection opens, for it brings paramiko.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gigactl.errors import ConnectTimeout, DeadlineExceeded, HostError, NegotiationFailed, Unreachable
from gigactl.transport.base import Deadline, Endpoint
from gigactl.transport.ssh import failures
from gigactl.transport.ssh.config import Route, Router
from gigactl.transport.ssh.dial import dial
from gigactl.transport.ssh.jumps import JumpPool, tunnel
from gigactl.transport.ssh.keys import KeyRing
from gigactl.transport.ssh.known_hosts import KINDS, Known, KnownHosts, algorithms, algorithms_of, host_label, parse
from gigactl.transport.ssh.options import SshOptions
from gigactl.transport.ssh.session import Session
from gigactl.transport.ssh.trust import HostKey, Scanned
from gigactl.transport.ssh.wire import Hello, Wire
from gigactl.transport.waiting import within

_GOODBYE_S = 0.5
"""Seconds for the last words to go out before the socket is shut down."""


class Attempt:
    """Listens to one wire from its start to its end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.established: asyncio.Future[bool] = loop.create_future()
        self.error: Exception | None = None
        self.over = asyncio.Event()
        self.session: Session | None = None

    def ready(self) -> None:
        if not self.established.done():
            self.established.set_result(True)

    def finished(self, error: Exception | None) -> None:
        self.over.set()
        if not self.established.done():
            self.error = error
            self.established.set_result(False)
        if self.session is not None:
            self.session.finished(error)


class EndedError(Exception):
    """The wire ended before the session was established."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error


class Connector:
    """Holds what is read once: config, known hosts, keys; and the connections jumped over."""

    def __init__(self, options: SshOptions) -> None:
        self._options = options
        self._router = Router(options)
        self._keys = KeyRing()
        self._known: dict[tuple[str, ...], KnownHosts] = {}
        self._jumps = JumpPool(self.session)

    @asynccontextmanager
    async def connect(self, endpoint: Endpoint, deadline: Deadline) -> AsyncIterator[Session]:
        async with self.session(self._router.route(endpoint), deadline) as session:
            yield session

    @asynccontextmanager
    async def session(self, route: Route, deadline: Deadline) -> AsyncIterator[Session]:
        """An established session; on leaving its thread has ended."""
        known = self._known_hosts(route.known_hosts).lookup(_names(route), route.port)
        identities = self._keys.identities(route.key_files, route.default_keys, route.agent_socket)
        if not identities.keys:
            raise failures.login_refused(route.where, route.user, (), identities.described)
        async with AsyncExitStack() as stack:
            sock = await self._reach(route, deadline, stack)
            hello = Hello(known.accepts, algorithms(known.keys), route.user, identities.keys)
            attempt = Attempt()
            wire = await stack.enter_async_context(running(sock, hello, attempt, route.where))
            try:
                await self.establish(wire, attempt, route.where, deadline)
            except EndedError as ended:
                raise failures.establishing(route.where, route.user, ended.error, known, identities.described) from None
            attempt.session = Session(wire, route.where, route.user)
            yield attempt.session

    async def scan(self, endpoint: Endpoint, deadline: Deadline) -> Scanned:
        """The host's keys, one per kind, each proved by its signature; nobody logs in."""
        route = self._router.route(endpoint)
        keys: list[HostKey] = []
        failure: HostError | None = None
        for kind in KINDS:
            try:
                keys.append(await self._show(route, kind, deadline))
            except NegotiationFailed as error:
                failure = error  # it has no key of this kind, most likely
        if failure is not None and not keys:
            raise failure
        return Scanned(route.name, host_label(route.address, route.port), route.known_hosts[0], tuple(keys))

    async def _show(self, route: Route, kind: str, deadline: Deadline) -> HostKey:
        shown: list[bytes] = []

        def look(blob: bytes) -> bool:
            shown.append(blob)
            return True

        async with AsyncExitStack() as stack:
            sock = await self._reach(route, deadline, stack)
            attempt = Attempt()
            hello = Hello(look, algorithms_of(kind))
            wire = await stack.enter_async_context(running(sock, hello, attempt, route.where))
            try:
                await self.establish(wire, attempt, route.where, deadline)
            except EndedError as ended:
                raise failures.establishing(route.where, route.user, ended.error, Known(), "no key") from None
        return HostKey(shown[-1])

    async def _reach(self, route: Route, deadline: Deadline, stack: AsyncExitStack) -> socket.socket:
        if route.via is not None:
            jump = await stack.enter_async_context(self._jumps.lease(route.via, deadline))
            return await stack.enter_async_context(tunnel(jump, route.address, route.port, route.where, deadline))
        late = _late(deadline, self._options.connect_s, f"{route.where}: no answer in {{:g}} s")
        return await within(
            deadline.capped(self._options.connect_s), dial(route.address, route.port, route.where), late
        )

    async def establish(self, wire: Wire, attempt: Attempt, where: str, deadline: Deadline) -> None:
        """Wait for key exchange, then for the login, each within its limit."""
        options = self._options
        done, _ = await asyncio.wait({attempt.established}, timeout=deadline.capped(options.banner_s))
        if not done and not wire.remote_version:
            raise _late(deadline, options.banner_s, f"{where}: waited {{:g}} s for {wire.stage}")
        if not done and not wire.initial_kex_done:
            rest = max(options.exchange_s - options.banner_s, 0)
            done, _ = await asyncio.wait({attempt.established}, timeout=deadline.capped(rest))
        if not done and wire.initial_kex_done:
            done, _ = await asyncio.wait({attempt.established}, timeout=deadline.capped(options.login_s))
        if not done:
            limit = options.login_s if wire.initial_kex_done else options.exchange_s
            raise _late(deadline, limit, f"{where}: waited {{:g}} s for {wire.stage}")
        if not attempt.established.result():
            raise EndedError(attempt.error)

    def _known_hosts(self, files: tuple[str, ...]) -> KnownHosts:
        if files not in self._known:
            system = self._options.system_known_hosts
            entries = [entry for file in files for entry in parse(_read(file), file)]
            if system not in files:
                entries += [entry for entry in parse(_read(system), system) if entry.marker == "@revoked"]
            self._known[files] = KnownHosts(entries)
        return self._known[files]


@asynccontextmanager
async def running(sock: socket.socket, hello: Hello, attempt: Attempt, where: str) -> AsyncIterator[Wire]:
    """A wire over `sock`, started; ended on leaving."""
    try:
        wire = Wire(sock, hello, attempt, asyncio.get_running_loop())
    except OSError as error:
        sock.close()
        raise failures.connecting(where, error) from None
    wire.begin()
    try:
        yield wire
    finally:
        try:
            wire.finish()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(attempt.over.wait(), _GOODBYE_S)
        finally:
            wire.abort()


def _late(deadline: Deadline, limit: float, text: str) -> HostError:
    """The phase's own error, or the deadline's where that is what ended it."""
    left = deadline.remaining()
    return DeadlineExceeded(text.format(left)) if left < limit else ConnectTimeout(text.format(limit))


def _names(route: Route) -> tuple[str, ...]:
    return tuple(dict.fromkeys((route.address, route.name)))


def _read(file: str) -> str:
    try:
        return Path(file).read_text(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Unreachable(f"{file}: {error.strerror}") from None
