"""NVML's numbers and words: errors as reasons, and field ids of nvmlDeviceGetFieldValues by reading name. Only ids
that every nvml.h from 550 to 595 (and the bindings to 615) number alike, but for REASON_TIMES, which mean this from
580.82 on and something else on some drivers before it."""

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


def ber(value: int) -> float:
    """A bit error rate as nvml.h packs it (NVML_NVLINK_BER_*): mantissa in bits 8 to 11, the exponent below.

    >>> ber(0x30C)
    3e-12
    """
    return float("%de-%d" % (value >> 8 & 0xF, value & 0xFF))


# name, field id, conversion: what a look at a GPU begins with
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
    ("temperature.tlimit.shutdown", 193, _same),
    ("temperature.tlimit.slowdown", 194, _same),
    ("temperature.tlimit.memory", 195, _same),
    ("temperature.tlimit.gpu", 196, _same),
)
# asked in a call of their own once all else is known: counters for the record, and what only new drivers know
LATE_FIELDS = (
    ("pcie.replay_rollovers", 95, _same),
    ("pcie.l0_recoveries", 169, _same),
    ("pcie.correctable_errors", 173, _same),
    ("pcie.naks_received", 174, _same),
    ("pcie.receiver_errors", 175, _same),
    ("pcie.bad_tlps", 176, _same),
    ("pcie.naks_sent", 177, _same),
    ("pcie.bad_dllps", 178, _same),
    ("pcie.unsupported_requests", 181, _same),
    ("pcie.lcrc_errors", 182, _same),
    ("nvlink.links.to_switch", 147, int),
    ("c2c.links", 170, int),
    ("remap.inactive.correctable", 301, _same),
    ("remap.inactive.uncorrectable", 302, _same),
    ("bank_remap.active", 303, _same),
    ("bank_remap.inactive", 304, _same),
    ("bank_remap.banks.max", 305, _same),
    ("bank_remap.banks.none", 306, _same),
    ("bank_remap.pending", 307, bool),
)
# the scope is the PCIe lane's number; the reading is their sum
LANE_ERRORS, LANES = 183, 16
REASON_TIMES_SINCE = (580, 82)
REASON_TIMES = (
    ("clock.time.sw_thermal", 269, _same),
    ("clock.time.hw_thermal", 270, _same),
    ("clock.time.hw_power_brake", 271, _same),
)
# the scope is the link's number, which stands for `%s`; each link's number is told
LINK_FIELDS = (
    ("nvlink.%s.speed", 164, _same),
    ("nvlink.%s.replay_errors", 161, _same),
    ("nvlink.%s.recovery_errors", 162, _same),
    ("nvlink.%s.crc_errors", 163, _same),
    ("nvlink.%s.recovery_failed", 214, _same),
    ("nvlink.%s.symbol_errors", 221, _same),
)
# NVLink 5, also by link: told for all links together, and of a link only what sets it apart (18 links times 12 zeros
# would double a snapshot)
LINK_COUNTS = (
    ("nvlink.%s.malformed_packets", 206, _same),
    ("nvlink.%s.buffer_overruns", 207, _same),
    ("nvlink.%s.receive_errors", 208, _same),
    ("nvlink.%s.remote_errors", 209, _same),
    ("nvlink.%s.general_errors", 210, _same),
    ("nvlink.%s.integrity_errors", 211, _same),
    ("nvlink.%s.transmit_discards", 212, _same),
    ("nvlink.%s.recovery_succeeded", 213, _same),
    ("nvlink.%s.recoveries", 215, _same),
    ("nvlink.%s.effective_errors", 219, _same),
    ("nvlink.%s.effective_ber", 220, ber),
    ("nvlink.%s.symbol_ber", 222, ber),
)
# of the links between GPU and CPU on Grace
C2C_FIELDS = (
    ("c2c.%s.active", 171, bool),
    ("c2c.%s.speed", 172, _same),
    ("c2c.%s.interrupt_errors", 231, _same),
    ("c2c.%s.replay_errors", 232, _same),
    ("c2c.%s.replay_b2b_errors", 233, _same),
    ("c2c.%s.power_state", 234, int),
)
NEVER = frozenset((199, 200))
GUARDED = frozenset(range(251, 274))
