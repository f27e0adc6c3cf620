"""GPU readings as cells of a table: a value with its unit, a dash for what the hardware lacks, the reason for a gap."""

from __future__ import annotations

from collections.abc import Callable

from gigactl.payload.schema import Gpu
from gigactl.render.text import size
from gigactl.results import Reading, Reason, Unread, read

FABRIC_STATES = {0: "not supported", 1: "not started", 2: "in progress", 3: "completed"}
"""nvmlGpuFabricState_t, nvml.h of 580."""


def reading(gpu: Gpu, name: str) -> Reading:
    return read(gpu["values"], gpu["unread"], name)


def cell(value: Reading, shown: Callable[[float], str] = lambda value: f"{value:g}") -> str:
    """One reading. Only numbers go through `shown`."""
    if isinstance(value, Unread):
        return "-" if value.reason is Reason.NOT_SUPPORTED else value.reason.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else shown(value)


def pair(first: str, second: str) -> str:
    """`412/700`; two equal gaps are one."""
    return first if first == second and not first[:1].isdigit() else f"{first}/{second}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def temperature(gpu: Gpu) -> str:
    return cell(reading(gpu, "temperature.core"), _whole)


def power(gpu: Gpu) -> str:
    drawn = reading(gpu, "power.instant")
    if isinstance(drawn, Unread):
        drawn = reading(gpu, "power.average")
    return pair(cell(drawn, _whole), cell(reading(gpu, "power.limit"), _whole))


def utilisation(gpu: Gpu) -> str:
    return pair(cell(reading(gpu, "utilisation.gpu"), _whole), cell(reading(gpu, "utilisation.memory"), _whole))


def memory(gpu: Gpu) -> str:
    return pair(cell(reading(gpu, "memory.used"), size), cell(reading(gpu, "memory.total"), size))


def clocks(gpu: Gpu) -> str:
    return pair(cell(reading(gpu, "clock.sm"), _whole), cell(reading(gpu, "clock.memory"), _whole))


def ecc(gpu: Gpu) -> str:
    """Since the driver was loaded: corrected/uncorrected."""
    return pair(
        cell(reading(gpu, "ecc.volatile.corrected"), _whole), cell(reading(gpu, "ecc.volatile.uncorrected"), _whole)
    )


def remap(gpu: Gpu) -> str:
    """Rows remapped, for corrected/uncorrected errors; then what is pending or failed."""
    rows = pair(cell(reading(gpu, "remap.correctable"), _whole), cell(reading(gpu, "remap.uncorrectable"), _whole))
    more = [name for name in ("pending", "failed") if reading(gpu, f"remap.{name}") is True]
    return " ".join([rows, *more])


def pcie(gpu: Gpu) -> str:
    generation, width = cell(reading(gpu, "pcie.generation"), _whole), cell(reading(gpu, "pcie.width"), _whole)
    return pair(generation, width) if not generation[:1].isdigit() else f"{generation} x{width}"


def nvlink(gpu: Gpu) -> str:
    return pair(cell(reading(gpu, "nvlink.links.active"), _whole), cell(reading(gpu, "nvlink.links"), _whole))


def fabric(gpu: Gpu) -> str:
    state = reading(gpu, "fabric.state")
    if isinstance(state, Unread) or not isinstance(state, int):
        return cell(state)
    return FABRIC_STATES.get(state, f"state {state}")


def processes(gpu: Gpu) -> str:
    """How many have a context, and the biggest one's name; a dash where nothing of the GPU was read."""
    if not gpu["values"]:
        return "-"
    held = sorted(gpu["processes"], key=lambda process: -process["memory_bytes"])
    return f"{len(held)} ({held[0]['name'] or held[0]['pid']})" if held else "0"
