"""The fleet as values: frozen, picklable, every default already applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gigactl.inventory.profile import Board, Model


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How a host is reached over SSH. Paths are absolute (relative ones start at the inventory's directory).

    `known_hosts` and `identity_file` empty: the user's own (`~/.ssh/known_hosts`, agent and default keys).
    """

    user: str | None = None
    port: int | None = None
    identity_file: tuple[str, ...] = ()
    known_hosts: str | None = None
    proxy_jump: str | None = None
    config_file: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in a document something was said."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Host:
    """One server. `become`: `sudo` or None; `scheduler`: a name, `none`, or None where nothing is said.

    `transport`: `ssh`, `local` or `simulated`; `labels` holds what the inventory says (`site`, `rack`, …).
    `gpus`: how many GPUs were built in, None where the inventory does not say. Hosts of one entry share their mappings.
    """

    name: str
    address: str
    model: str | None = None
    board: str | None = None
    gpus: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=dict)
    ssh: SshSettings = field(default_factory=SshSettings)
    become: str | None = None
    scheduler: str | None = None
    transport: str = "ssh"
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """The whole fleet, hosts in the order of the document. `groups` maps a name to the names of its hosts.

    `models` and `boards`: the user's own expectation profiles.
    """

    file: str
    hosts: tuple[Host, ...]
    groups: Mapping[str, tuple[str, ...]]
    models: Mapping[str, Model] = field(default_factory=dict)
    boards: Mapping[str, Board] = field(default_factory=dict)
