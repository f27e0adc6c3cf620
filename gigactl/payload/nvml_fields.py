"""NVML's numbers and words: errors as reasons, and field ids of nvmlDeviceGetFieldValues by reading name. Only ids
that every nvml.h from 550 to 595 numbers alike, but for REASON_TIMES, which mean this from 580.82 on and something
else on some drivers before it."""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Tuple


NOT_SUPPORTED = 3
REASONS = {
    3: "not-supported",
    4: "no-permission",
    10: "timed-out",
    13: "driver-too-old",
    15: "lost",
    16: "reset-required",
    25: "driver-too-old",
    26: "not-supported",
}
# answered NOT_SUPPORTED while MIG is on, though the hardware has it (nvml.h: GetRemappedRows, GetUtilizationRates)
_HIDDEN_BY_MIG = ("remap.", "utilisation.")


def reason(code: int, name: str = "", mig: bool = False) -> str:
    """The reason for a reading NVML refused with `code`."""
    if code == NOT_SUPPORTED and mig and name.startswith(_HIDDEN_BY_MIG):
        return "not-read: MIG is on"
    return REASONS.get(code, "failed: NVML error %d" % code)


def version(text: str) -> "Tuple[int, ...]":
    """`580.82.07` as (580, 82, 7); empty where it is no version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def text(value: "Any") -> str:
    """NVML's strings come as bytes or text depending on binding and function."""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip("\0 \n")


def _watts(value: int) -> float:
    return value / 1000.0


def _same(value: "Any") -> "Any":
    return value


# name, field id, conversion
FIELDS = (
    ("nvlink.links", 91, int),
    ("temperature.memory", 82, _same),
    ("power.average", 185, _watts),
    ("power.instant", 186, _watts),
    ("clock.time.power_cap", 74, _same),
    ("clock.time.thermal", 75, _same),
    ("recovery_action", 230, int),
    ("pcie.fatal_errors", 180, _same),
    ("pcie.non_fatal_errors", 179, _same),
)
REASON_TIMES_SINCE = (580, 82)
REASON_TIMES = (
    ("clock.time.sw_thermal", 269, _same),
    ("clock.time.hw_thermal", 270, _same),
    ("clock.time.hw_power_brake", 271, _same),
)
# the scope is the link's number
LINK_FIELDS = (
    ("nvlink.%d.speed", 164, _same),
    ("nvlink.%d.replay_errors", 161, _same),
    ("nvlink.%d.recovery_errors", 162, _same),
    ("nvlink.%d.crc_errors", 163, _same),
    ("nvlink.%d.recovery_failed", 214, _same),
    ("nvlink.%d.symbol_errors", 221, _same),
)
NEVER = frozenset((199, 200))
GUARDED = frozenset(range(251, 274))
