"""Which keys we log in with: private key files, read once, and what an ssh-agent holds."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import UnknownKeyType

from gigactl.transport.ssh import failures
from gigactl.transport.ssh.known_hosts import fingerprint
from gigactl.transport.ssh.wire import Agent

_UNREADABLE = (OSError, ValueError, TypeError, UnsupportedAlgorithm, paramiko.SSHException, UnknownKeyType)


@dataclass(frozen=True, slots=True)
class Identities:
    """The keys to offer, in order. `names` says what each is; `unusable` why others are not offered."""

    keys: tuple[paramiko.PKey, ...]
    names: tuple[str, ...]
    unusable: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        return "; ".join((", ".join(self.names) or "no key", *self.unusable))


class KeyRing:
    """Reads each key file, and the agent, at most once."""

    def __init__(self) -> None:
        self._agents: dict[str, tuple[paramiko.PKey, ...] | str] = {}
        self._files: dict[str, paramiko.PKey | str] = {}
        self._identities: dict[tuple[tuple[str, ...], tuple[str, ...], str | None], Identities] = {}

    def identities(self, wanted: tuple[str, ...], defaults: tuple[str, ...], agent_socket: str | None) -> Identities:
        """`wanted` files first, then the agent's keys, then, where nothing is wanted, the `defaults` that exist."""
        asked = (wanted, defaults, agent_socket)
        if asked not in self._identities:
            self._identities[asked] = self._collect(*asked)
        return self._identities[asked]

    def _collect(self, wanted: tuple[str, ...], defaults: tuple[str, ...], agent_socket: str | None) -> Identities:
        found: dict[bytes, tuple[paramiko.PKey, str]] = {}
        unusable: list[str] = []
        held = self._agent_keys(agent_socket, unusable)
        for path in wanted:
            self._take(path, held, found, unusable)
        for blob, key in held.items():
            found.setdefault(blob, (key, f"agent {fingerprint(blob)}"))
        for path in defaults if not wanted else ():
            if Path(path).is_file():
                self._take(path, held, found, unusable)
        keys, names = zip(*found.values(), strict=True) if found else ((), ())
        return Identities(keys, names, tuple(unusable))

    def _take(
        self,
        path: str,
        held: dict[bytes, paramiko.PKey],
        found: dict[bytes, tuple[paramiko.PKey, str]],
        unusable: list[str],
    ) -> None:
        blob = _public_half(path)
        if blob in held:
            found.setdefault(blob, (held[blob], f"{path} (in the agent)"))
            return
        if path not in self._files:
            self._files[path] = _read(path)
        key = self._files[path]
        if isinstance(key, str):
            unusable.append(key)
        else:
            found.setdefault(key.asbytes(), (key, path))

    def _agent_keys(self, socket_path: str | None, unusable: list[str]) -> dict[bytes, paramiko.PKey]:
        if socket_path is None:
            return {}
        if socket_path not in self._agents:
            try:
                self._agents[socket_path] = Agent(socket_path).get_keys()
            except (OSError, paramiko.SSHException) as error:
                self._agents[socket_path] = f"the agent at {socket_path} does not answer: {error}"
        keys = self._agents[socket_path]
        if isinstance(keys, str):
            unusable.append(keys)
            return {}
        return {key.asbytes(): key for key in keys}


def _read(path: str) -> paramiko.PKey | str:
    try:
        return paramiko.PKey.from_path(path)
    except _UNREADABLE as error:
        return failures.key_file(path, error)


def _public_half(path: str) -> bytes | None:
    """The blob of PATH.pub, or of PATH itself where that is a public key."""
    for candidate in _existing((path + ".pub", path)):
        fields = candidate.split(None, 2)
        if len(fields) >= 2 and not candidate.startswith(b"-"):
            try:
                return base64.b64decode(fields[1], validate=True)
            except binascii.Error:
                continue
    return None


def _existing(paths: Iterable[str]) -> Iterable[bytes]:
    for path in paths:
        try:
            yield Path(path).read_bytes()[:16384]
        except OSError:
            continue
