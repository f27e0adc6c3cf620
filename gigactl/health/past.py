"""What is kept of a host between two looks, so that a kernel log read from a cursor loses nothing that still counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gigactl.health.kernel_events import addresses, counting, read_events
from gigactl.payload.schema import KernelCursor, KernelEvent, Snapshot
from gigactl.results import GpuRef


@dataclass(frozen=True, slots=True)
class Past:
    """From earlier looks in the boot `boot_id`: events that still counted, the GPUs seen, and where the next look
    begins."""

    boot_id: str
    events: tuple[KernelEvent, ...] = ()
    gpus: tuple[GpuRef, ...] = ()
    cursor: KernelCursor | None = None


def events_of(snapshot: Snapshot, past: Past | None) -> list[KernelEvent]:
    """Everything known of the current boot's kernel log, oldest first: what was remembered and what was read now."""
    now = list(read_events(snapshot["kernel"]))
    if past is None or past.boot_id != _boot(snapshot):
        return now
    seen = {(event["usec"], event["text"]) for event in now}
    return [event for event in past.events if (event["usec"], event["text"]) not in seen] + now


def remember(snapshot: Snapshot, past: Past | None) -> Past:
    """What to keep for the next look. A GPU seen once stays known until the board changes: it may be the next one
    missing."""
    events = events_of(snapshot, past)
    pairs = {**uuids(snapshot), **addresses(events)}
    mapped = [event for event in events if event["kind"] == "gpu-address"]
    seen = {
        gpu["pci"]: GpuRef(gpu["index"], gpu["uuid"], gpu["serial"], gpu["pci"])
        for gpu in snapshot["gpus"]
        if gpu["uuid"]
    }
    known = {gpu.pci: gpu for gpu in past.gpus if gpu.pci} if past else {}
    kernel = snapshot["kernel"]
    read = kernel is not None and not kernel["unread"]
    return Past(
        boot_id=_boot(snapshot) or (past.boot_id if past else ""),
        events=(*mapped, *counting(events, pairs)),
        gpus=tuple({**known, **seen}.values()),
        cursor=kernel["cursor"] if kernel and read else (past.cursor if past else None),
    )


def uuids(snapshot: Snapshot) -> Mapping[str, str]:
    """UUID → PCI address of the GPUs NVML shows."""
    return {gpu["uuid"]: gpu["pci"] for gpu in snapshot["gpus"] if gpu["uuid"] and gpu["pci"]}


def _boot(snapshot: Snapshot) -> str:
    return snapshot["facts"]["boot_id"] if snapshot["facts"] else ""
