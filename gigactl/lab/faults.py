"""Every kind of fault: its options, what it changes, and where a real host shows the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from gigactl.errors import LabMisuse
from gigactl.lab.effect import Effect, Reach, Root
from gigactl.lab.hardware import GpuIdentity
from gigactl.lab.options import DRIVER_VERSION, Fault
from gigactl.lab.xid import recovery_lines, xid_lines

STUCK_FILE = "/run/nvidia-lab/stuck/calls"  # as a host sees it, on the file system that hangs


@dataclass(frozen=True, slots=True)
class Target:
    """The host a fault falls on, as far as faults need to know it. `banks`: of a GPU's memory that have spare rows."""

    gpus: tuple[GpuIdentity, ...]
    nvlinks: int
    width: int
    driver: str
    banks: int


class Chosen:
    """The options of one fault, read with their checks."""

    def __init__(self, kind: str, values: Mapping[str, str], target: Target) -> None:
        self._kind = kind
        self._values = values
        self._target = target

    def text(self, name: str) -> str:
        return self._values[name]

    def number(self, name: str, least: int, most: int) -> int:
        """A whole number in bounds; LabMisuse says which."""
        text = self._values[name]
        if not text.isdecimal() or not least <= int(text) <= most:
            raise LabMisuse(f"{self._kind}: {name}={text} is not a number from {least} to {most}")
        return int(text)

    def yes(self, name: str) -> bool:
        text = self._values[name]
        if text not in {"yes", "no"}:
            raise LabMisuse(f"{self._kind}: {name}={text} is neither yes nor no")
        return text == "yes"

    def gpu(self) -> GpuIdentity:
        """The GPU that `gpu=` names by its index."""
        return self._target.gpus[self.number("gpu", 0, len(self._target.gpus) - 1)]

    @property
    def target(self) -> Target:
        return self._target


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: what it stands for, its options with their defaults, what it changes on a host."""

    summary: str
    changes: str
    options: Mapping[str, str]
    effect: Callable[[Chosen], Effect]


def _gpu_lost(chosen: Chosen) -> Effect:
    gpu = chosen.gpu()
    return Effect(
        state={f"gpu.{gpu.index}.lost": "1"},
        links={gpu.index: 0},
        log=(
            f"NVRM: GPU at PCI:{gpu.pci[:-2]}: {gpu.uuid}",
            f"NVRM: GPU Board Serial Number: {gpu.serial}",
            *xid_lines(79, gpu, 1, chosen.target.driver),
            f"NVRM: GPU {gpu.pci}: GPU has fallen off the bus.",
            f"NVRM: GPU {gpu.pci}: GPU serial number is {gpu.serial}.",
            *recovery_lines(gpu, chosen.target.driver),
        ),
    )


def _gpu_missing(chosen: Chosen) -> Effect:
    return Effect(missing=frozenset({chosen.gpu().index}), boots=True)


def _xid(chosen: Chosen) -> Effect:
    code, count = chosen.number("code", 1, 999), chosen.number("count", 1, 10000)
    return Effect(log=xid_lines(code, chosen.gpu(), count, chosen.target.driver))


def _ecc_uncorrectable(chosen: Chosen) -> Effect:
    """In the SRAM, where no row is remapped: this stays one fault. Type 1, counters 0 and 1, place 7."""
    index, count = chosen.gpu().index, str(chosen.number("count", 1, 1_000_000))
    return Effect(state={f"gpu.{index}.{key}": count for key in ("ecc.1.0.7", "ecc.1.1.7", "sram.unique")})


def _row_remap(chosen: Chosen, rows: Mapping[str, int], bank: str) -> Effect:
    """`bank`: what one memory bank has come to; the others keep all their spare rows."""
    index, banks = chosen.gpu().index, chosen.target.banks
    if banks == 0:
        raise LabMisuse("this board's memory has no spare rows")
    values = {**rows, "hist.max": banks - 1, f"hist.{bank}": 1}
    return Effect(state={f"gpu.{index}.remap.{name}": str(value) for name, value in values.items()})


def _row_remap_pending(chosen: Chosen) -> Effect:
    return _row_remap(chosen, {"pending": 1, "cor": 1}, "high")


def _row_remap_failed(chosen: Chosen) -> Effect:
    return _row_remap(chosen, {"failure": 1, "unc": 9}, "none")


def _nvlink_down(chosen: Chosen) -> Effect:
    index = chosen.gpu().index
    if chosen.target.nvlinks == 0:
        raise LabMisuse("nvlink-down: this board has no NVLinks")
    down = chosen.number("links", 1, chosen.target.nvlinks)
    return Effect(state={f"gpu.{index}.nvlink.{link}.state": "0" for link in range(down)})


def _pcie_width(chosen: Chosen) -> Effect:
    index, width = chosen.gpu().index, chosen.number("width", 1, chosen.target.width)
    return Effect(state={f"gpu.{index}.pcie.width": str(width)}, links={index: width})


def _driver_mismatch(chosen: Chosen) -> Effect:
    version, loaded = chosen.text("version"), chosen.target.driver
    if not DRIVER_VERSION.fullmatch(version):
        raise LabMisuse(f"driver-mismatch: version={version} is not a version such as 580.178.04")
    if version == loaded:
        raise LabMisuse(f"driver-mismatch: version={version} is the one that is loaded")
    return Effect(
        library=version,
        log=(
            f"NVRM: API mismatch: the client has the version {version}, but",
            f"NVRM: this kernel module has the version {loaded}.  Please",
            "NVRM: make sure that this kernel module and all NVIDIA driver",
            "NVRM: components have the same version.",
        ),
    )


def _nvml_hang(chosen: Chosen) -> Effect:
    index = chosen.gpu().index
    if chosen.yes("kill"):
        return Effect(state={f"gpu.{index}.hang": "0"})
    return Effect(state={f"gpu.{index}.block": STUCK_FILE}, stuck=True)


def _readonly_root(_chosen: Chosen) -> Effect:
    return Effect(
        root=Root.READONLY,
        log=(
            "EXT4-fs error (device nvme0n1p2): ext4_journal_check_start:84: Detected aborted journal",
            "EXT4-fs (nvme0n1p2): Remounting filesystem read-only",
        ),
    )


_GPU = {"gpu": "0"}

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "gpu-lost": Kind(
            "a GPU falls off the bus",
            "every NVML call on it answers 15 (GPU is lost), its PCI configuration space reads all ff, "
            "the kernel log has Xid 79 and 'fallen off the bus'",
            _GPU,
            _gpu_lost,
        ),
        "gpu-missing": Kind(
            "a GPU that was not there at boot",
            "not on the PCI bus, NVML counts one less and the others move up; the host boots",
            _GPU,
            _gpu_missing,
        ),
        "xid": Kind(
            "the driver reports an error",
            "the kernel log has the Xid in the driver's words for its code, `count` times",
            {"code": "31", **_GPU, "count": "1"},
            _xid,
        ),
        "ecc-uncorrectable": Kind(
            "uncorrectable memory errors since the driver was loaded",
            "NVML's volatile and aggregate uncorrected counters, in total and for the SRAM",
            {**_GPU, "count": "2"},
            _ecc_uncorrectable,
        ),
        "row-remap-pending": Kind(
            "a memory row is to be replaced by the next reset",
            "NVML's remapped rows: pending, one correctable row; its bank is no longer at its best",
            _GPU,
            _row_remap_pending,
        ),
        "row-remap-failed": Kind(
            "a memory row could not be replaced",
            "NVML's remapped rows: failure, nine uncorrectable rows, a bank without spare rows",
            _GPU,
            _row_remap_failed,
        ),
        "nvlink-down": Kind(
            "NVLinks of a GPU are inactive",
            "NVML's state of the first `links` links",
            {**_GPU, "links": "1"},
            _nvlink_down,
        ),
        "pcie-width": Kind(
            "a GPU's PCIe link runs narrow",
            "NVML's current width; current_link_width and the link status register in sysfs",
            {**_GPU, "width": "8"},
            _pcie_width,
        ),
        "driver-mismatch": Kind(
            "the driver was upgraded and not loaded",
            "libnvidia-ml of another version is installed, NVML init answers 18; the kernel log has 'API mismatch'",
            {"version": "580.178.04"},
            _driver_mismatch,
        ),
        "nvml-hang": Kind(
            "the driver does not answer",
            "each NVML call on the GPU hangs; with kill=no in the kernel, where no signal reaches it, until `clear`",
            {**_GPU, "kill": "yes"},
            _nvml_hang,
        ),
        "no-python": Kind(
            "a host without Python",
            "no interpreter in PATH or any usual place; the host boots",
            {},
            lambda _chosen: Effect(python=False, boots=True),
        ),
        "readonly-root": Kind(
            "the root file system went read-only after an error",
            "/ is read-only, the kernel log says why",
            {},
            _readonly_root,
        ),
        "disk-full": Kind(
            "the root file system is full",
            "/ has no free byte (a crash dump fills it); the host boots",
            {},
            lambda _chosen: Effect(root=Root.FULL, boots=True),
        ),
        "unreachable": Kind(
            "no network",
            "connection attempts get no answer at all",
            {},
            lambda _chosen: Effect(reach=Reach.SILENT),
        ),
        "refused": Kind(
            "sshd is not running", "connections are refused", {}, lambda _chosen: Effect(reach=Reach.REFUSED)
        ),
        "ssh-hang": Kind(
            "sshd accepts and says nothing",
            "connections are accepted, the SSH banner never comes",
            {},
            lambda _chosen: Effect(reach=Reach.MUTE),
        ),
    }
)


def choose(kind: str, given: Mapping[str, str]) -> Fault:
    """A fault with all its options; LabMisuse for a kind or an option that does not exist, naming the nearest."""
    if kind not in KINDS:
        raise LabMisuse(f"no fault is called {kind}{_nearest(kind, [*KINDS, 'clear'])}")
    options = KINDS[kind].options
    for name in given:
        if name not in options:
            raise LabMisuse(f"{kind} has no option {name}{_nearest(name, list(options))}")
    return Fault(kind, {**options, **given})


def effect(fault: Fault, target: Target) -> Effect:
    """What a fault does to this host; LabMisuse for an option's value that makes no sense there."""
    return KINDS[fault.kind].effect(Chosen(fault.kind, fault.options, target))


def _nearest(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(known) or 'none'}"
