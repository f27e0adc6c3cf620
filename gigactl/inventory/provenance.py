"""Where everything that holds for a host was said: the entry, a group, or the defaults, with the line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gigactl.documents import Document, convert, read_document
from gigactl.errors import UsageError
from gigactl.inventory.layout import InventoryFile, Shared
from gigactl.inventory.model import Host, Inventory, Origin
from gigactl.inventory.ranges import expand


@dataclass(frozen=True, slots=True)
class Said:
    """Who said it: `host`, `group NAME` or `defaults`; and where."""

    by: str
    origin: Origin


def said(inventory: Inventory, host: Host) -> Mapping[str, Said]:
    """By name (`model`, `ssh.user`, `labels.rack`, `vars.driver`, `address`): who said what holds for this host.

    Reads the inventory's file again, so that a loaded fleet need not carry a line for every value of every host. Raises
    InvalidDocument when it can no longer be read. What nobody said is not in it.
    """
    document = read_document(Path(inventory.file))
    file = convert(document, InventoryFile)
    found: dict[str, Said] = {}
    for by, place, layer in _layers(file, host):
        for name, path in _names(layer):
            found[name] = Said(by, Origin(inventory.file, document.line(*place, *path)))
    _entry(document, file, host, found)
    return found


def _layers(file: InventoryFile, host: Host) -> Iterator[tuple[str, tuple[str, ...], Shared]]:
    """What says something of the host, the strongest last."""
    if file.defaults is not None:
        yield "defaults", ("defaults",), file.defaults
    groups = file.groups or {}
    for name in host.groups:
        group = groups.get(name)
        if group is not None:
            yield f"group {name}", ("groups", name), group
    pattern = _pattern(file, host.name)
    entry = (file.hosts or {}).get(pattern) if pattern is not None else None
    if pattern is not None and entry is not None:
        yield "host", ("hosts", pattern), entry


def _entry(document: Document, file: InventoryFile, host: Host, found: dict[str, Said]) -> None:
    """The address: said by the entry alone, or else the host's name."""
    pattern = _pattern(file, host.name)
    if pattern is not None:
        found["address"] = Said("host", Origin(document.file, document.line("hosts", pattern, "address")))


def _pattern(file: InventoryFile, name: str) -> str | None:
    """The entry that names a host."""
    for pattern in file.hosts or {}:
        try:
            if name in expand(pattern):
                return pattern
        except UsageError:
            continue
    return None


def _names(layer: Shared) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The dotted name and path of everything a layer says."""
    for field in Shared.__struct_fields__:
        value: Any = getattr(layer, field)
        if isinstance(value, msgspec.Struct):
            value = {key: inner for key, inner in msgspec.structs.asdict(value).items() if inner is not None}
        if isinstance(value, dict):
            yield from ((f"{field}.{key}", (field, key)) for key in value)
        elif value is not None:
            yield field, (field,)
