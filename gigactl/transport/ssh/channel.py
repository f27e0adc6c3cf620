"""One channel of an SSH connection (RFC 4254), whoever drives the connection: a thread now, a loop's pump later.

Everything here runs where the connection's packets are read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from paramiko import common
from paramiko.message import Message
from paramiko.ssh_exception import SSHException

WINDOW = 256 << 10
"""Bytes a host may send before we have read them: what one slow reader costs in memory."""
PACKET = 32 << 10


class Carrier(Protocol):
    """The connection a channel is in."""

    def send(self, message: Message) -> None: ...

    def notify(self, call: Callable[..., None], *values: Any) -> None:
        """Tell the loop soon."""

    def forget(self, number: int) -> None:
        """The channel is over."""


class ChannelListener(Protocol):
    """Who hears of one channel; called in the loop."""

    def opened(self) -> None: ...

    def refused(self, reason: str) -> None: ...

    def data(self, stderr: bool, data: bytes) -> None: ...

    def exited(self, code: int | None, signal: str | None) -> None: ...

    def drained(self) -> None:
        """All that was fed has gone out."""

    def ended(self, closed: bool) -> None:
        """No more output. `closed`: the channel is gone as well."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A channel to open: `session` with a command, or `direct-tcpip` to an address."""

    command: str | None = None
    pty: bool = False
    target: tuple[str, int] | None = None


class Nobody:
    """Listens once everything is told, so that nothing told leads back to what told it."""

    def ready(self) -> None: ...

    def finished(self, error: Exception | None) -> None: ...

    def opened(self) -> None: ...

    def refused(self, reason: str) -> None: ...

    def data(self, stderr: bool, data: bytes) -> None: ...

    def exited(self, code: int | None, signal: str | None) -> None: ...

    def drained(self) -> None: ...

    def ended(self, closed: bool) -> None: ...


NOBODY = Nobody()


