"""From what was typed and set to the hosts a command is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gigactl.cli.session import Session
from gigactl.errors import SafetyRail, UsageError
from gigactl.inventory.load import load_inventory
from gigactl.inventory.model import Host, Inventory
from gigactl.inventory.selector import select
from gigactl.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Fleet:
    """The inventory and the hosts selected from it, in its order."""

    inventory: Inventory
    hosts: tuple[Host, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(host.name for host in self.hosts)


def setting(session: Session, name: str) -> Any:
    """An option's value: typed, else GIGACTL_NAME, else the project file's, else the user file's, else the default."""
    return settings(session).value(name)


def settings(session: Session) -> Settings:
    """All of them, with their origins. Raises InvalidDocument with every problem of files and environment."""
    if "settings" not in session.memo:
        session.memo["settings"] = load_settings(session.given, session.world.environ, session.world.directory)
        state = session.memo["settings"].value("state")
        if session.log is not None and state is not None:
            session.log.below(session.world.directory / Path(state).expanduser())
    found: Settings = session.memo["settings"]
    return found


def inventory_file(session: Session) -> Path:
    """Which inventory. Raises UsageError when none is named anywhere."""
    file = setting(session, "inventory")
    if file is None:
        raise UsageError("no inventory", hint="use -i FILE, GIGACTL_INVENTORY, or `inventory:` in gigactl.yaml")
    return session.world.directory / Path(file).expanduser()


def load(session: Session) -> Inventory:
    return load_inventory(inventory_file(session))


def selected(session: Session, *, explicit: bool = False) -> Fleet:
    """The hosts of --limit, else all. `explicit`: a command that changes hosts never takes all of them unasked."""
    limit = session.given.get("limit")
    if limit is None and explicit:
        raise SafetyRail("no hosts named", hint="add -l EXPR; `-l @all` is every host")
    inventory = load(session)
    hosts = inventory.hosts if limit is None else select(inventory, limit)
    if not hosts:
        raise UsageError(f"no host: {limit or inventory.file} selects none")
    return Fleet(inventory, hosts)


def named(session: Session, expressions: Sequence[str]) -> Fleet:
    """The hosts of several expressions, each once, in the order of the inventory."""
    inventory = load(session)
    wanted = {host.name for expression in expressions for host in select(inventory, expression)}
    hosts = tuple(host for host in inventory.hosts if host.name in wanted)
    if not hosts:
        raise UsageError(f"no host: {' '.join(expressions)} selects none")
    return Fleet(inventory, hosts)
