"""How hosts are reached: transports by name, the engine over them, its limits, and who a command runs as."""

from __future__ import annotations

import getpass
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from gigactl.cli.fleet import setting
from gigactl.cli.session import Session
from gigactl.errors import SafetyRail, Unreachable, UsageError
from gigactl.fanout.asyncio_engine import AsyncioEngine
from gigactl.fanout.base import Limits
from gigactl.inventory.model import Host
from gigactl.transport.base import Become, Deadline, Endpoint, Secret, Transport
from gigactl.transport.local import LocalTransport
from gigactl.transport.ssh.options import SshOptions
from gigactl.transport.ssh.transport import SshTransport

if TYPE_CHECKING:
    from gigactl.transport.ssh.trust import Scanned

TRANSPORTS: dict[str, Callable[[Session], Transport]] = {
    "ssh": lambda session: SshTransport(SshOptions(connect_s=float(setting(session, "connect_timeout")))),
    "local": lambda session: LocalTransport(),
}


def engine(session: Session) -> AsyncioEngine:
    """The engine over the transports."""
    return AsyncioEngine(transports(session))


def transports(session: Session) -> Callable[[Host], Transport]:
    """The world's, else the one a host's entry names or --transport forces; each made once.

    Raises UsageError for a --transport there is none of.
    """
    forced = setting(session, "transport")
    if forced is not None and forced not in TRANSPORTS:
        raise UsageError(f"no transport {forced!r}", hint=f"there are {', '.join(TRANSPORTS)}")
    if session.world.transport_for is not None:
        return session.world.transport_for
    made: dict[str, Transport] = {}

    def transport_for(host: Host) -> Transport:
        name = forced or host.transport
        if name not in TRANSPORTS:
            raise Unreachable(f"{host.name}: no transport is called {name!r}")
        if name not in made:
            made[name] = TRANSPORTS[name](session)
        return made[name]

    return transport_for


class Scanner(Protocol):
    """A transport whose hosts show keys."""

    async def scan(self, endpoint: Endpoint, deadline: Deadline) -> Scanned: ...


def scanner(session: Session) -> Callable[[Host], Scanner]:
    """Who asks a host for its keys: its transport. One that has no keys is that host's failure."""
    transport_for = transports(session)

    def scanner_for(host: Host) -> Scanner:
        transport = transport_for(host)
        if not hasattr(transport, "scan"):
            raise Unreachable(f"{host.name}: reached without SSH, it has no host key")
        return cast(Scanner, transport)

    return scanner_for


def limits(session: Session, timeout: float | None) -> Limits:
    """The engine's limits by the settings. Raises UsageError for what cannot be."""
    window, total_s = int(setting(session, "fanout")), setting(session, "total_timeout")
    host_s = float(setting(session, "timeout") if timeout is None else timeout)
    if window < 1:
        raise UsageError(f"--fanout {window}: at least one host at a time")
    if not (math.isfinite(host_s) and host_s > 0):
        raise UsageError(f"--timeout {host_s:g}: a number of seconds above 0")
    return Limits(window=window, host_s=host_s, total_s=total_s)


def become(session: Session, ask: bool, file: Path | None) -> Become:
    """sudo, with a password that was asked for or is in a file; it is never an argument."""
    if ask and file is not None:
        raise UsageError("--ask-become-password and --become-password-file exclude each other")
    if file is not None:
        return Become(password=Secret(_first_line(file)))
    if ask:
        if not session.world.asks:
            raise SafetyRail("no terminal to ask for a password on", hint="use --become-password-file FILE")
        return Become(password=Secret(getpass.getpass("sudo password: ", session.world.stderr)))
    return Become()


def logs_in_as_root(session: Session, hosts: Sequence[Host]) -> bool:
    """Whether any of the hosts is reached as root, by the transport that will be used, ~/.ssh/config included."""
    from gigactl.transport.ssh.config import Router

    forced = setting(session, "transport")
    router = Router(SshOptions())

    def as_root(host: Host) -> bool:
        if (forced or host.transport) == "local":
            return os.geteuid() == 0
        return router.route(endpoint(host)).user == "root"

    return any(as_root(host) for host in hosts)


def endpoint(host: Host) -> Endpoint:
    """Where the host is reached, as transports want it."""
    return Endpoint(host.name, host.address, host.ssh)


def _first_line(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--become-password-file {file}: {error}") from None
    if not lines or not lines[0]:
        raise UsageError(f"--become-password-file {file}: its first line is empty")
    return lines[0]
