"""Healthy hosts as a probe would show them, and the ways a test breaks them. Complete: every reading has a value or a
reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from gigactl.inventory.expectation import Expectation
from gigactl.payload.readings import READINGS
from gigactl.payload.schema import (
    SNAPSHOT_SCHEMA,
    Driver,
    Facts,
    Gpu,
    KernelEvent,
    KernelLog,
    Mount,
    PciGpu,
    Service,
    Snapshot,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DRIVER = "580.126.20"
BOOT = "6f1c2c7e-0c5e-4c3e-9a53-7f6a9d0b1f00"
UPTIME = 86_400.0
_BUSES = (0x19, 0x3B, 0x4C, 0x5D, 0x9B, 0xBB, 0xCB, 0xDB)


@dataclass(frozen=True)
class Board:
    """What differs between boards. `hidden`: readings this hardware has not got, by prefix."""

    name: str
    device: str
    count: int
    links: int
    generation: int
    architecture: int
    fabric: str
    hidden: tuple[str, ...] = ()


_NO_FABRIC = ("fabric.", "platform.")
_NO_LINKS = ("nvlink.",)
_OLDER = ("recovery_action", "memory.unrepairable", "ecc.sram.unique_uncorrected")
_NOT_RETIRED = ("retired.",)
BOARDS = {
    "h100": Board("NVIDIA H100 80GB HBM3", "2330", 8, 18, 5, 9, "nvswitch", (*_NOT_RETIRED, "platform.")),
    "h200": Board("NVIDIA H200", "2335", 8, 18, 5, 9, "nvswitch", (*_NOT_RETIRED, "platform.")),
    "b200": Board("NVIDIA B200", "2901", 8, 18, 6, 10, "nvlink5", _NOT_RETIRED),
    "a100": Board("NVIDIA A100-SXM4-80GB", "20b2", 8, 12, 4, 7, "nvswitch", (*_NO_FABRIC, *_OLDER)),
    "a100-pcie": Board("NVIDIA A100 80GB PCIe", "20b5", 4, 0, 4, 7, "none", (*_NO_FABRIC, *_OLDER)),
    "l40s": Board("NVIDIA L40S", "26b9", 4, 0, 4, 8, "none", (*_NO_FABRIC, *_NO_LINKS, *_OLDER, *_NOT_RETIRED)),
}

_COMMON: dict[str, bool | int | float | str] = {
    "temperature.core": 34,
    "temperature.memory": 41,
    "power.average": 76.4,
    "power.limit": 700.0,
    "vbios": "96.00.A5.00.01",
    "gsp_firmware": DRIVER,
    "mode.persistence": True,
    "mode.ecc": True,
    "mode.ecc.pending": True,
    "memory.total": 150_754_820_096,
    "remap.banks.max": 5_120,
    "pcie.width": 16,
    "pcie.width.max": 16,
    "fabric.state": 3,
    "fabric.status": 0,
    "fabric.cluster": "00000000-0000-0000-0000-000000000000",
    "fabric.health_summary": 1,
    "fabric.health_mask": 0b10_10_10_10,
}
_DEFAULTS: dict[str, bool | int | float | str] = {"bool": False, "text": "-", "W": 0.0, "J": 0.0}


def expectation(board: str) -> Expectation:
    """What the inventory expects of a host with this board."""
    one = BOARDS[board]
    return Expectation(
        model="sr680a-v3",
        board=board,
        title="ThinkSystem",
        gpu_count=one.count,
        gpu_names=(one.name,),
        pci_ids=(f"10de:{one.device}",),
        nvlinks=one.links or None,
        pcie_width=16,
        pcie_generation=one.generation,
        fabric=one.fabric,
        wants_fabric_manager=one.fabric in {"nvswitch", "nvlink5"},
        source="test",
    )


def snapshot(board: str = "h200") -> Snapshot:
    """A healthy, idle host, looked at as root from its boot on."""
    one = BOARDS[board]
    return {
        "schema": SNAPSHOT_SCHEMA,
        "source": "nvml",
        "complete": True,
        "python": "3.11.2",
        "euid": 0,
        "facts": facts(one),
        "driver": driver(one.count),
        "gpus": [gpu(one, index) for index in range(one.count)],
        "kernel": kernel(),
        "seconds": 0.4,
        "cpu_s": 0.15,
    }


def pci(index: int) -> str:
    return f"0000:{_BUSES[index]:02x}:00.0"


def uuid(index: int) -> str:
    return f"GPU-{index:08x}-1111-2222-3333-444444444444"


def gpu(board: Board, index: int) -> Gpu:
    names = [*_names(board)]
    hidden = {name: "not-supported" for name in names if name.startswith(board.hidden)} if board.hidden else {}
    unit = {name: one[0] for name, one in READINGS.items()}
    values: dict[str, bool | int | float | str] = {
        name: _COMMON.get(name, _DEFAULTS.get(unit.get(name, ""), 0)) for name in names if name not in hidden
    }
    values.update({name: True for name in values if name.startswith("nvlink.") and name.endswith(".active")})
    if board.links:
        values.update({"nvlink.links": board.links, "nvlink.links.active": board.links})
    else:
        values.pop("nvlink.links.active", None)
        hidden["nvlink.links.active"] = "not-supported"
    values["pcie.generation.max"] = board.generation
    values["pcie.generation"] = 1  # as an idle link may be: no fault
    values["architecture"] = board.architecture
    return {
        "type": "gpu",
        "index": index,
        "uuid": uuid(index),
        "serial": f"16502240{index:05d}",
        "pci": pci(index),
        "name": board.name,
        "values": values,
        "unread": hidden,
        "processes": [],
    }


def _names(board: Board) -> Iterator[str]:
    for name in READINGS:
        if ".N." not in name:
            yield name
        else:
            yield from (name.replace(".N.", f".{link}.") for link in range(board.links))


def driver(count: int) -> Driver:
    return {
        "type": "driver",
        "state": "ok",
        "nvml_error": 0,
        "detail": "",
        "loaded": DRIVER,
        "flavour": "open",
        "library": DRIVER,
        "on_disk": DRIVER,
        "driver_version": DRIVER,
        "nvml_version": f"13.{DRIVER}",
        "cuda_version": "13.0",
        "gpu_count": count,
        "init_s": 0.05,
        "reader": 0,
    }


def broken_driver(state: str, error: int) -> Driver:
    """NVML did not start: nothing of it is known."""
    return {**driver(0), "state": state, "nvml_error": error, "driver_version": "", "cuda_version": ""}


def facts(board: Board) -> Facts:
    manager = "active" if board.fabric in {"nvswitch", "nvlink5"} else "inactive"
    return {
        "type": "facts",
        "at": "2026-11-24T12:00:00Z",
        "hostname": "gpu001",
        "boot_id": BOOT,
        "machine_id": "0123456789abcdef0123456789abcdef",
        "uptime_s": UPTIME,
        "os": {"id": "ubuntu", "version_id": "24.04", "pretty": "Ubuntu 24.04", "kernel": "6.8.0-85", "arch": "x86_64"},
        "cpu": {"model": "INTEL(R) XEON(R) PLATINUM 8570", "sockets": 2, "threads": 224},
        "memory_bytes": 2 << 40,
        "memory_available_bytes": 1 << 40,
        "dmi": {
            "vendor": "Lenovo",
            "product": "ThinkSystem SR680a V3",
            "sku": "7DHECTO1WW",
            "serial": "J900ABCD",
            "version": "05",
            "machine_type": "7DHE",
        },
        "mounts": [
            mount("/"),
            {**mount("/boot/efi"), "size": 1 << 29, "available": 1 << 28, "inodes": 0, "inodes_free": 0},
        ],
        "modules": [{"name": "nvidia", "version": DRIVER}],
        "services": [service("nvidia-fabricmanager", manager), service("nvidia-persistenced", "active")],
        "pci_gpus": [pci_gpu(board, index) for index in range(board.count)],
        "ports": [],
        "fabric": {"nvswitches": 4 if board.fabric == "nvswitch" else 0, "nvlink5": board.fabric == "nvlink5"},
        "unread": {},
    }


def mount(path: str) -> Mount:
    return {
        "path": path,
        "device": "/dev/nvme0n1p2",
        "kind": "ext4",
        "size": 1 << 40,
        "available": 1 << 39,
        "inodes": 1 << 26,
        "inodes_free": 1 << 25,
        "readonly": False,
    }


def service(name: str, active: str) -> Service:
    sub = {"active": "running", "failed": "failed"}.get(active, "dead")
    return {"name": name, "load": "loaded", "active": active, "sub": sub, "enabled": "enabled"}


def pci_gpu(board: Board, index: int) -> PciGpu:
    return {
        "address": pci(index),
        "vendor": "10de",
        "device": board.device,
        "driver": "nvidia",
        "alive": True,
        "width": 16,
        "max_width": 16,
        "speed": 32.0,
        "max_speed": 32.0,
        "numa": index // 4,
    }


def kernel(*events: KernelEvent) -> KernelLog:
    return {
        "type": "kernel",
        "source": "kmsg",
        "gap": False,
        "gap_reason": "",
        "unread": "",
        "cursor": {"boot_id": BOOT, "usec": 86_400_000_000},
        "events": list(events),
    }


def event(kind: str, usec: int, *, code: int = 0, at: str = "", text: str = "", **fields: str) -> KernelEvent:
    return {
        "usec": usec,
        "kind": kind,
        "pci": at,
        "code": code,
        "fields": fields,
        "text": text or f"NVRM: {kind} (PCI:{at[:-2]}): {code}",
    }


def xid(code: int, index: int = 3, usec: int = 60_000_000_000, text: str = "", **fields: str) -> KernelEvent:
    return event("xid", usec, code=code, at=pci(index), text=text, **fields)
