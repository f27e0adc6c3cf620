"""Exit codes: what each means, which of several goes first, and how many lost hosts are tolerated. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gigactl.errors import UsageError
from gigactl.results import Judgement, Severity, Status, Verdict

DONE = 0
BUG = 1
USAGE = 2
INVALID = 3
HELD = 4
GATE = 7
FAILED = 5
FINDINGS = 8
LOST = 6
PENDING = 10

MEANINGS: dict[int, str] = {
    BUG: "unexpected error: a bug; a traceback is in the log file named",
    USAGE: "usage error, safety rail included",
    INVALID: "invalid inventory, policy or settings",
    HELD: "another owner holds it",
    GATE: "a gate stopped the rollout",
    FAILED: "a step or test failed, was refused or is unknown on at least one host",
    FINDINGS: "findings at or above --fail-on",
    LOST: "more hosts unreachable or unknown than --unreachable-ok",
    PENDING: "changes pending (--detailed-exitcode only)",
    DONE: "done",
}
"""In order of precedence, after 128+N for signal N."""

_SIGNAL = 128


def first(codes: Iterable[int]) -> int:
    """The one that applies of several: a signal before all others, then the order of MEANINGS; nothing is 0."""
    order = list(MEANINGS)
    return min(codes, key=lambda code: (-1, -code) if code > _SIGNAL else (order.index(code), 0), default=DONE)


def of_signal(number: int) -> int:
    return _SIGNAL + number


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many hosts may be lost: a number, or a percentage of the hosts looked at (rounded down)."""

    number: float = 0
    percent: bool = False

    def allows(self, lost: int, hosts: int) -> bool:
        return lost <= (hosts * self.number / 100 if self.percent else self.number)


def tolerance(text: str) -> Tolerance:
    """`3` or `2.5%`; anything else is a usage error."""
    match = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)%", text.strip())
    if match is None or (match[2] and float(match[2]) > 100):
        raise UsageError(f"--unreachable-ok takes a number of hosts or a percentage, not {text!r}", hint="e.g. 2 or 1%")
    return Tolerance(int(match[1])) if match[1] else Tolerance(float(match[2]), percent=True)


def of_health(judgements: Sequence[Judgement], fail_on: Severity | None, lost_ok: Tolerance) -> int:
    """8 for a finding at or above `fail_on` (None: never), else 6 for more lost hosts than tolerated, else 0.

    A host that is unreachable is lost, not sick: what is said of it counts for 6 only.
    """
    found = fail_on is not None and any(
        finding.severity.rank >= fail_on.rank
        for one in judgements
        if one.verdict is not Verdict.UNREACHABLE
        for finding in one.findings
    )
    lost = sum(one.verdict in {Verdict.UNREACHABLE, Verdict.UNKNOWN} for one in judgements)
    codes = [FINDINGS] if found else []
    if not lost_ok.allows(lost, len(judgements)):
        codes.append(LOST)
    return first(codes)


def of_host(status: Status) -> int:
    """Not having reached a host is 6; having reached it without a known or good end is 5."""
    if status in {Status.OK, Status.CHANGED}:
        return DONE
    return LOST if status in {Status.UNREACHABLE, Status.SKIPPED} else FAILED
