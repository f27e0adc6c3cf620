"""Looks at hosts, written down."""

from __future__ import annotations

from gigactl.errors import HostError
from gigactl.results import (
    Evidence,
    Finding,
    GpuRef,
    Judgement,
    NotMeasured,
    Reason,
    Remedy,
    Severity,
    Status,
    Verdict,
    When,
)
from gigactl.sweep.look import HostLook, ProbeCost

COST = ProbeCost("nvml", True, "3.11.2", 0.4, 0.15)


def finding(
    severity: Severity = Severity.CRITICAL, gpu: int | None = None, id: str = "GPU-LOST", summary: str = "A GPU is lost"
) -> Finding:
    where = None if gpu is None else GpuRef(gpu, f"GPU-{gpu}", f"16{gpu}", f"0000:{gpu:02x}:00.0")
    return Finding(
        id,
        severity,
        When.DRAIN_FIRST,
        (Remedy.REBOOT,),
        summary,
        where,
        Evidence("nvml", 15, None, "nvmlDeviceGetHandle"),
    )


def missing(required: bool = True, rule: str = "ecc", reading: str = "ecc.volatile.uncorrected") -> NotMeasured:
    return NotMeasured(rule, reading, Reason.NO_PERMISSION, required, None, "needs root")


def look(host: str, verdict: Verdict, *findings: Finding, gaps: tuple[NotMeasured, ...] = ()) -> HostLook:
    judgement = Judgement(verdict, "idle", When.DRAIN_FIRST, (Remedy.REBOOT,), findings, gaps)
    return HostLook(host, judgement, Status.OK, None, 1, 0.5, COST)


def lost(host: str, failure: HostError) -> HostLook:
    summary = f"The host cannot be reached: {failure.summary}"
    said = Finding("HOST-UNREACHABLE", Severity.INFO, When.NONE, (), summary)
    judgement = Judgement(Verdict.UNREACHABLE, "none", When.NONE, (), (said,))
    return HostLook(host, judgement, Status.UNREACHABLE, failure, 2, 1.0)
