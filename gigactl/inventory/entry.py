"""One entry under `hosts`: its names, and the addresses and identity files that belong to them, name by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gigactl.errors import UsageError
from gigactl.inventory.layout import HostEntry
from gigactl.inventory.merge import absolute, identities
from gigactl.inventory.ranges import expand


@dataclass(frozen=True, slots=True)
class Named:
    """An entry with its ranges expanded. `identities` is empty where the entry's identity files name no range."""

    pattern: str
    line: int
    entry: HostEntry
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    identities: tuple[tuple[str, ...], ...] = ()


def named(pattern: str, entry: HostEntry, line: int, directory: Path) -> Named:
    """Zips names, addresses and identity files. UsageError where they are not equally many, or a range is wrong."""
    names = expand(pattern)
    addresses = names if entry.address is None else _alongside(entry.address, "address", pattern, len(names))
    files = identities(entry.ssh)
    if not any("[" in file for file in files):
        return Named(pattern, line, entry, names, addresses)
    columns = [
        _alongside(file, "identity_file", pattern, len(names)) if "[" in file else (file,) * len(names)
        for file in files
    ]
    keys = tuple(tuple(absolute(file, directory) for file in row) for row in zip(*columns, strict=True))
    return Named(pattern, line, entry, names, addresses, keys)


def _alongside(written: str, what: str, pattern: str, number: int) -> tuple[str, ...]:
    found = expand(written)
    if len(found) != number:
        few = "only " if len(found) < number else ""
        raise UsageError(
            f"{pattern} is {_count(number, 'host')}, but its {what} {written} is {few}{len(found)}",
            hint="ranges are paired name by name, in the order in which they are written",
        )
    return found


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
