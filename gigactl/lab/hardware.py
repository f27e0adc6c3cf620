"""The hardware of one host, derived from its NVML state and its board: the two views must never disagree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_GPU_KEY = re.compile(r"gpu\.(\d+)\.(pci|uuid|serial) (\S+)")


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """One GPU as the kernel log and the bus name it; `pci` as `0000:18:00.0`, lower case."""

    index: int
    pci: str
    uuid: str
    serial: str


def identities(state: str) -> tuple[GpuIdentity, ...]:
    """Every GPU that a state text describes."""
    found: dict[int, dict[str, str]] = {}
    for line in state.splitlines():
        if match := _GPU_KEY.fullmatch(line):
            found.setdefault(int(match[1]), {})[match[2]] = match[3]
    return tuple(
        GpuIdentity(index, _short(names["pci"]), names["uuid"], names["serial"])
        for index, names in sorted(found.items())
    )


def banks(state: str) -> int:
    """How many banks of each GPU's memory have all their spare rows; 0 where the board has none."""
    match = re.search(r"^gpu\.\*\.remap\.hist\.max (\d+)$", state, re.MULTILINE)
    return int(match[1]) if match else 0


def without(state: str, missing: frozenset[int]) -> str:
    """The state of a host on whose bus these GPUs are not: the others move up, as NVML numbers what it finds."""
    order = [gpu.index for gpu in identities(state) if gpu.index not in missing]
    new = {str(old): str(index) for index, old in enumerate(order)}
    lines = []
    for line in state.splitlines():
        key, _, value = line.partition(" ")
        if key == "gpus":
            line = f"gpus {len(order)}"
        elif key.startswith("gpu."):
            moved = _moved(key, new)
            if moved is None:
                continue
            line = f"{moved} {value}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _moved(key: str, new: Mapping[str, str]) -> str | None:
    """The key with old GPU numbers replaced (its own, and in `topo.N`); None where one of them is gone."""
    parts = key.split(".")
    for place in [1, *(at + 1 for at, part in enumerate(parts[:-1]) if part == "topo")]:
        if parts[place].isdigit():
            if parts[place] not in new:
                return None
            parts[place] = new[parts[place]]
    return ".".join(parts)


def _short(address: str) -> str:
    domain, rest = address.lower().split(":", 1)
    return f"{domain[-4:]}:{rest}"
