"""From an endpoint to how it is really reached: the inventory's word first, then the common part of ~/.ssh/config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import paramiko

from gigactl.errors import Unreachable
from gigactl.inventory.model import SshSettings
from gigactl.transport.base import Endpoint
from gigactl.transport.ssh.known_hosts import DEFAULT_PORT
from gigactl.transport.ssh.options import SshOptions

_DEEPEST = 8
"""Hosts to jump over, and files to include in one another, before it is taken for a circle."""
NO_CONFIG = "none"


@dataclass(frozen=True, slots=True)
class Route:
    """One connection, every default applied. `key_files` empty: the `default_keys` that exist. `via`: the jump host."""

    name: str
    address: str
    port: int
    user: str
    key_files: tuple[str, ...]
    default_keys: tuple[str, ...]
    known_hosts: tuple[str, ...]
    agent_socket: str | None
    via: Route | None = None

    @property
    def where(self) -> str:
        """For messages: `gpu001 (10.0.0.1:22)`, and what it is reached over."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        place = f"{address}:{self.port}" if self.via is None else f"{address}:{self.port} via {self.via.name}"
        return f"{self.name} ({place})"


class Router:
    """Resolves endpoints; reads each config file once."""

    def __init__(self, options: SshOptions) -> None:
        self._options = options
        self._configs: dict[str, paramiko.SSHConfig | None] = {}

    def route(self, endpoint: Endpoint, depth: int = 0) -> Route:
        """Raises Unreachable where a config file or a jump makes no sense."""
        if depth > _DEEPEST:
            raise Unreachable(f"{endpoint.name}: ProxyJump goes round in a circle")
        ssh, said = endpoint.ssh, self._said(endpoint)
        address = endpoint.address if endpoint.address != endpoint.name else said.get("hostname", endpoint.address)
        key_files = ssh.identity_file or self._paths(said.get("identityfile", ""))
        return Route(
            name=endpoint.name,
            address=address,
            port=ssh.port or _port(said.get("port", str(DEFAULT_PORT)), endpoint.name),
            user=ssh.user or said.get("user", self._options.user),
            key_files=key_files,
            default_keys=() if key_files else self._options.default_keys,
            known_hosts=self._known_hosts(ssh, said),
            agent_socket=self._agent(said.get("identityagent")),
            via=self._via(ssh, said, endpoint, depth),
        )

    def _known_hosts(self, ssh: SshSettings, said: Mapping[str, str]) -> tuple[str, ...]:
        if ssh.known_hosts:
            return (ssh.known_hosts,)
        return self._paths(*said.get("userknownhostsfile", "").split()) or self._options.default_known_hosts

    def _via(self, ssh: SshSettings, said: Mapping[str, str], endpoint: Endpoint, depth: int) -> Route | None:
        if not ssh.proxy_jump and said.get("proxycommand", NO_CONFIG).lower() != NO_CONFIG:
            raise Unreachable(
                f"{endpoint.name}: the SSH config names a ProxyCommand, which is not supported",
                hint="name the host to jump over: ProxyJump there, or `proxy_jump` in the inventory",
            )
        jumps = ssh.proxy_jump or said.get("proxyjump", NO_CONFIG)
        if jumps.lower() == NO_CONFIG:
            return None
        *before, last = [part.strip() for part in jumps.split(",")]
        user, name, port = _split_jump(last, endpoint.name)
        settings = SshSettings(
            user, port, ssh.identity_file, ssh.known_hosts, ",".join(before) or None, ssh.config_file
        )
        return self.route(Endpoint(name, name, settings), depth + 1)

    def _said(self, endpoint: Endpoint) -> dict[str, str]:
        """What the config file says of the host by its name, then by its address. Lists are joined by line ends."""
        file = endpoint.ssh.config_file or str(self._options.home / ".ssh/config")
        if file not in self._configs:
            self._configs[file] = None if file == NO_CONFIG else _read_config(Path(file))
        config = self._configs[file]
        said: dict[str, str] = {}
        for name in dict.fromkeys((endpoint.name, endpoint.address)) if config is not None else ():
            assert config is not None
            for key, value in _lookup(config, name, file).items():
                if value and not (key == "hostname" and value == name):
                    said.setdefault(key, "\n".join(value) if isinstance(value, list) else value)
        return said

    def _paths(self, *texts: str) -> tuple[str, ...]:
        return tuple(self._path(line) for text in texts for line in text.splitlines() if line)

    def _path(self, text: str) -> str:
        return (
            str(self._options.home / text[2:]) if text.startswith("~/") else text.replace("%d", str(self._options.home))
        )

    def _agent(self, said: str | None) -> str | None:
        if said is None or said == "SSH_AUTH_SOCK":
            return self._options.agent_socket
        return None if said.lower() == NO_CONFIG else self._path(said)


def _lookup(config: paramiko.SSHConfig, name: str, file: str) -> Mapping[str, str | list[str]]:
    try:
        found: Mapping[str, str | list[str]] = config.lookup(name)
    except (paramiko.SSHException, KeyError, ValueError, OSError) as error:
        raise Unreachable(f"{name}: {file}: {error}") from None
    return found


def _read_config(path: Path) -> paramiko.SSHConfig | None:
    if not path.is_file():
        return None
    try:
        return paramiko.SSHConfig.from_text("\n".join(_lines(path, 0)))
    except (paramiko.ConfigParseError, OSError, UnicodeDecodeError) as error:
        raise Unreachable(f"{path}: {error}") from None


def _lines(path: Path, depth: int) -> Iterator[str]:
    """The file's lines, `Include` spliced in, which paramiko's reader does not know."""
    for line in path.read_text().splitlines():
        keyword, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if keyword.lower() != "include":
            yield line
        elif depth < _DEEPEST:
            for file in _included(path, rest.split()):
                yield from _lines(file, depth + 1)


def _included(path: Path, patterns: Sequence[str]) -> Iterator[Path]:
    for pattern in patterns:
        wanted = Path(pattern.strip('"')).expanduser()
        yield from map(Path, sorted(glob(str(wanted if wanted.is_absolute() else path.parent / wanted))))


def _split_jump(text: str, name: str) -> tuple[str | None, str, int | None]:
    user, _, place = text.removeprefix("ssh://").rpartition("@")
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif place.count(":") == 1:
        host, _, port = place.partition(":")
    else:
        host, port = place, ""
    if not host:
        raise Unreachable(f"{name}: ProxyJump {text!r} names no host")
    return user or None, host, _port(port, name) if port else None


def _port(text: str, name: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise Unreachable(f"{name}: {text!r} is not a port")
