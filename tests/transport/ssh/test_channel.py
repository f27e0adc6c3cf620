"""One channel by itself: windows both ways, and a host that does not keep to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paramiko import common
from paramiko.message import Message
from paramiko.ssh_exception import SSHException

from gigactl.transport.ssh.channel import WINDOW, Channel, Opening


class Wire:
    """Keeps what is sent and told."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.told: list[tuple[str, tuple[Any, ...]]] = []

    def send(self, message: Message) -> None:
        self.sent.append(message.asbytes())

    def notify(self, call: Callable[..., None], *values: Any) -> None:
        self.told.append((call.__name__, values))

    def forget(self, number: int) -> None:
        self.told.append(("forget", (number,)))

    def data(self) -> bytes:
        """The payload of all CHANNEL_DATA sent."""
        parts = []
        for sent in self.sent:
            if sent[:1] == common.cMSG_CHANNEL_DATA:
                message = Message(sent[5:])
                parts.append(message.get_binary())
        return b"".join(parts)


class Listener:
    def opened(self) -> None: ...

    def refused(self, reason: str) -> None: ...

    def data(self, stderr: bool, data: bytes) -> None: ...

    def exited(self, code: int | None, signal: str | None) -> None: ...

    def drained(self) -> None: ...

    def ended(self, closed: bool) -> None: ...


def opened(room: int = 1000) -> tuple[Channel, Wire]:
    wire = Wire()
    channel = Channel(wire, 0, Opening(command="true"), Listener())
    channel.request_open()
    channel.confirmed(7, room, 100)
    return channel, wire


def message(*parts: bytes | int) -> Message:
    made = Message()
    for part in parts:
        if isinstance(part, int):
            made.add_int(part)
        else:
            made.add_string(part)
    made.rewind()
    return made


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=400), max_size=6),
    rooms=st.lists(st.integers(1, 500), max_size=12),
    first=st.integers(0, 300),
)
def test_never_more_is_sent_than_the_host_has_room_for(pieces: list[bytes], rooms: list[int], first: int) -> None:
    channel, wire = opened(first)
    allowed = first
    for piece in pieces:
        channel.feed(piece, eof=False)
    channel.feed(b"", eof=True)
    for room in rooms:
        assert len(wire.data()) <= allowed
        channel.take_room(message(room))
        allowed += room
    whole = b"".join(pieces)
    assert wire.data() == whole[:allowed]
    assert any(sent[:1] == common.cMSG_CHANNEL_EOF for sent in wire.sent) == (len(whole) <= allowed)


def test_a_host_that_sends_more_than_it_may_is_cut_off() -> None:
    channel, _ = opened()
    for _ in range(WINDOW // 1024):
        channel.take_output(message(b"x" * 1024))
    channel.acknowledge(1024)
    channel.take_error(message(1, b"x" * 1024))
    with pytest.raises(SSHException, match="more than it may"):
        channel.take_output(message(b"x"))


def test_its_end_is_told_once() -> None:
    channel, wire = opened()
    channel.take_eof(message())
    channel.take_close(message())
    channel.close()
    channel._unlink()
    assert [(name, values) for name, values in wire.told if name == "ended"] == [
        ("ended", (False,)),
        ("ended", (True,)),
    ]
    assert sum(sent[:1] == common.cMSG_CHANNEL_CLOSE for sent in wire.sent) == 1
