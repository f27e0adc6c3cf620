"""One host as the rules see it: the snapshot indexed once, readings as a value or a reason, GPUs by every name they
have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from gigactl.health.kernel_events import Episode, addresses, counting, episodes
from gigactl.health.past import Past, events_of, uuids
from gigactl.inventory.expectation import Expectation
from gigactl.payload.schema import Driver, Facts, Gpu, KernelEvent, PciGpu, Snapshot
from gigactl.results import GpuRef, Reason, Scalar, Unread, parse_unread, read

NVIDIA = "10de"
AMD = "1002"
# one reading that says so speaks for the whole GPU: nothing more can be read of it
_TELLING = ("lost", "reset-required")


@dataclass(slots=True)
class GpuView:
    """One GPU NVML lists. `trouble`: why nothing (more) could be read of it, None while it answers."""

    ref: GpuRef
    values: Mapping[str, Scalar]
    unread: Mapping[str, str]
    trouble: Unread | None
    busy: bool

    def number(self, name: str) -> float | Unread:
        """A reading as a number (bool counts as 0 or 1), or why there is none; text where a number belongs is a failed
        reading."""
        value = self.values.get(name)
        if value is None:
            reading = read(self.values, self.unread, name)
            return reading if isinstance(reading, Unread) else Unread(Reason.NOT_READ)
        if isinstance(value, str):
            return Unread(Reason.FAILED, "not a number")
        return value


class View:
    """A snapshot and what is expected of its host, looked at once."""

    def __init__(self, snapshot: Snapshot, expected: Expectation, past: Past | None) -> None:
        self.snapshot = snapshot
        self.expected = expected
        self.past = past
        self.facts: Facts | None = snapshot["facts"]
        self.driver: Driver | None = snapshot["driver"]
        self.bus = self._bus()
        self.gpus = tuple(self._gpu(gpu) for gpu in snapshot["gpus"])
        self.refs = {gpu.ref.pci: gpu.ref for gpu in self.gpus if gpu.ref.pci}

    def _bus(self) -> tuple[PciGpu, ...] | Unread:
        """NVIDIA's GPUs on the PCI bus, in order of address, or why that is not known."""
        reading = self.section("pci_gpus")
        if self.facts is None or reading is not None:
            return reading or Unread(Reason.NOT_READ)
        return tuple(
            sorted((gpu for gpu in self.facts["pci_gpus"] if gpu["vendor"] == NVIDIA), key=lambda gpu: gpu["address"])
        )

    def section(self, name: str) -> Unread | None:
        """Why a section of the facts was not read; None when it was."""
        if self.facts is None:
            return Unread(Reason.NOT_READ, "no facts came")
        why = self.facts["unread"].get(name)
        return parse_unread(why) if why else None

    def _gpu(self, gpu: Gpu) -> GpuView:
        pci = gpu["pci"] or self._pci_by_order(gpu["index"])
        values = gpu["values"]
        ref = GpuRef(gpu["index"], gpu["uuid"] or None, gpu["serial"] or None, pci or None)
        used = values.get("utilisation.gpu")
        busy = bool(gpu["processes"]) or (isinstance(used, (int, float)) and used > 0)
        return GpuView(ref, values, gpu["unread"], _trouble(gpu), busy)

    def _pci_by_order(self, index: int) -> str:
        """The address of a GPU that does not tell it: NVML counts in the order of the bus, where it lists every GPU on
        it."""
        whole = (
            self.driver is not None and not isinstance(self.bus, Unread) and len(self.bus) == self.driver["gpu_count"]
        )
        return (
            self.bus[index]["address"] if whole and not isinstance(self.bus, Unread) and index < len(self.bus) else ""
        )

    def ref(self, pci: str) -> GpuRef:
        """The GPU at an address, with every other name it is known by."""
        return self.refs.get(pci) or GpuRef(pci=pci)

    @cached_property
    def addresses(self) -> frozenset[str]:
        """Addresses at which there is an NVIDIA GPU: the bus decides where it was read, since NVML may
        still list one that is gone."""
        return frozenset(self.refs if isinstance(self.bus, Unread) else (gpu["address"] for gpu in self.bus))

    @cached_property
    def foreign(self) -> bool:
        """Whether the GPUs are another maker's: the inventory says so, or the bus has AMD's and none of NVIDIA's."""
        if not self.expected.managed:
            return True
        amd = self.facts is not None and any(gpu["vendor"] == AMD for gpu in self.facts["pci_gpus"])
        return amd and not self.bus and not self.gpus

    @cached_property
    def has_gpus(self) -> bool:
        """Whether NVIDIA GPUs are here, expected, or cannot be ruled out; a host without any needs no driver."""
        return not self.foreign and bool(
            self.expected.gpu_count or self.gpus or isinstance(self.bus, Unread) or self.bus
        )

    @cached_property
    def fabric(self) -> bool:
        """Whether GPUs are joined by NVSwitches: as the board has it, where it is known, else as the bus shows."""
        if self.expected.board is not None:
            return self.expected.fabric != "none"
        facts = self.facts
        return facts is not None and (facts["fabric"]["nvswitches"] > 0 or facts["fabric"]["nvlink5"])

    @property
    def wants_fabric_service(self) -> bool:
        """Whether a fabric manager belongs on this host. What a model's boards have in common says nothing about a
        board that is none of them."""
        return self.expected.wants_fabric_manager if self.expected.board is not None else self.fabric

    @cached_property
    def events(self) -> list[KernelEvent]:
        """Everything known of this boot's kernel log."""
        return events_of(self.snapshot, self.past)

    @cached_property
    def episodes(self) -> tuple[Episode, ...]:
        """The Xids and SXids that still count."""
        if not self.events:
            return ()
        return episodes(counting(self.events, {**addresses(self.events), **uuids(self.snapshot)}))

    @cached_property
    def branch(self) -> int | None:
        """The loaded driver's branch (580), None where unknown."""
        version = (self.driver["loaded"] or self.driver["driver_version"]) if self.driver else ""
        head = version.partition(".")[0]
        return int(head) if head.isdigit() else None


def _trouble(gpu: Gpu) -> Unread | None:
    unread = gpu["unread"]
    if "*" in unread:
        return parse_unread(unread["*"])
    for why in unread.values():
        if why.startswith(_TELLING):
            return parse_unread(why)
    return None
