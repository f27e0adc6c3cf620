"""Values every room speaks: statuses, findings, verdicts, remedies, readings. No I/O, no rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Scalar = bool | int | float | str


class Status(StrEnum):
    """What became of one host or step."""

    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"


class Severity(StrEnum):
    """How bad one finding is; ordered by `rank`."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return ("info", "warning", "critical").index(self.value)


class Verdict(StrEnum):
    """What is said of one host; ordered worst first by `rank` (0 is worst)."""

    CRITICAL = "critical"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    WARNING = "warning"
    MAINTENANCE = "maintenance"
    OK = "ok"

    @property
    def rank(self) -> int:
        return list(Verdict).index(self)


class When(StrEnum):
    """How urgent the remedy is."""

    NONE = "none"
    NEXT_WINDOW = "next-window"
    DRAIN_FIRST = "drain-first"
    NOW = "now"

    @property
    def rank(self) -> int:
        return list(When).index(self)


class Remedy(StrEnum):
    """What to do. `covers` is the cover relation: doing the one makes the other unnecessary."""

    RESTART_SERVICE = "restart-service"
    CONVERGE = "converge"
    RESET_GPU = "reset-gpu"
    RESET_ALL_GPUS = "reset-all-gpus"
    REBOOT = "reboot"
    POWER_CYCLE = "power-cycle"
    RECOVER_DOMAIN = "recover-domain"
    INSPECT = "inspect"
    RMA = "rma"

    def covers(self, other: Remedy) -> bool:
        """Whether doing `self` makes `other` unnecessary: a reboot covers resets and a service restart, a power cycle
        covers a reboot, nothing covers inspect or rma."""
        return self is other or other in _COVERS.get(self, frozenset())


_RESETS = frozenset({Remedy.RESET_GPU, Remedy.RESTART_SERVICE})
_COVERS: dict[Remedy, frozenset[Remedy]] = {
    Remedy.RESET_ALL_GPUS: frozenset({Remedy.RESET_GPU}),
    Remedy.REBOOT: _RESETS | {Remedy.RESET_ALL_GPUS},
    Remedy.POWER_CYCLE: _RESETS | {Remedy.RESET_ALL_GPUS, Remedy.REBOOT},
}


def smallest_cover(remedies: Iterable[Remedy]) -> tuple[Remedy, ...]:
    """The smallest set whose members cover all of `remedies`, in the order of the enumeration."""
    wanted = set(remedies)
    kept = {one for one in wanted if not any(other is not one and other.covers(one) for other in wanted)}
    return tuple(one for one in Remedy if one in kept)


class Reason(StrEnum):
    """Why a reading is missing. Only NOT_SUPPORTED is a property of the hardware; every other one is a gap."""

    NOT_SUPPORTED = "not-supported"
    NO_PERMISSION = "no-permission"
    DRIVER_TOO_OLD = "driver-too-old"
    TIMED_OUT = "timed-out"
    LOST = "lost"
    RESET_REQUIRED = "reset-required"
    FAILED = "failed"
    NOT_READ = "not-read"


@dataclass(frozen=True, slots=True)
class Unread:
    """A reading that has no value, and why. `detail` is free text (an NVML error, an errno)."""

    reason: Reason
    detail: str = ""


Reading = Scalar | Unread


def parse_unread(text: str) -> Unread:
    """`"timed-out"` or `"failed: NVML error 999"` as the payload writes it; an unknown reason is FAILED, text kept."""
    head, _, detail = text.partition(":")
    try:
        return Unread(Reason(head.strip()), detail.strip())
    except ValueError:
        return Unread(Reason.FAILED, text)


def read(values: Mapping[str, Scalar], unread: Mapping[str, str], name: str) -> Reading:
    """The only way to look at a reading: its value, or why there is none. Never 0 for a missing one.

    `unread["*"]` speaks for every name that has no entry of its own.
    """
    if name in values:
        return values[name]
    if name in unread:
        return parse_unread(unread[name])
    if "*" in unread:
        return parse_unread(unread["*"])
    return Unread(Reason.NOT_READ)


@dataclass(frozen=True, slots=True)
class GpuRef:
    """Which GPU a finding is about. `pci` is `dddd:bb:dd.f` in lower case, the one name that outlives a lost GPU."""

    index: int | None = None
    uuid: str | None = None
    serial: str | None = None
    pci: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a finding rests on: a reading, its value, the limit it broke, and where it was read."""

    reading: str
    value: Scalar | None
    limit: Scalar | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found on one host. `summary` is one line without host names, equal for equal problems: it folds.

    `folded` names what could not be read because of this finding (it is not reported a second time).
    """

    id: str
    severity: Severity
    when: When
    remedy: tuple[Remedy, ...]
    summary: str
    gpu: GpuRef | None = None
    evidence: Evidence | None = None
    folded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A rule that could not be judged, on which reading, and why. `required`: its absence makes the host `unknown`."""

    rule: str
    reading: str
    reason: Reason
    required: bool
    gpu: GpuRef | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of one host, and what it rests on. `basis`: `idle`, `busy`, `nvidia-smi` or `none`."""

    verdict: Verdict
    basis: str
    when: When
    remedy: tuple[Remedy, ...]
    findings: tuple[Finding, ...] = ()
    not_measured: tuple[NotMeasured, ...] = ()
    notes: tuple[str, ...] = field(default=())
