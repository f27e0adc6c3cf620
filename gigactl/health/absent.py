"""What is said of a host that gave no snapshot: unreachable, out of time, no usable answer. Never that it is sick."""

from __future__ import annotations

from gigactl.errors import DeadlineExceeded, HostError, Unreachable
from gigactl.health.judge import judgement
from gigactl.health.tables import definitions
from gigactl.results import Evidence, Finding, Judgement, Status, Verdict
from gigactl.transport.dialogue import Ended

IDS = ("HOST-UNREACHABLE", "PROBE-TIMED-OUT", "PROBE-INVALID")
_BASIS = "none"


def absent(ended: Ended) -> Judgement:
    """From how the dialogue ended. A host that was never started (skipped) has no finding: nothing was tried."""
    if ended.status is Status.SKIPPED:
        return judgement((), (), _BASIS, ("not looked at: the sweep was stopped before its turn",), Verdict.UNKNOWN)
    finding = _finding_id(ended)
    verdict = Verdict.UNREACHABLE if finding == "HOST-UNREACHABLE" else Verdict.UNKNOWN
    failure = ended.failure
    definition = definitions()[finding]
    # the detail names addresses and paths, which differ from host to host; the class's summary is what folds
    summary = f"{definition.title}: {failure.summary}" if failure else definition.title
    ask = definition.ask()
    evidence = Evidence("session", str(failure) if failure else "no reply", None, _tried(ended))
    return judgement(
        [Finding(finding, ask.severity, ask.when, ask.remedy, summary, None, evidence)],
        (),
        _BASIS,
        (failure.hint,) if failure and failure.hint else (),
        verdict,
    )


def _finding_id(ended: Ended) -> str:
    """Out of time first: while connecting it is unreachable, on a host that was reached it is not."""
    failure: HostError | None = ended.failure
    if isinstance(failure, DeadlineExceeded):
        return "HOST-UNREACHABLE" if ended.status is Status.UNREACHABLE else "PROBE-TIMED-OUT"
    if isinstance(failure, Unreachable) or ended.status is Status.UNREACHABLE:
        return "HOST-UNREACHABLE"
    return "PROBE-INVALID"


def _tried(ended: Ended) -> str:
    times = "once" if ended.attempts == 1 else f"{ended.attempts} times"
    return f"tried {times} in {ended.seconds:.1f} s"
