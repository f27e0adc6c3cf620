"""Names, addresses and racks of a lab's hosts, and the inventory that lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gigactl.lab.options import LabOptions

RACK = 8  # hosts
_PER_OCTET = 200  # hosts per third octet: whole racks, and no address ends in 0 or 255
FIRST_BLOCK, LAST_BLOCK = 77, 126


@dataclass(frozen=True, slots=True)
class Place:
    """One host's name and where it answers."""

    number: int
    name: str
    address: str


def places(options: LabOptions, block: int) -> tuple[Place, ...]:
    """Every host, numbered from 1, in 127.`block`.0.0/16."""
    digits = max(3, len(str(options.hosts)))
    return tuple(
        Place(number, f"{options.prefix}{number:0{digits}}", _address(number, block))
        for number in range(1, options.hosts + 1)
    )


def _address(number: int, block: int) -> str:
    third, fourth = divmod(number - 1, _PER_OCTET)
    return f"127.{block}.{third}.{fourth + 1}"


def inventory(options: LabOptions, block: int) -> str:
    """The fleet as an inventory document; paths in it are relative to its own directory."""
    return "".join(
        [
            f"# a rehearsal fleet of {options.hosts} hosts; taken away by: gigactl lab down --dir {options.dir}\n",
            "version: 1\n",
            "defaults:\n",
            f"  ssh: {{user: root, port: {options.port}, identity_file: id_ed25519, known_hosts: known_hosts}}\n",
            "  scheduler: none\n",
            "hosts:\n",
            *_racks(options, block),
            "groups:\n",
            f'  lab: {{vars: {{driver: "{options.driver}"}}}}\n',
        ]
    )


def _racks(options: LabOptions, block: int) -> Iterator[str]:
    for number, rack in enumerate(_batches(places(options, block)), 1):
        first, last = rack[0], rack[-1]
        names, addresses = first.name, first.address
        if first is not last:
            digits = first.name.removeprefix(options.prefix), last.name.removeprefix(options.prefix)
            names = f"{options.prefix}[{digits[0]}-{digits[1]}]"
            start, end = first.address.rsplit(".", 1), last.address.rsplit(".", 1)
            addresses = f"{start[0]}.[{start[1]}-{end[1]}]"
        yield (
            f'  {names}: {{address: "{addresses}", model: {options.model}, gpus: {options.gpus}, '
            f"labels: {{site: lab, rack: r{number:02}}}, groups: [lab]}}\n"
        )


def _batches(found: tuple[Place, ...]) -> Iterator[tuple[Place, ...]]:
    for start in range(0, len(found), RACK):
        yield found[start : start + RACK]
