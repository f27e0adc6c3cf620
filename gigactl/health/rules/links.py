"""Links of a GPU: PCIe lanes and NVLinks, against what its board has."""

from __future__ import annotations

from gigactl.health.rule import Collect, Rule
from gigactl.health.view import GpuView, View
from gigactl.results import Evidence, Reason, Unread

_ACTIVE = "nvlink.links.active"
_STATE = "nvmlDeviceGetNvLinkState"


def pcie(rule: Rule, view: View, out: Collect) -> None:
    """Fewer lanes than the board wants or the slot allows. The generation is not judged: it drops while idle."""
    wanted = view.expected.pcie_width if view.expected.board is not None else None
    for gpu in view.gpus:
        width = gpu.number("pcie.width")
        if isinstance(width, Unread):
            out.gap(rule, "pcie.width", width, gpu.ref)
            continue
        limit = wanted
        if limit is None:
            most = gpu.number("pcie.width.max")
            if isinstance(most, Unread):
                out.gap(rule, "pcie.width.max", most, gpu.ref)
                continue
            limit = int(most)
        if width < limit:
            out.find("PCIE-WIDTH", Evidence("pcie.width", width, limit, "nvmlDeviceGetCurrPcieLinkWidth"), gpu=gpu.ref)


def nvlink(rule: Rule, view: View, out: Collect) -> None:
    """Fewer active links than the board has. Where the board's count is not proved on hardware, fewer than the host's
    best GPU."""
    wanted = view.expected.nvlinks
    if not wanted:
        return
    # what a model's boards have in common says nothing sure about a board that is none of them
    proved = view.expected.links_proved and view.expected.board is not None
    active = [(gpu, _active(rule, gpu, proved, out)) for gpu in view.gpus if not _partitioned(gpu, out)]
    known = [(gpu, count) for gpu, count in active if count is not None]
    limit = wanted if proved else max((count for _, count in known), default=0)
    for gpu, count in known:
        if count < limit:
            evidence = Evidence(_ACTIVE, count, limit, _STATE)
            out.find("NVLINK-DOWN", evidence, gpu=gpu.ref, variant="" if proved else "unproved")


def _active(rule: Rule, gpu: GpuView, proved: bool, out: Collect) -> int | None:
    count = gpu.number(_ACTIVE)
    if not isinstance(count, Unread):
        return int(count)
    if proved and count.reason is Reason.NOT_SUPPORTED:  # the board has them, so this is no property of the hardware
        count = Unread(Reason.FAILED, "NVML shows no NVLink on a board that has them")
    out.gap(rule, _ACTIVE, count, gpu.ref)
    return None


def _partitioned(gpu: GpuView, out: Collect) -> bool:
    """A GPU cut into MIG instances uses no NVLink (NVIDIA MIG user guide: no peer-to-peer): its links say nothing."""
    if gpu.values.get("mode.mig") is not True:
        return False
    out.note("MIG is on for at least one GPU: its NVLinks are not judged")
    return True


RULES = (
    Rule("pcie", ("PCIE-WIDTH",), ("pcie.width", "pcie.width.max"), True, pcie),
    Rule("nvlink", ("NVLINK-DOWN",), (_ACTIVE,), True, nvlink),
)
