"""The non-public parts of paramiko that wire.py leans on are there, and are what it takes them for."""

from __future__ import annotations

import inspect
import socket

import paramiko
import pytest
from paramiko.auth_handler import AuthHandler
from paramiko.packet import Packetizer

from gigactl.transport.ssh import wire


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (paramiko.Transport, "_send_message", ["self", "data"]),
        (paramiko.Transport, "_verify_key", ["self", "host_key", "sig"]),
        (paramiko.Transport, "_parse_newkeys", ["self", "m"]),
        (paramiko.Transport, "_parse_disconnect", ["self", "m"]),
        (paramiko.Transport, "_parse_debug", ["self", "m"]),
        (paramiko.Transport, "_check_banner", ["self"]),
        (paramiko.Transport, "_next_channel", ["self"]),
        (AuthHandler, "_request_auth", ["self"]),
        (AuthHandler, "_parse_service_accept", ["self", "m"]),
        (AuthHandler, "auth_publickey", ["self", "username", "key", "event"]),
        (Packetizer, "start_handshake", ["self", "timeout"]),
        (Packetizer, "complete_handshake", ["self"]),
        (Packetizer, "handshake_timed_out", ["self"]),
        (Packetizer, "read_all", ["self", "n", "check_rekey"]),
        (paramiko.agent.AgentSSH, "_connect", ["self", "conn"]),
        (paramiko.agent.AgentSSH, "_send_message", ["self", "msg"]),
    ],
)
def test_a_method_is_there(owner: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


def test_every_channel_message_of_paramiko_reaches_our_channels() -> None:
    theirs = vars(paramiko.Transport)["_channel_handler_table"]
    assert set(wire.Wire._channel_handler_table) == set(theirs)


def test_paramiko_knows_the_algorithms_we_ask_for() -> None:
    known = vars(paramiko.Transport)
    assert set(wire.CIPHERS) <= set(known["_cipher_info"])
    assert set(wire.MACS) <= set(known["_mac_info"])
    assert set(wire.KEX) - set(known["_kex_info"]) <= {"mlkem768x25519-sha256"}  # where cryptography is older
    assert wire.Wire._preferred_kex[0] == "curve25519-sha256@libssh.org"


@pytest.mark.parametrize("name", ["preferred_kex", "preferred_ciphers", "preferred_macs", "preferred_keys"])
def test_paramiko_asks_for_its_preferences_by_these_names(name: str) -> None:
    assert isinstance(vars(paramiko.Transport)[name], property)


def test_a_transport_has_the_tables_that_are_overwritten() -> None:
    ours, theirs = socket.socketpair()
    transport = paramiko.Transport(ours)
    assert isinstance(vars(transport)["_handler_table"], dict)
    assert transport.clear_to_send.is_set() is False
    assert transport.channels_seen == {}
    for sock in (ours, theirs):
        sock.close()
