"""Are the GPUs there: counted on the bus against the model, and answering."""

from __future__ import annotations

from gigactl.health.kernel_events import FALLEN_OFF
from gigactl.health.rule import Collect, Rule
from gigactl.health.view import View
from gigactl.results import Evidence, GpuRef, Reason, Unread

_BUS = "facts.pci_gpus"


def count(rule: Rule, view: View, out: Collect) -> None:
    """Fewer GPUs than the model has, or more."""
    wanted = view.expected.gpu_count
    if isinstance(view.bus, Unread):
        out.gap(rule, _BUS, view.bus)
        return
    counted = len(view.bus)
    if wanted is not None and counted < wanted:
        absent = _absent(view)
        where = f"; absent: {', '.join(absent)}" if absent else ""
        gpu = _last_known(view, absent[0]) if len(absent) == wanted - counted == 1 else None
        out.find("GPU-MISSING", Evidence(_BUS, counted, wanted, f"PCI bus{where}"), gpu=gpu)
    elif wanted is not None and counted > wanted:
        out.find("GPU-EXTRA", Evidence(_BUS, counted, wanted, "PCI bus"))


def _absent(view: View) -> list[str]:
    """Addresses where NVML, this boot's kernel log or an earlier look has a GPU and the bus now has none."""
    logged = {event["pci"] for event in view.events if event["kind"] in {"gpu-address", "xid", "fallen-off"}}
    # addresses move when a board enumerates otherwise; a GPU that still answers elsewhere is not the absent one
    here = {gpu.ref.uuid for gpu in view.gpus}
    seen = {gpu.pci for gpu in view.past.gpus if gpu.uuid not in here} if view.past else set()
    return sorted(pci for pci in (logged | seen | set(view.refs)) - view.addresses if pci)


def _last_known(view: View, pci: str) -> GpuRef:
    earlier = {gpu.pci: gpu for gpu in view.past.gpus} if view.past else {}
    return view.refs.get(pci) or earlier.get(pci) or GpuRef(pci=pci)


def lost(rule: Rule, view: View, out: Collect) -> None:
    """A GPU that is enumerated and does not answer, by whichever of three witnesses saw it; one finding per GPU."""
    fallen = {episode.pci for episode in view.episodes if episode.kind == "xid" and episode.code == FALLEN_OFF}
    seen: dict[GpuRef, Evidence] = {}
    for gpu in view.gpus:
        trouble = gpu.trouble
        if trouble is not None and trouble.reason is Reason.LOST:
            seen[gpu.ref] = Evidence("*", "lost", None, "NVML error 15")
        elif gpu.ref.pci in fallen and not gpu.values:
            seen[gpu.ref] = Evidence("*", "unread", None, "kernel log: fallen off the bus")
    for ref, evidence in _on_the_bus(view, out):
        seen.setdefault(ref, evidence)
    for ref, evidence in seen.items():
        out.find("GPU-LOST", evidence, gpu=ref)


def _on_the_bus(view: View, out: Collect) -> list[tuple[GpuRef, Evidence]]:
    """GPUs the bus shows dead, or that the driver does not list though it listed all it has."""
    if isinstance(view.bus, Unread):
        return []
    driver = view.driver
    listed = (
        driver is not None
        and driver["state"] == "ok"
        and driver["gpu_count"] == len(view.gpus)
        and view.snapshot["complete"]
    )
    # without every address NVML's list and the bus cannot be compared name by name
    comparable = listed and len(view.refs) == len(view.gpus)
    found = []
    for gpu in view.bus:
        ref = view.ref(gpu["address"])
        if not gpu["alive"]:
            found.append((ref, Evidence("facts.pci_gpus.alive", False, True, "PCI configuration space reads all ones")))
        elif gpu["driver"].startswith("vfio"):
            out.note(f"the GPU at {gpu['address']} is handed to a guest ({gpu['driver']}) and not judged")
        elif comparable and gpu["address"] not in view.refs:
            found.append(
                (ref, Evidence("driver.gpu_count", len(view.gpus), len(view.bus), "on the PCI bus, not in NVML's list"))
            )
    return found


RULES = (
    Rule("gpu-presence", ("GPU-MISSING", "GPU-EXTRA"), (_BUS,), True, count),
    Rule("gpu-presence", ("GPU-LOST",), (_BUS,), True, lost),
)
