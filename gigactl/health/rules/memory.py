"""GPU memory: uncorrectable errors, rows to be remapped, the recovery the driver asks for."""

from __future__ import annotations

from gigactl.health.recovery import by_number
from gigactl.health.rule import Collect, Rule
from gigactl.health.view import GpuView, View
from gigactl.results import Evidence, Reason, Unread

_ID = "GPU-RECOVERY-ACTION"


def ecc(rule: Rule, view: View, out: Collect) -> None:
    """Any uncorrectable error since the driver was loaded."""
    for gpu in view.gpus:
        count = gpu.number("ecc.volatile.uncorrected")
        if isinstance(count, Unread):
            out.gap(rule, "ecc.volatile.uncorrected", count, gpu.ref)
        elif count > 0:
            evidence = Evidence("ecc.volatile.uncorrected", count, 0, "nvmlDeviceGetTotalEccErrors")
            out.find("GPU-ECC-UNCORRECTED", evidence, gpu=gpu.ref)


def row_remap(rule: Rule, view: View, out: Collect) -> None:
    """A row that waits for a reset, or that could not be replaced."""
    for gpu in view.gpus:
        for name, finding in (("remap.failed", "GPU-ROW-REMAP-FAILED"), ("remap.pending", "GPU-ROW-REMAP-PENDING")):
            value = gpu.number(name)
            if isinstance(value, Unread):
                out.gap(rule, name, value, gpu.ref)
            elif value:
                out.find(finding, Evidence(name, True, False, "nvmlDeviceGetRemappedRows"), gpu=gpu.ref)


def recovery(rule: Rule, view: View, out: Collect) -> None:
    """What the driver itself says the GPU needs."""
    for gpu in view.gpus:
        value = gpu.number("recovery_action")
        if not isinstance(value, Unread) and value:
            _stated(gpu, int(value), out)
        elif gpu.trouble is not None and gpu.trouble.reason is Reason.RESET_REQUIRED:
            evidence = Evidence("*", "reset required", None, "NVML error 16")
            out.find(_ID, evidence, gpu=gpu.ref, summary=_says("a GPU reset"), variant="reset-required")
        elif isinstance(value, Unread):
            out.gap(rule, "recovery_action", value, gpu.ref)


def _stated(gpu: GpuView, number: int, out: Collect) -> None:
    action = by_number(number)
    evidence = Evidence("recovery_action", number, 0, "NVML field 230")
    if action is None:
        summary = _says("something this catalogue does not know")
        out.find(_ID, evidence, gpu=gpu.ref, summary=summary, variant="unknown")
    else:
        out.find(_ID, evidence, gpu=gpu.ref, summary=_says(action.means), ask=action.ask)


def _says(need: str) -> str:
    return f"The driver states that the GPU needs {need}"


RULES = (
    Rule("ecc", ("GPU-ECC-UNCORRECTED",), ("ecc.volatile.uncorrected",), True, ecc),
    Rule(
        "row-remap",
        ("GPU-ROW-REMAP-FAILED", "GPU-ROW-REMAP-PENDING"),
        ("remap.failed", "remap.pending"),
        True,
        row_remap,
    ),
    Rule("recovery", (_ID,), ("recovery_action",), False, recovery),
)
