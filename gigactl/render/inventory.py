"""The inventory on the screen and for programs: groups and labels folded, one host with where every value was said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from gigactl.errors import Problem
from gigactl.inventory.expectation import Expectation
from gigactl.inventory.model import Host, Inventory
from gigactl.inventory.ranges import fold
from gigactl.render.encode import encode
from gigactl.render.table import Column, Row, Screen, Table, draw, painted
from gigactl.render.text import count, listed, one_line

LISTING = (Column("KIND"), Column("NAME"), Column("COUNT", "right"), Column("HOSTS", fold=True))


def listing(file: str, hosts: Sequence[Host], on: Screen) -> str:
    """Groups, then models, boards, labels: each with its hosts, and how one selects them."""
    rows = tuple(Row((kind, name, str(len(names)), fold(names))) for kind, name, names in _sets(hosts))
    table = draw(Table(LISTING, rows), on) + "\n" if rows else ""
    return f"{table}{count(len(hosts), 'host')} in {file}: {fold(host.name for host in hosts)}\n"


def document(file: str, hosts: Sequence[Host]) -> str:
    """`gigactl.inventory/1`: every host with its values."""
    return encode({"schema": "gigactl.inventory/1", "file": file, "hosts": [_values(host) for host in hosts]})


def host(one: Host, expected: Expectation, on: Screen) -> str:
    """One host: its values, where it was said, what is expected of it."""
    where = "" if one.origin is None else f"  {one.origin.file}:{one.origin.line}"
    rows = [(name, _shown(value)) for name, value in _values(one).items() if name not in {"host", "origin"}]
    said = "".join(f"  {name:<14}{one_line(text)}\n" for name, text in rows if text)
    board = "".join(f"  {name:<18}{one_line(text)}\n" for name, text in _expectation(expected) if text)
    return f"{painted(one.name, 'head', on)}{where}\n{said}expected:\n{board}"


def host_document(pairs: Iterable[tuple[Host, Expectation]]) -> str:
    """`gigactl.inventory-host/1`."""
    hosts = [{**_values(one), "expected": asdict(expected)} for one, expected in pairs]
    return encode({"schema": "gigactl.inventory-host/1", "hosts": hosts})


def _sets(hosts: Sequence[Host]) -> list[tuple[str, str, list[str]]]:
    """Kind, how it is selected, names; in the order of first mention, kinds sorted."""
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in hosts:
        for group in one.groups:
            members["group", f"@{group}"].append(one.name)
        marks = {"model": one.model, "board": one.board, **one.labels}
        for label, value in marks.items():
            if value is not None:
                members[label, f"@{label}:{value}"].append(one.name)
    order = {"group": 0, "model": 1, "board": 2}
    keys = sorted(members, key=lambda key: (order.get(key[0], 3), key[0]))
    return [(kind, name, members[kind, name]) for kind, name in keys]


def _values(one: Host) -> dict[str, Any]:
    """Every value, defaults applied, by the inventory's own words."""
    ssh = {name: value for name, value in asdict(one.ssh).items() if value}
    origin = None if one.origin is None else asdict(one.origin)
    return {
        "host": one.name,
        "address": one.address,
        "model": one.model,
        "board": one.board,
        "gpus": one.gpus,
        "groups": list(one.groups),
        "labels": dict(one.labels),
        "vars": dict(one.vars),
        "ssh": ssh,
        "become": one.become,
        "scheduler": one.scheduler,
        "transport": one.transport,
        "origin": origin,
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={_shown(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def _expectation(expected: Expectation) -> list[tuple[str, str]]:
    if not expected.managed:
        return [("managed", f"no: {expected.unmanaged_reason}")]
    pcie = f"generation {expected.pcie_generation or '?'}, {expected.pcie_width} lanes" if expected.pcie_width else ""
    rate = f" at {expected.nic_rate:g} Gb/s" if expected.nic_rate else ""
    wanted = [("fabric manager", expected.wants_fabric_manager), ("IMEX", expected.wants_imex)]
    return [
        ("model", expected.title or "nothing known"),
        ("board", expected.board or ""),
        ("GPUs", _shown(expected.gpu_count)),
        ("called", listed(expected.gpu_names) if expected.gpu_names else ""),
        ("PCI ids", listed(expected.pci_ids) if expected.pci_ids else ""),
        ("NVLinks per GPU", _links(expected)),
        ("PCIe", pcie),
        ("NICs", f"{expected.nic_count}{rate}" if expected.nic_count else ""),
        ("fabric", expected.fabric or _open(expected)),
        ("wants", ", ".join(name for name, wants in wanted if wants)),
        ("source", expected.source),
    ]


def _links(expected: Expectation) -> str:
    """Their number, and whether it was seen on hardware."""
    if expected.nvlinks is None:
        return _open(expected)
    return f"{expected.nvlinks}{'' if expected.links_proved else ' (not proved)'}"


def _open(expected: Expectation) -> str:
    """What stands for a value that a board would decide; nothing where a known board leaves it to the configuration."""
    return "depends on the board" if expected.board is None and expected.model is not None else ""


def problems(found: Sequence[Problem], warnings: Sequence[Problem], sound: Sequence[Inventory]) -> str:
    """`gigactl.problems/1`: what is wrong, what will not work from here, and the files in which nothing is wrong."""
    return encode(
        {
            "schema": "gigactl.problems/1",
            "problems": [asdict(problem) for problem in found],
            "warnings": [asdict(problem) for problem in warnings],
            "sound": [{"file": inventory.file, "hosts": len(inventory.hosts)} for inventory in sound],
        }
    )
