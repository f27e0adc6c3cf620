"""What holds for a host: its own words over its groups', the later group over the earlier, groups over defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gigactl.inventory.layout import Shared, Ssh
from gigactl.inventory.model import SshSettings

_SCALARS = ("model", "board", "gpus", "become", "scheduler", "transport")


@dataclass(frozen=True, slots=True)
class Holds:
    """What holds for hosts of one entry with the same groups."""

    model: str | None
    board: str | None
    gpus: int | None
    become: str | None
    scheduler: str | None
    transport: str
    labels: Mapping[str, str]
    vars: Mapping[str, Any]
    ssh: SshSettings


NOTHING = Holds(None, None, None, None, None, "ssh", {}, {}, SshSettings())
"""What holds before anything is said."""


def over(below: Holds, layer: Shared, directory: Path) -> Holds:
    """What holds with `layer` over what held before. Paths start at `directory`; mappings are shared, not copied."""
    said: dict[str, Any] = {name: value for name in _SCALARS if (value := getattr(layer, name)) is not None}
    if said.get("become") == "none":
        said["become"] = None
    if layer.labels:
        said["labels"] = {**below.labels, **layer.labels}
    if layer.vars:
        said["vars"] = {**below.vars, **layer.vars}
    if layer.ssh is not None:
        said["ssh"] = _over(below.ssh, layer.ssh, directory)
    return replace(below, **said) if said else below


def absolute(text: str, directory: Path) -> str:
    """A path as it is opened: `~` is the user's home, a relative one starts at `directory`."""
    return os.path.normpath(directory / os.path.expanduser(text))


def identities(ssh: Ssh | None) -> tuple[str, ...]:
    """The identity files as written; ranges in them are not expanded."""
    if ssh is None or ssh.identity_file is None:
        return ()
    return (ssh.identity_file,) if isinstance(ssh.identity_file, str) else tuple(ssh.identity_file)


def _over(below: SshSettings, ssh: Ssh, directory: Path) -> SshSettings:
    said: dict[str, Any] = {
        name: value for name in ("user", "port", "proxy_jump") if (value := getattr(ssh, name)) is not None
    }
    for name in ("known_hosts", "config_file"):
        if (path := getattr(ssh, name)) is not None:
            said[name] = absolute(path, directory)
    if ssh.identity_file is not None:
        said["identity_file"] = tuple(absolute(path, directory) for path in identities(ssh))
    return replace(below, **said)
