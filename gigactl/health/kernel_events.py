"""Which events of the kernel log still count: an Xid until its GPU is reset, the driver is loaded again, or the host
boots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gigactl.payload.schema import KernelEvent, KernelLog

FALLEN_OFF = 79  # a fallen-off line has no number and counts as this Xid (gpud, NVSentinel)


@dataclass(frozen=True, slots=True)
class Episode:
    """Equal events that still count: one kind (`xid`, `sxid`), code and PCI address; oldest first."""

    kind: str
    code: int
    pci: str
    events: tuple[KernelEvent, ...]


def addresses(events: Iterable[KernelEvent]) -> dict[str, str]:
    """UUID → PCI address, as the driver's own lines pair them."""
    return {event["fields"].get("uuid", ""): event["pci"] for event in events if event["kind"] == "gpu-address"}


def counting(events: Sequence[KernelEvent], pci_of: Mapping[str, str]) -> list[KernelEvent]:
    """The Xid, SXid and fallen-off events nothing cured, oldest first. `pci_of`: UUID → PCI address.

    Events are of one boot: a boot cures by itself.
    """
    reset: set[str] = set()
    kept: list[KernelEvent] = []
    for event in sorted(events, key=lambda event: event["usec"], reverse=True):
        if event["kind"] == "driver-load":
            break
        if event["kind"] == "gpu-reset":
            reset |= _reset(event, pci_of)
        elif event["kind"] == "sxid" or (event["kind"] in {"xid", "fallen-off"} and event["pci"] not in reset):
            kept.append(event)
    return kept[::-1]


def _reset(event: KernelEvent, pci_of: Mapping[str, str]) -> set[str]:
    """PCI address of the GPU that was reset; a line of older tools that does not say `success` means it."""
    if event["fields"].get("success", "true").lower() != "true":
        return set()
    pci = event["pci"] or pci_of.get(event["fields"].get("uuid", ""), "")
    return {pci} if pci else set()


def episodes(events: Sequence[KernelEvent]) -> tuple[Episode, ...]:
    """Equal events together, in the order in which the first of each came."""
    numbered = {event["pci"] for event in events if event["kind"] == "xid" and event["code"] == FALLEN_OFF}
    groups: dict[tuple[str, int, str], list[KernelEvent]] = {}
    for event in events:
        if event["kind"] == "fallen-off":
            if event["pci"] in numbered:  # the same incident, said twice
                continue
            key = ("xid", FALLEN_OFF, event["pci"])
        else:
            key = (event["kind"], event["code"], event["pci"])
        groups.setdefault(key, []).append(event)
    return tuple(Episode(*key, tuple(group)) for key, group in groups.items())


def read_events(kernel: KernelLog | None) -> Sequence[KernelEvent]:
    """What was read, or nothing."""
    return kernel["events"] if kernel else ()
