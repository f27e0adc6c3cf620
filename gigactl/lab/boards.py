"""The GPU boards a lab host can pretend to have: `boards.yaml` beside this module, as values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec

from gigactl.documents import convert, read_document
from gigactl.errors import LabError

_FILE = Path(__file__).parent / "boards.yaml"


class Watts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Drawn when idle; the least and the greatest limit one may set, the greatest being the default."""

    idle: int
    least: int
    limit: int


class Celsius(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of an idle GPU in a cool room."""

    core: int
    memory: int


class BoardEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A board as the file has it. `pci_device`, `pci_subsystem`: ids below NVIDIA's 10de. `nvlinks`: per GPU.

    `fabric`: `nvswitch` (switches on the PCI bus), `nvlink5` (behind a management NIC) or `none`. `nvswitches`:
    how many are on the bus, all of `nvswitch_device`. `nic_rate` as the kernel writes a port's rate.
    """

    title: str
    generation: str
    name: str
    part_number: str
    vbios: str
    inforom: str
    pci_device: int
    pci_subsystem: int
    memory_bytes: int
    watts: Watts
    celsius: Celsius
    nvlinks: int
    link_megabytes_per_s: int
    pcie_generation: int
    pcie_width: int
    fabric: Literal["nvswitch", "nvlink5", "none"]
    nvswitches: int
    nvswitch_device: int
    nics: int
    nic_rate: str
    readings: dict[str, int | str]


class Board(BoardEntry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A board with everything resolved: `readings` holds every line that is equal on all its GPUs."""

    key: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    common: dict[str, int | str]
    generations: dict[str, dict[str, int | str]]
    boards: dict[str, BoardEntry]


@cache
def load() -> Mapping[str, Board]:
    """Every board by its key: `h100`, `h200`, `b200`, `a100`, `a100-pcie`."""
    file = convert(read_document(_FILE), _File)
    return MappingProxyType({key: _resolved(key, entry, file) for key, entry in file.boards.items()})


def _resolved(key: str, entry: BoardEntry, file: _File) -> Board:
    if entry.generation not in file.generations:
        raise LabError(f"board {key}: no generation is called {entry.generation}")
    readings = {**file.common, **file.generations[entry.generation], **entry.readings}
    return Board(key=key, **{**msgspec.structs.asdict(entry), "readings": readings})
