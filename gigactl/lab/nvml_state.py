"""The state file that the lab's NVML library reads: a host's GPUs as lines of text, and how faults change them.

Pure but for `rewrite`. What the lines mean stands at the top of nvml/state.c and of the files that read them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from gigactl.lab.boards import Board

# where an SR680a V3 has its GPUs: NVIDIA k8s-launch-kit preset for ThinkSystem SR680a V3 with H200
_BUSES = (0x18, 0x2E, 0x41, 0x51, 0x9A, 0xAB, 0xBD, 0xD1)
_SECOND_SOCKET = 0x80
_SWITCH_BUSES = (0x05, 0x06, 0x07, 0x08, 0x09, 0x0A)
_SWITCH = 2  # NVML_NVLINK_DEVICE_TYPE_SWITCH
# nvmlGpuTopologyLevel_t: NODE (one socket, two host bridges) and SYSTEM (across sockets)
_SAME_SOCKET, _OTHER_SOCKET = 40, 50
_CORES = 64  # of each socket: one word of NVML's affinity mask
_SLOWDOWN_C = 87  # margins are told against it; Hopper's maximum operating temperature
_EIGHT_DAYS_S = 691_200
# a host of its own, as HGX boards are: one clique, no cluster (state 3 is COMPLETED, status 0 SUCCESS)
_FABRIC_READY: tuple[tuple[str, int | str], ...] = (
    ("fabric.state", 3),
    ("fabric.status", 0),
    ("fabric.clique", 0),
    ("fabric.cluster", "00000000-0000-0000-0000-000000000000"),
)


def render(board: Board, hostname: str, gpus: int, driver: str, overrides: Mapping[str, str]) -> str:
    """The state of a healthy, idle host with these lines instead of or beside the healthy ones.

    The same arguments give the same text; hosts and GPUs differ as real ones do. `driver`: the loaded module's version.
    """
    lines: dict[str, str] = {"driver": driver, "gpus": str(gpus), "seed": hostname}
    lines.update((f"gpu.*.{key}", str(value)) for key, value in _shared(board, driver))
    for index in range(gpus):
        lines.update((f"gpu.{index}.{key}", str(value)) for key, value in _own(board, hostname, index, gpus))
    return _text({**lines, **overrides})


def alter(state: str, changes: Mapping[str, str | None]) -> str:
    """A state with these lines set, or removed where the value is None."""
    lines = {key: value for key, _, value in (line.partition(" ") for line in state.splitlines())}
    lines.update({key: value for key, value in changes.items() if value is not None})
    return _text({key: value for key, value in lines.items() if key not in changes or changes[key] is not None})


def rewrite(path: Path, changes: Mapping[str, str | None]) -> None:
    """Alter the state of a running host: whoever reads it sees all of the change or nothing."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(alter(path.read_text(encoding="utf-8"), changes), encoding="utf-8")
    partial.replace(path)


def _text(lines: Mapping[str, str]) -> str:
    return "".join(f"{key} {value}\n" for key, value in lines.items())


def _shared(board: Board, driver: str) -> Iterator[tuple[str, int | str]]:
    """What is equal on all GPUs of the host."""
    equal: dict[str, int | str] = {
        "name": board.name,
        "part": board.part_number,
        "vbios": board.vbios,
        "inforom": board.inforom,
        "inforom.0": "2.1",
        "inforom.1": "7.16",
        "gsp": driver,
        "pci.device": f"{board.pci_device:#06x}10de",
        "pci.subsystem": f"{board.pci_subsystem:#06x}10de",
        "mem.total": board.memory_bytes,
        "power.limit": board.watts.limit * 1000,
        "power.enforced": board.watts.limit * 1000,
        "power.default": board.watts.limit * 1000,
        "power.max": board.watts.limit * 1000,
        "power.min": board.watts.least * 1000,
        "pcie.gen": board.pcie_generation,
        "pcie.maxgen": board.pcie_generation,
        "pcie.gpumaxgen": board.pcie_generation,
        "pcie.width": board.pcie_width,
        "pcie.maxwidth": board.pcie_width,
        "nvlink.count": board.nvlinks,
    }
    yield from equal.items()
    if board.nvlinks:
        yield from _links(board)
    if board.fabric != "none" and "fabric.health" in board.readings:
        yield from _FABRIC_READY
    yield from board.readings.items()


def _links(board: Board) -> Iterator[tuple[str, int | str]]:
    yield "nvlink.*.state", 1
    yield "nvlink.*.speed", board.link_megabytes_per_s
    yield "nvlink.*.power", 0
    yield from ((f"nvlink.*.cap{capability}", 1) for capability in range(6))
    if board.fabric == "none":
        return
    yield "nvlink.*.remotetype", _SWITCH
    yield "nvlink.switches", board.nvlinks
    for link in range(board.nvlinks if board.nvswitches else 0):
        yield f"nvlink.{link}.remote", f"0000:{_SWITCH_BUSES[link % board.nvswitches]:02X}:00.0"


def _own(board: Board, hostname: str, index: int, gpus: int) -> Iterator[tuple[str, int | str]]:
    """What no two GPUs share."""
    drawn = hashlib.sha256(f"{hostname}/{index}".encode()).hexdigest()
    spread = [int(drawn[at : at + 4], 16) / 0xFFFF for at in range(32, 64, 4)]  # numbers from 0 to 1
    core = board.celsius.core + round(6 * spread[0] - 3)
    power = board.watts.idle * 1000 + round(6000 * spread[1] - 3000)
    yield "uuid", f"GPU-{drawn[:8]}-{drawn[8:12]}-{drawn[12:16]}-{drawn[16:20]}-{drawn[20:32]}"
    yield "serial", f"165{int(drawn[:12], 16) % 10**10:010d}"
    yield "pci", f"0000:{_BUSES[index]:02X}:00.0"
    yield "module", index + 1
    yield "board", _BUSES[index] << 8
    yield "numa", _numa(index)
    yield "cpuaffinity.0", 0 if _numa(index) else f"{(1 << _CORES) - 1:#x}"
    yield "cpuaffinity.1", f"{(1 << _CORES) - 1:#x}" if _numa(index) else 0
    yield "inforom.checksum", int(drawn[24:32], 16)
    yield "temp", core
    yield "temp.memory", board.celsius.memory + round(6 * spread[2] - 3)
    yield "power", power
    yield "energy", round(power * _EIGHT_DAYS_S * spread[3])  # mJ that an earlier load of the driver does not explain
    if "temp.tlimit.1" in board.readings:
        yield "temp.margin", _SLOWDOWN_C - core
    if board.fabric == "nvlink5":
        yield from _platform(hostname, index)
    for other in range(gpus):
        if other != index:
            yield f"topo.{other}", _SAME_SOCKET if _numa(other) == _numa(index) else _OTHER_SOCKET


def _platform(hostname: str, index: int) -> Iterator[tuple[str, int | str]]:
    drawn = hashlib.sha256(hostname.encode()).hexdigest()
    yield "platform.chassis", f"18{int(drawn[:10], 16) % 10**11:011d}"
    yield "platform.ibguid", drawn[:32]
    yield "platform.slot", 1
    yield "platform.tray", 0
    yield "platform.host", 1
    yield "platform.peer", 1
    yield "platform.module", index + 1


def _numa(index: int) -> int:
    return int(_BUSES[index] >= _SECOND_SOCKET)
