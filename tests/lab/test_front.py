"""The SSH port of a host and how it can behave badly; no root needed."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator

import pytest

from gigactl.lab.effect import Reach
from gigactl.lab.front import Front

ADDRESS = "127.126.254.1"


class Host:
    """Stands where the host's PID 1 is: gets the connections that the front passes on."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with socket.socket() as finder:
            finder.bind((ADDRESS, 0))
            port = finder.getsockname()[1]
        self.front = Front(ADDRESS, port, self.selector, lambda: self.front.accept(self.ours))

    def connect(self, timeout: float = 5.0) -> socket.socket:
        return socket.create_connection((ADDRESS, self.front.port), timeout=timeout)

    def turn(self) -> None:
        for key, _events in self.selector.select(1.0):
            key.data()

    def received(self) -> socket.socket:
        self.theirs.settimeout(5.0)
        _data, descriptors, _flags, _address = socket.recv_fds(self.theirs, 16, 1)
        return socket.socket(fileno=descriptors[0])


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.front.close()
    made.ours.close()
    made.theirs.close()
    made.selector.close()


def test_serving_passes_the_connection_on(host: Host) -> None:
    host.front.open(Reach.SERVING)
    with host.connect() as client:
        host.turn()
        with host.received() as served:
            served.sendall(b"SSH-2.0-host\r\n")
        assert client.recv(64) == b"SSH-2.0-host\r\n"


def test_refused(host: Host) -> None:
    host.front.open(Reach.REFUSED)
    with pytest.raises(ConnectionRefusedError):
        host.connect()


def test_silent_gives_no_answer(host: Host) -> None:
    host.front.open(Reach.SILENT)
    with pytest.raises(TimeoutError):
        host.connect(timeout=0.3)


def test_mute_accepts_and_says_nothing(host: Host) -> None:
    host.front.open(Reach.MUTE)
    with host.connect() as client:
        host.turn()
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        host.front.open(Reach.REFUSED)
        client.settimeout(5.0)
        assert client.recv(1) == b""


def test_mute_keeps_nothing_that_the_other_end_has_left(host: Host) -> None:
    host.front.open(Reach.MUTE)
    with host.connect() as client:
        host.turn()
        client.sendall(b"SSH-2.0-client\r\n")
        host.turn()
        assert len(host.selector.get_map()) == 2
    host.turn()
    assert len(host.selector.get_map()) == 1


def test_a_host_that_has_just_ended_cuts_off(host: Host) -> None:
    host.front.open(Reach.SERVING)
    host.theirs.close()
    with host.connect() as client:
        host.turn()
        client.settimeout(5.0)
        assert client.recv(1) == b""


def test_back_to_serving(host: Host) -> None:
    for reach in (Reach.SILENT, Reach.MUTE, Reach.REFUSED, Reach.SERVING):
        host.front.open(reach)
    with host.connect():
        host.turn()
        host.received().close()
