"""Putting host keys on record: which keys somebody vouches for, and a known_hosts file with them. Pure, but `save`."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gigactl.errors import HostKeyChanged, HostKeyUnknown, InvalidDocument, Problem
from gigactl.transport.ssh.known_hosts import Entry, Known, KnownHosts, fingerprint, key_type, parse

_PREFIX = "SHA256:"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key, proved by the host that showed it."""

    blob: bytes

    @property
    def kind(self) -> str:
        return key_type(self.blob)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)

    @property
    def line(self) -> str:
        """As in known_hosts, without the host's name."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True, slots=True)
class Scanned:
    """The keys one host shows. `label`: its name in known_hosts; `file`: the one its keys are looked for in first."""

    host: str
    label: str
    file: str
    keys: tuple[HostKey, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A known_hosts text with a host's keys in it, and what that changed."""

    text: str
    added: tuple[HostKey, ...]
    replaced: tuple[str, ...]


def parse_fingerprints(text: str, file: str) -> Mapping[str, frozenset[str]]:
    """`HOST SHA256:…` per line, `#` comments; several lines per host. Raises InvalidDocument with all problems."""
    wanted: dict[str, set[str]] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split("#", 1)[0].split()
        if not fields:
            continue
        if len(fields) != 2 or not fields[1].startswith(_PREFIX) or len(fields[1]) != len(_PREFIX) + 43:
            problems.append(Problem(file, number, "not `HOST SHA256:…` (43 characters after the colon)"))
            continue
        wanted.setdefault(fields[0], set()).add(fields[1])
    if problems:
        raise InvalidDocument(tuple(problems))
    return {host: frozenset(prints) for host, prints in wanted.items()}


def vouched_by_fingerprint(scanned: Scanned, wanted: frozenset[str]) -> tuple[HostKey, ...]:
    """The keys whose fingerprint is wanted. Raises HostKeyChanged when the host shows none of them."""
    return _vouched(scanned, [key for key in scanned.keys if key.fingerprint in wanted], sorted(wanted))


def vouched_by_known(scanned: Scanned, known: Known) -> tuple[HostKey, ...]:
    """The keys that another known_hosts file has. Raises HostKeyChanged when the host shows none of them."""
    return _vouched(scanned, [key for key in scanned.keys if known.accepts(key.blob)], map(fingerprint, known.keys))


def _vouched(scanned: Scanned, found: Sequence[HostKey], wanted: Iterable[str]) -> tuple[HostKey, ...]:
    if found:
        return tuple(found)
    expected = ", ".join(wanted)
    if not expected:
        raise HostKeyUnknown(f"{scanned.host} ({scanned.label}): nobody vouches for its keys")
    shown = ", ".join(f"{key.kind} {key.fingerprint}" for key in scanned.keys)
    raise HostKeyChanged(f"{scanned.host} ({scanned.label}) shows {shown}; wanted is {expected}", hint="")


def record(text: str, file: str, scanned: Scanned, keys: Sequence[HostKey], *, replace: bool = False) -> Recorded:
    """`text` with `keys` on record for the host. Every other line stays as and where it is.

    Raises HostKeyChanged when another key of the same kind is on record and `replace` is not set, and for a key that
    is marked @revoked in any case.
    """
    entries = parse(text, file)
    known = KnownHosts(entries).exactly(scanned.label)
    for key in keys:
        if key.blob in known.revoked:
            raise HostKeyChanged(f"{scanned.host}: {key.fingerprint} is marked @revoked in {file}", hint="")
    kinds = {key.kind for key in keys}
    wanted = {key.blob for key in keys}
    stale = [entry for entry in known.entries if key_type(entry.blob) in kinds and entry.blob not in wanted]
    if stale and not replace:
        raise HostKeyChanged(_conflict(scanned, keys, stale))
    patterns = [entry.place for entry in stale if set(entry.names) & set("*?!")]
    if patterns:
        raise HostKeyChanged(_conflict(scanned, keys, stale), hint=f"a pattern speaks for it: edit {patterns[0]}")
    lines = text.splitlines()
    for entry in sorted(stale, key=lambda entry: -entry.line):
        lines[entry.line - 1 : entry.line] = _without(lines[entry.line - 1], entry, scanned.label)
    added = tuple(key for key in keys if key.blob not in known.keys)
    lines += [f"{scanned.label} {key.line}" for key in added]
    return Recorded("\n".join(lines) + "\n" if lines else "", added, tuple(fingerprint(entry.blob) for entry in stale))


def _without(line: str, entry: Entry, label: str) -> list[str]:
    """The line for the hosts it also names; nothing when it names only this one."""
    others = [name for name in entry.names.split(",") if name.lower() != label.lower()]
    if entry.names.startswith("|") or not others:
        return []
    return [line.replace(entry.names, ",".join(others), 1)]


def _conflict(scanned: Scanned, keys: Sequence[HostKey], stale: Sequence[Entry]) -> str:
    shown = ", ".join(f"{key.kind} {key.fingerprint}" for key in keys)
    recorded = ", ".join(f"{key_type(entry.blob)} {fingerprint(entry.blob)} ({entry.place})" for entry in stale)
    return f"{scanned.host} ({scanned.label}) shows {shown}; on record is {recorded}"


def save(path: Path, text: str) -> None:
    """Replace the file in one step; its mode is kept, a new one is its owner's alone."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
