"""One request, one reply over a lab's control socket: how the command line speaks to the supervisor."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from gigactl.errors import LabError, LabMisuse
from gigactl.lab.options import HostStatus
from gigactl.lab.record import Layout, no_lab

WAIT_S = 300.0  # rebooting a thousand hosts takes a minute
_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """What the supervisor is asked for. `hosts`: names, for `fault` and `clear`."""

    verb: Literal["status", "fault", "clear", "freeze", "down"]
    hosts: tuple[str, ...] = ()
    kind: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    on: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """`error` is empty when what was asked is done; `misuse`: it cannot be. `hosts` answers `status`."""

    error: str = ""
    hint: str = ""
    misuse: bool = False
    supervisor: int = 0
    frozen: bool = False
    hosts: tuple[HostStatus, ...] = ()

    def failure(self) -> LabError:
        """What went wrong there, as it is raised here."""
        return (LabMisuse if self.misuse else LabError)(self.error, hint=self.hint or None)


def listen(layout: Layout) -> socket.socket:
    """The supervisor's end; only root may connect."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o077)
    try:
        with _Directory(layout) as directory:
            listening.bind(f"{directory}/{layout.control.name}")
    finally:
        os.umask(mask)
    listening.listen()
    return listening


def answers(layout: Layout) -> bool:
    """Whether a supervisor is there at all."""
    try:
        _connect(layout).close()
    except OSError:
        return False
    return True


def ask(layout: Layout, request: Request, patience: float = WAIT_S) -> Reply:
    """Send a request and wait for its reply.

    Raises LabMisuse where no lab is, LabError when nobody answers in `patience` s, either with what went wrong there.
    """
    try:
        with _connect(layout) as connection:
            connection.settimeout(patience)
            connection.sendall(msgspec.json.encode(request) + b"\n")
            connection.shutdown(socket.SHUT_WR)
            data = read(connection)
    except OSError as error:
        if not layout.record.exists():
            raise no_lab(layout) from None
        raise LabError(
            f"no supervisor answers in {layout.dir} ({error.strerror or error})",
            hint=f"take away what is left with `gigactl lab down --dir {layout.dir}`",
        ) from error
    if not data:
        raise LabError("the supervisor ended without an answer", hint=f"its log: {layout.log}")
    reply = msgspec.json.decode(data, type=Reply)
    if reply.error:
        raise reply.failure()
    return reply


def read(connection: socket.socket) -> bytes:
    """Everything the other end sends before it closes its half."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def _connect(layout: Layout) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_CONNECT_S)
    try:
        with _Directory(layout) as directory:
            connection.connect(f"{directory}/{layout.control.name}")
    except OSError:
        connection.close()
        raise
    return connection


class _Directory:
    """A short path to the lab's directory: the address of a unix socket has room for 107 bytes."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._descriptor = -1

    def __enter__(self) -> str:
        self._descriptor = os.open(self._layout.dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._descriptor}"

    def __exit__(self, *_error: object) -> None:
        os.close(self._descriptor)
