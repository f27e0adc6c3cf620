"""known_hosts as sshd(8) describes it, compared with ssh-keygen where that has an opinion."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.transport.ssh.known_hosts import KnownHosts, algorithms, fingerprint, key_type, parse


def blob(text: str = "a", kind: str = "ssh-ed25519") -> bytes:
    """A key blob of that kind, as good as any for looking up."""
    name = kind.encode()
    rest = hashlib.sha256(text.encode()).digest()
    return struct.pack(">I", len(name)) + name + struct.pack(">I", len(rest)) + rest


def line(names: str, key: bytes, marker: str = "", comment: str = "") -> str:
    return " ".join(filter(None, (marker, names, key_type(key), base64.b64encode(key).decode(), comment))) + "\n"


def hashed(name: str, salt: bytes = b"salt" * 5) -> str:
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def known(text: str) -> KnownHosts:
    return KnownHosts(parse(text, "file"))


def test_names_ports_and_several_hosts_in_a_line() -> None:
    hosts = known(line("gpu001,10.0.0.1,[gpu001]:2222", blob("a"), comment="by hand") + line("gpu002", blob("b")))
    assert hosts.lookup(["gpu001"], 22).keys == (blob("a"),)
    assert hosts.lookup(["10.0.0.1"], 22).keys == (blob("a"),)
    assert hosts.lookup(["gpu001"], 2222).keys == (blob("a"),)
    assert hosts.lookup(["GPU002"], 22).keys == (blob("b"),)
    assert hosts.lookup(["gpu003"], 22).keys == ()
    assert hosts.lookup(["gpu002"], 22).places == ("file:2",)


def test_the_port_s_own_entry_goes_before_the_host_s() -> None:
    hosts = known(line("gpu001", blob("plain")) + line("[gpu001]:2222", blob("port")))
    assert hosts.lookup(["gpu001"], 2222).keys == (blob("port"),)
    assert hosts.lookup(["gpu001"], 2223).keys == (blob("plain"),)


def test_several_keys_of_one_host() -> None:
    keys = (blob("a"), blob("b", "ssh-rsa"))
    hosts = known("".join(line("gpu001", key) for key in keys))
    assert hosts.lookup(["gpu001"], 22).keys == keys
    assert all(hosts.lookup(["gpu001"], 22).accepts(key) for key in keys)


def test_patterns_and_their_negation() -> None:
    hosts = known(line("gpu*.example,!gpu666.example", blob()) + line("[10.0.?.1]:2222", blob("b")))
    assert hosts.lookup(["gpu001.example"], 22).keys == (blob(),)
    assert hosts.lookup(["gpu666.example"], 22).keys == ()
    assert hosts.lookup(["gpu001xexample"], 22).keys == ()
    assert hosts.lookup(["10.0.5.1"], 2222).keys == (blob("b"),)


def test_revoked_and_authorities() -> None:
    text = (
        line("*", blob("bad"), "@revoked") + line("*.example", blob("ca"), "@cert-authority") + line("a", blob("bad"))
    )
    hosts = known(text)
    assert not hosts.lookup(["a"], 22).accepts(blob("bad"))
    assert hosts.lookup(["b.example"], 22).authorities
    assert hosts.lookup(["b.example"], 22).keys == ()


def test_hashed_entries_are_found_and_found_again() -> None:
    hosts = known(
        "".join(line(hashed(f"gpu{number}", bytes([number]) * 20), blob(str(number))) for number in range(50))
    )
    for _ in range(2):
        for number in range(50):
            assert hosts.lookup([f"gpu{number}"], 22).keys == (blob(str(number)),)
        assert hosts.lookup(["gpu50"], 22).keys == ()


def test_ssh_keygen_finds_what_we_find(tmp_path: Path) -> None:
    file = tmp_path / "known"
    file.write_text(line("gpu001,10.0.0.1", blob()) + line("[gpu002]:2222", blob("b")))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    hosts = known(file.read_text())
    assert hosts.lookup(["10.0.0.1"], 22).keys == (blob(),)
    assert hosts.lookup(["gpu002"], 2222).keys == (blob("b"),)


@pytest.mark.parametrize(
    "text",
    ["", "\n\n# comment\n", "gpu001", "gpu001 ssh-ed25519", "gpu001 ssh-ed25519 not!base64", "|1|x gpu001 AAAA",
     "@marker", "gpu001 ssh-rsa " + base64.b64encode(blob()).decode(), "|2|a|b ssh-ed25519 "
     + base64.b64encode(blob()).decode()],
)  # fmt: skip
def test_lines_that_are_none_are_passed_over(text: str) -> None:
    hosts = known(text + "\n" + line("gpu002", blob()))
    assert hosts.lookup(["gpu001"], 22).keys == ()
    assert hosts.lookup(["gpu002"], 22).keys == (blob(),)


def test_what_is_on_record_is_asked_for_first() -> None:
    assert algorithms([])[0] == "ssh-ed25519"
    assert algorithms([blob(kind="ssh-rsa")])[:3] == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519")
    assert algorithms([blob(kind="ecdsa-sha2-nistp384")])[:2] == ("ecdsa-sha2-nistp384", "ssh-ed25519")
    assert "ssh-rsa" not in algorithms([])


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    known(text).lookup(["gpu001", "10.0.0.1"], 2222)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_any_blob_has_a_kind_and_a_fingerprint(data: bytes) -> None:
    assert key_type(data)
    assert len(fingerprint(data)) == len("SHA256:") + 43


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz"), st.booleans()), max_size=12))
def test_hashing_the_names_changes_nothing(entries: list[tuple[str, str, bool]]) -> None:
    plain = known("".join(line(name, blob(key)) for name, key, _ in entries))
    mixed = known("".join(line(hashed(name) if hash_it else name, blob(key)) for name, key, hash_it in entries))
    for name in "abcdef":
        assert set(mixed.lookup([name], 22).keys) == set(plain.lookup([name], 22).keys)
