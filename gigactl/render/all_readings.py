"""Every reading of one GPU that has a value: by the first part of the name, each with its unit, equal links folded."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from gigactl.inventory.ranges import fold
from gigactl.payload.readings import READINGS
from gigactl.payload.schema import Gpu
from gigactl.render.table import Column, Row, Table
from gigactl.render.text import listed, size
from gigactl.results import Scalar

GENERAL = "general"
"""Where readings stand whose names have one part."""

_LINK = re.compile(r"nvlink\.(\d+)\.(.+)")
_BARE = {"count", "code", "text"}
_ORDER = {name: place for place, name in enumerate(READINGS)}


def table(gpu: Gpu) -> Table:
    """A row per group, in the order of READINGS; readings it does not have come last and without a unit."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(gpu["values"], key=_place):
        if not _LINK.fullmatch(name):
            group, dot, rest = name.partition(".")
            label, group = (rest, group) if dot else (name, GENERAL)
            groups[group].append(f"{label} {shown(gpu['values'][name], _unit(name))}")
    for said in _links(gpu):
        groups["nvlink"].append(said)
    columns = (Column(f"GPU {gpu['index']}"), Column("READINGS", fold=True))
    return Table(columns, tuple(Row((group, listed(said))) for group, said in groups.items()))


def _links(gpu: Gpu) -> Iterable[str]:
    """`link 0-16 speed 53125 MB/s`: the links that read the same together."""
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, value in gpu["values"].items():
        if link := _LINK.fullmatch(name):
            together[f"nvlink.N.{link[2]}", shown(value, _unit(f"nvlink.N.{link[2]}"))].append(link[1])
    for (name, value), links in sorted(together.items(), key=lambda item: _place(item[0][0])):
        yield f"link {numbers(links)} {name.removeprefix('nvlink.N.')} {value}"


def _place(name: str) -> int:
    return _ORDER.get(name, len(_ORDER))


def _unit(name: str) -> str:
    return READINGS[name][0] if name in READINGS else ""


def shown(value: Scalar, unit: str) -> str:
    """A value with its unit (see READINGS): bytes in powers of 1024, masks in hexadecimal, nothing rounded to 0."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or "-"
    if unit == "B":
        return size(value)
    if unit == "mask" and isinstance(value, int):
        return hex(value)
    text = str(value) if isinstance(value, int) else f"{value:.3f}".rstrip("0").rstrip(".")
    return text if unit in _BARE else f"{text} {unit}".rstrip()


def numbers(names: Iterable[str]) -> str:
    """`0-3,7`: folded like host names, without the brackets."""
    numbered = list(names)
    return fold(numbered).strip("[]") if len(numbered) > 1 else numbered[0]
