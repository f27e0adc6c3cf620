"""The host around the GPUs: its file systems, and how much of it could be looked at."""

from __future__ import annotations

from gigactl.health.rule import Collect, Rule
from gigactl.health.view import View
from gigactl.payload.schema import Mount
from gigactl.results import Evidence, Reason, Unread

_MOUNTS = "facts.mounts"


def root(rule: Rule, view: View, out: Collect) -> None:
    """The root file system can be written."""
    mounts = view.facts["mounts"] if view.facts else []
    found = [mount for mount in mounts if mount["path"] == "/"]
    if not found:
        out.gap(rule, _MOUNTS, view.section("mounts /") or Unread(Reason.NOT_READ))
    elif found[0]["readonly"]:
        out.find("ROOT-READ-ONLY", Evidence("facts.mounts.readonly", True, False, f"{found[0]['device']} on /"))


def disk(rule: Rule, view: View, out: Collect) -> None:
    """A file system with next to nothing left. One that is read-only cannot fill up, and an image is full by nature."""
    for mount in view.facts["mounts"] if view.facts else ():
        if mount["readonly"] or mount["size"] <= 0:
            continue
        evidence = _full(mount, out)
        if evidence is not None:
            out.find("DISK-FULL", evidence, summary=f"File system {mount['path']} is full")


def _full(mount: Mount, out: Collect) -> Evidence | None:
    limit = out.policy.limit("disk.used_percent")
    used = 100 * (1 - mount["available"] / mount["size"])
    if used >= limit:
        return Evidence("disk.used_percent", round(used, 1), limit, mount["path"])
    least = out.policy.limit("disk.root_min_available")
    if mount["path"] == "/" and mount["available"] < least:
        return Evidence("disk.root_min_available", mount["available"], least, mount["path"])
    if mount["inodes"] > 0:
        limit = out.policy.limit("disk.used_inodes_percent")
        used = 100 * (1 - mount["inodes_free"] / mount["inodes"])
        if used >= limit:
            return Evidence("disk.used_inodes_percent", round(used, 1), limit, mount["path"])
    return None


def looked_at(rule: Rule, view: View, out: Collect) -> None:
    """What the look itself says: nvidia-smi alone, or an answer that was cut."""
    if view.snapshot["source"] == "nvidia-smi":
        out.find("HOST-NO-PYTHON", Evidence("source", "nvidia-smi", "nvml", "no python3 of 3.6 or newer"))
    if not view.snapshot["complete"]:
        out.find(
            "PROBE-INVALID",
            Evidence("complete", False, True, "the reply has no end"),
            summary="The host's answer was cut",
        )
        out.gap(rule, "complete", Unread(Reason.NOT_READ, "the answer was cut"))


def foreign(rule: Rule, view: View, out: Collect) -> None:
    """GPUs of another maker: said, and not judged."""
    if view.foreign:
        reason = view.expected.unmanaged_reason
        out.find("GPU-NOT-MANAGED", Evidence("facts.pci_gpus.vendor", "not NVIDIA", None, reason or "PCI bus"))


RULES = (
    Rule("root", ("ROOT-READ-ONLY",), (_MOUNTS,), False, root),
    Rule("disk", ("DISK-FULL",), (_MOUNTS,), False, disk),
    Rule("answer", ("HOST-NO-PYTHON", "PROBE-INVALID"), ("complete",), True, looked_at),
    Rule("gpu-presence", ("GPU-NOT-MANAGED",), (), False, foreign),
)