class Channel:
    """One channel (RFC 4254). `take_…` is what arrived for it."""

    def __init__(self, wire: Carrier, number: int, opening: Opening, listener: ChannelListener) -> None:
        self._wire = wire
        self._number = number
        self._opening = opening
        self._listener = listener
        self._remote = 0
        self._room = 0  # bytes the host will take now
        self._largest = PACKET
        self._granted = WINDOW  # bytes the host may still send
        self._fed: deque[bytes] = deque()
        self._eof_fed = False
        self._eof_sent = False
        self._open = False
        self._over = False

    def request_open(self) -> None:
        message = self._message(common.cMSG_CHANNEL_OPEN, None)
        message.add_string("session" if self._opening.target is None else "direct-tcpip")
        message.add_int(self._number)
        message.add_int(WINDOW)
        message.add_int(PACKET)
        if self._opening.target is not None:
            address, port = self._opening.target
            message.add_string(address)
            message.add_int(port)
            message.add_string("127.0.0.1")
            message.add_int(0)
        self._wire.send(message)

    def confirmed(self, remote: int, room: int, largest: int) -> None:
        self._remote, self._room, self._largest, self._open = remote, room, min(largest, PACKET), True
        if self._opening.pty:
            self._request("pty-req", ("vt100", 80, 24, 0, 0, b""))
        if self._opening.command is not None:
            self._request("exec", (self._opening.command,))
        else:
            self._wire.notify(self._listener.opened)  # with a command, its output tells soon enough
        self._pump()

    def refused(self, reason: str) -> None:
        self._over = True
        self._wire.notify(self._listener.refused, reason)
        self._listener = NOBODY

    def feed(self, data: bytes, eof: bool) -> None:
        """More for the host's standard input, after what is waiting."""
        if data:
            self._fed.append(data)
        self._eof_fed = self._eof_fed or eof
        self._pump()

    def acknowledge(self, count: int) -> None:
        """The reader took `count` bytes: the host may send as many more."""
        if self._open and not self._over:
            self._granted += count
            message = self._message(common.cMSG_CHANNEL_WINDOW_ADJUST)
            message.add_int(count)
            self._wire.send(message)

    def signal(self, name: str) -> None:
        """Best effort: sshd signals the process group where the login is not root's and it separates privileges."""
        if self._open and not self._over:
            self._request("signal", (name,), reply=False)

    def close(self) -> None:
        if self._open and not self._over:
            self._wire.send(self._message(common.cMSG_CHANNEL_CLOSE))
        self._end()

    def _pump(self) -> None:
        if not self._open or self._eof_sent or self._over:
            return
        had = bool(self._fed)
        while self._fed and self._room:
            data = self._fed.popleft()
            part = data[: min(self._room, self._largest)]
            if len(part) < len(data):
                self._fed.appendleft(data[len(part) :])
            self._room -= len(part)
            message = self._message(common.cMSG_CHANNEL_DATA)
            message.add_string(part)
            self._wire.send(message)
        if self._fed:
            return
        if had:
            self._wire.notify(self._listener.drained)
        if self._eof_fed:
            self._eof_sent = True
            self._wire.send(self._message(common.cMSG_CHANNEL_EOF))

    def _request(self, kind: str, values: Sequence[str | int | bytes], reply: bool = True) -> None:
        message = self._message(common.cMSG_CHANNEL_REQUEST)
        message.add_string(kind)
        message.add_boolean(reply)
        for value in values:
            if isinstance(value, int):
                message.add_int(value)
            else:
                message.add_string(value)
        self._wire.send(message)

    def _message(self, kind: bytes, to: int | None = -1) -> Message:
        message = Message()
        message.add_byte(kind)
        if to is not None:
            message.add_int(self._remote)
        return message

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._fed.clear()
            self._wire.forget(self._number)
            self._wire.notify(self._listener.ended, True)
            self._listener = NOBODY

    def take_output(self, m: Message) -> None:
        self._hand_over(False, m.get_binary())

    def take_error(self, m: Message) -> None:
        m.get_int()  # 1, standard error, is the only type there is
        self._hand_over(True, m.get_binary())

    def _hand_over(self, stderr: bool, data: bytes) -> None:
        self._granted -= len(data)
        if self._granted < 0:
            raise SSHException("the host sent more than it may")  # or it could fill our memory
        self._wire.notify(self._listener.data, stderr, data)

    def take_room(self, m: Message) -> None:
        self._room += m.get_int()
        self._pump()

    def take_request(self, m: Message) -> None:
        kind = m.get_text()
        if kind == "exit-status":
            m.get_boolean()
            self._wire.notify(self._listener.exited, m.get_int(), None)
        elif kind == "exit-signal":
            m.get_boolean()
            self._wire.notify(self._listener.exited, None, m.get_text())
        elif m.get_boolean():
            self._wire.send(self._message(common.cMSG_CHANNEL_FAILURE))

    def take_success(self, m: Message) -> None:
        """Our command runs; nothing waits for it."""

    def take_failure(self, m: Message) -> None:
        self._wire.notify(self._listener.refused, "the host refused to run a command")
        self.close()

    def take_eof(self, m: Message) -> None:
        self._wire.notify(self._listener.ended, False)

    def take_close(self, m: Message) -> None:
        self.close()

    def _unlink(self) -> None:  # the name paramiko calls when the connection is over
        self._end()


BY_MESSAGE: dict[int, Callable[[Any, Message], None]] = {
    common.MSG_CHANNEL_SUCCESS: Channel.take_success,
    common.MSG_CHANNEL_FAILURE: Channel.take_failure,
    common.MSG_CHANNEL_DATA: Channel.take_output,
    common.MSG_CHANNEL_EXTENDED_DATA: Channel.take_error,
    common.MSG_CHANNEL_WINDOW_ADJUST: Channel.take_room,
    common.MSG_CHANNEL_REQUEST: Channel.take_request,
    common.MSG_CHANNEL_EOF: Channel.take_eof,
    common.MSG_CHANNEL_CLOSE: Channel.take_close,
}
