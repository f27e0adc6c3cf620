"""known_hosts files (sshd(8)), read once into raw key blobs. Pure.

Plain names are a dictionary. Hashed names cost one HMAC per entry and host; an entry found is not tried again.
Host certificates are not supported: a `@cert-authority` line is remembered only so as to say so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

DEFAULT_PORT: Final = 22
# ssh-rsa is the key's name, not a signature we take
_RSA: Final = ("rsa-sha2-512", "rsa-sha2-256")
_ECDSA: Final = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_TYPES: Final = ("ssh-ed25519", *_ECDSA, "ssh-rsa")
KINDS: Final = ("ed25519", "ecdsa", "rsa")


def key_type(blob: bytes) -> str:
    """The name inside a public key blob (RFC 4253 6.6), `?` when it is none."""
    if len(blob) < 4:
        return "?"
    (length,) = struct.unpack(">I", blob[:4])
    name = blob[4 : 4 + length]
    return name.decode("ascii", "replace") if len(name) == length <= 64 else "?"


def fingerprint(blob: bytes) -> str:
    """`SHA256:…` as ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def host_label(address: str, port: int) -> str:
    """The name a host has in known_hosts."""
    return address if port == DEFAULT_PORT else f"[{address}]:{port}"


def algorithms(keys: Iterable[bytes]) -> tuple[str, ...]:
    """Host key algorithms to ask for: those of the keys on record first, so that the host shows one we know."""
    recorded = {key_type(blob) for blob in keys}
    ordered = [name for name in _TYPES if name in recorded] + [name for name in _TYPES if name not in recorded]
    return tuple(algorithm for name in ordered for algorithm in (_RSA if name == "ssh-rsa" else (name,)))


def algorithms_of(kind: str) -> tuple[str, ...]:
    """Those for one of KINDS."""
    return {"ed25519": _TYPES[:1], "ecdsa": _ECDSA, "rsa": _RSA}[kind]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: its names as written, `marker` (`@revoked`, `@cert-authority` or empty), the key, where it stands."""

    names: str
    marker: str
    blob: bytes
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Known:
    """What is on record for one host: the entries that name it, its revoked keys, whether a host CA vouches for it."""

    entries: tuple[Entry, ...] = ()
    revoked: frozenset[bytes] = frozenset()
    authorities: bool = False

    @property
    def keys(self) -> tuple[bytes, ...]:
        return tuple(dict.fromkeys(entry.blob for entry in self.entries))

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.place for entry in self.entries))

    def accepts(self, blob: bytes) -> bool:
        return blob in self.keys and blob not in self.revoked


def parse(text: str, file: str) -> tuple[Entry, ...]:
    """The entries of one file. Comments, empty lines and lines that are none are passed over, as OpenSSH does."""
    blobs: dict[str, bytes | None] = {}
    entries: list[Entry] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split(None, 4)
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) < 3:
            continue
        names, kind, encoded = fields[:3]
        if encoded not in blobs:
            blobs[encoded] = _decode(encoded)
        blob = blobs[encoded]
        if blob is not None and key_type(blob) == kind:
            entries.append(Entry(names, marker, blob, file, number))
    return tuple(entries)


def _decode(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:  # not base64, or not even ASCII
        return None


class KnownHosts:
    """All entries, by host."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._plain: dict[str, list[Entry]] = {}
        self._hashed: list[tuple[bytes, bytes, Entry]] = []
        self._patterns: list[tuple[tuple[re.Pattern[str], ...], tuple[re.Pattern[str], ...], Entry]] = []
        self._tried: set[str] = set()
        for entry in entries:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        if entry.names.startswith("|"):
            hashed = _parse_hash(entry.names)
            if hashed is not None:
                self._hashed.append((*hashed, entry))
            return
        names = [name for name in entry.names.lower().split(",") if name]
        if not any(set(name) & set("*?!") for name in names):
            for name in names:
                self._plain.setdefault(name, []).append(entry)
            return
        wanted = tuple(_pattern(name) for name in names if not name.startswith("!"))
        refused = tuple(_pattern(name[1:]) for name in names if name.startswith("!"))
        self._patterns.append((wanted, refused, entry))

    def lookup(self, names: Sequence[str], port: int) -> Known:
        """What is on record for a host under the first of its names that has any.

        A key recorded without a port serves for any port, as with OpenSSH.
        """
        labels = [host_label(name, port) for name in names]
        return self._of(labels + [name for name in names if port != DEFAULT_PORT])

    def exactly(self, label: str) -> Known:
        """What is on record under this very name."""
        return self._of([label])

    def _of(self, labels: Sequence[str]) -> Known:
        revoked: set[bytes] = set()
        authorities = False
        best: tuple[Entry, ...] = ()
        for label in labels:
            found = self._find(label.lower())
            revoked.update(entry.blob for entry in found if entry.marker == "@revoked")
            authorities = authorities or any(entry.marker == "@cert-authority" for entry in found)
            best = best or tuple(entry for entry in found if not entry.marker)
        return Known(best, frozenset(revoked), authorities)

    def _find(self, label: str) -> list[Entry]:
        if self._hashed and label not in self._tried:
            self._resolve(label)
        found = list(self._plain.get(label, ()))
        for wanted, refused, entry in self._patterns:
            if any(one.fullmatch(label) for one in wanted) and not any(one.fullmatch(label) for one in refused):
                found.append(entry)
        return found

    def _resolve(self, label: str) -> None:
        self._tried.add(label)
        name = label.encode()
        left: list[tuple[bytes, bytes, Entry]] = []
        for hashed in self._hashed:
            salt, digest, entry = hashed
            if hmac.digest(salt, name, "sha1") == digest:  # SHA-1 is the format's, ssh-keygen -H knows no other
                self._plain.setdefault(label, []).append(entry)
            else:
                left.append(hashed)
        self._hashed = left


def _parse_hash(text: str) -> tuple[bytes, bytes] | None:
    parts = text.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return None
    salt, digest = _decode(parts[2]), _decode(parts[3])
    return None if salt is None or digest is None else (salt, digest)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."))
