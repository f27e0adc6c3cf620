"""The SSH port of one host: one listening socket, and the ways it can behave badly."""

from __future__ import annotations

import array
import ctypes
import selectors
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from gigactl.lab.effect import Reach

_BACKLOG = 128
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # classic BPF: return 0, no byte of the packet is accepted


class Front:
    """Listens on one address and hands what it accepts to the host.

    The listening socket is registered with `selector`, its data the callable `ready`. A change of mode reopens it.
    """

    def __init__(self, address: str, port: int, selector: selectors.BaseSelector, ready: Callable[[], None]) -> None:
        self.address = address
        self.port = port
        self.reach = Reach.REFUSED
        self._selector = selector
        self._ready = ready
        self._listening: socket.socket | None = None
        self._held: set[socket.socket] = set()

    def open(self, reach: Reach) -> None:
        """Behave like this from now on; what was held without a word is let go."""
        self.close()
        self.reach = reach
        if reach is Reach.REFUSED:
            return
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reach is Reach.SILENT:
                _drop_everything(listening)
            listening.bind((self.address, self.port))
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
        self._listening = listening
        self._selector.register(listening, selectors.EVENT_READ, self._ready)

    def close(self) -> None:
        """Nothing listens, nothing is held."""
        for connection in tuple(self._held):
            self._let_go(connection)
        self.reach = Reach.REFUSED
        if self._listening is not None:
            self._selector.unregister(self._listening)
            self._listening.close()
            self._listening = None

    def accept(self, channel: socket.socket) -> None:
        """Take what is waiting and pass it to the host's PID 1, which starts its sshd on it."""
        while self._listening is not None:
            try:
                connection, _peer = self._listening.accept()
            except OSError:  # nothing waits any more, or the peer has gone
                return
            if self.reach is Reach.MUTE:
                self._hold(connection)
                continue
            with (
                connection,
                suppress(OSError),
            ):  # its PID 1 has just ended, or takes no more: whoever connects is cut off
                descriptors = array.array("i", [connection.fileno()])
                channel.sendmsg(
                    [b"c"],
                    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)],
                    socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL,
                )

    def _hold(self, connection: socket.socket) -> None:
        """Keep it open without a word until the other end has had enough."""
        self._held.add(connection)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._ignore(connection))

    def _ignore(self, connection: socket.socket) -> None:
        try:
            heard = connection.recv(1 << 12, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            self._let_go(connection)

    def _let_go(self, connection: socket.socket) -> None:
        if connection in self._held:
            self._held.remove(connection)
            self._selector.unregister(connection)
            connection.close()


def _drop_everything(listening: socket.socket) -> None:
    """The kernel drops each packet for this socket: whoever connects hears nothing, as from a host that lost its
    network.
    """
    program = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
    head = struct.pack("HxxxxxxQ" if struct.calcsize("P") == 8 else "HxxL", 1, ctypes.addressof(program))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, head)
