"""A host without a snapshot is unreachable or unknown, never sick, and the line says why."""

from __future__ import annotations

import pytest

from gigactl.errors import (
    BecomeFailed,
    ConnectionLost,
    ConnectRefused,
    DeadlineExceeded,
    HostError,
    HostKeyUnknown,
    ReplyInvalid,
)
from gigactl.health.absent import IDS, absent
from gigactl.health.tables import definitions
from gigactl.results import Severity, Status, Verdict, When
from gigactl.transport.dialogue import Ended


@pytest.mark.parametrize(
    ("failure", "status", "finding", "verdict"),
    [
        (ConnectRefused("10.0.0.7:22"), Status.UNREACHABLE, "HOST-UNREACHABLE", Verdict.UNREACHABLE),
        (HostKeyUnknown("SHA256:…"), Status.UNREACHABLE, "HOST-UNREACHABLE", Verdict.UNREACHABLE),
        (ConnectionLost("reset by peer"), Status.UNREACHABLE, "HOST-UNREACHABLE", Verdict.UNREACHABLE),
        (ConnectionLost("reset by peer"), Status.UNKNOWN, "PROBE-INVALID", Verdict.UNKNOWN),
        (DeadlineExceeded("while connecting"), Status.UNREACHABLE, "HOST-UNREACHABLE", Verdict.UNREACHABLE),
        (DeadlineExceeded("while reading"), Status.UNKNOWN, "PROBE-TIMED-OUT", Verdict.UNKNOWN),
        (ReplyInvalid("not JSON"), Status.UNKNOWN, "PROBE-INVALID", Verdict.UNKNOWN),
        (BecomeFailed("a password is wanted"), Status.UNKNOWN, "PROBE-INVALID", Verdict.UNKNOWN),
        (None, Status.OK, "PROBE-INVALID", Verdict.UNKNOWN),
    ],
)
def test_how_it_ended(failure: HostError | None, status: Status, finding: str, verdict: Verdict) -> None:
    judgement = absent(Ended("gpu007", status, failure, 2, 10.04))
    (found,) = judgement.findings
    assert (found.id, judgement.verdict, judgement.basis) == (finding, verdict, "none")
    assert (found.severity, judgement.when) == (Severity.INFO, When.NEXT_WINDOW)


def test_equal_failures_fold_and_the_evidence_keeps_the_detail() -> None:
    first, second = (
        absent(Ended(name, Status.UNREACHABLE, ConnectRefused(f"{name}:22"), 1, 0.1)).findings[0]
        for name in ("gpu007", "gpu008")
    )
    assert first.summary == second.summary == "The host cannot be reached: connection refused"
    assert first.evidence is not None
    assert first.evidence.value == "connection refused: gpu007:22"


def test_the_hint_of_the_failure_is_said() -> None:
    (note,) = absent(Ended("gpu007", Status.UNREACHABLE, HostKeyUnknown(), 1, 0.1)).notes
    assert "inventory trust" in note


def test_a_host_that_was_never_tried_has_no_finding() -> None:
    judgement = absent(Ended("gpu007", Status.SKIPPED, None, 0, 0.0))
    assert (judgement.findings, judgement.verdict) == ((), Verdict.UNKNOWN)
    assert judgement.notes


def test_its_ids_are_defined() -> None:
    assert set(IDS) <= set(definitions())
