"""Keys of a lab: one for the people who use it, one for each host. All Ed25519, made in this process (1,000 in a
second).
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def make_key(comment: str) -> tuple[bytes, str]:
    """A new key: the private file's bytes, the public line (`ssh-ed25519 AAAA… comment`)."""
    key = Ed25519PrivateKey.generate()
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + f" {comment}\n"
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), line


def write_key(path: Path, key: tuple[bytes, str]) -> None:
    """Both files of a key; the private one is its owner's alone from the beginning."""
    private, public = key
    path.touch(0o600, exist_ok=False)
    path.write_bytes(private)
    path.with_name(path.name + ".pub").write_text(public, encoding="ascii")


def known_host(address: str, port: int, public_line: str) -> str:
    """The line of a known_hosts file for a host."""
    kind, key = public_line.split()[:2]
    place = address if port == 22 else f"[{address}]:{port}"
    return f"{place} {kind} {key}\n"
