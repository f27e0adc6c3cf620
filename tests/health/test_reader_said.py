"""What the payload's plan makes of an interrupted NVML reader, judged: a critical verdict needs more than bad luck."""

from __future__ import annotations

from typing import Any

import pytest

from gigactl.payload.plans import FactsPlan, NvmlPlan
from gigactl.payload.reader_lock import ReaderLock
from gigactl.payload.watch import TIME_UP
from gigactl.results import Verdict
from tests.health.snapshots import service, snapshot
from tests.health.test_rules import facts, ids, said

REQUEST = {"reading_deadline_s": 5.0, "kernel_cursor": None}


def interrupted(step: str, why: str, persistenced: str) -> tuple[list[str], Verdict]:
    """Findings and verdict of a healthy host whose reader was interrupted in this step."""
    gpus: list[dict[str, Any]] = []
    host = FactsPlan("/", REQUEST, gpus.append)
    plan = NvmlPlan(REQUEST, ReaderLock(()), gpus.append, host, lambda: 20.0, lambda *_: None)
    plan.interrupted(step, why)
    plan.over()
    look = snapshot()
    assert look["driver"] is not None
    look["gpus"] = []
    look["driver"] = {**look["driver"], **plan.driver, "loaded": look["driver"]["loaded"]}  # type: ignore[typeddict-item]  # built as the probe does
    facts(look)["services"][1] = service("nvidia-persistenced", persistenced)
    judgement = said(look)
    return ids(judgement), judgement.verdict


@pytest.mark.parametrize("persistenced", ["active", "inactive"])
@pytest.mark.parametrize("step", ["", "load", "init"])
def test_a_start_that_the_end_of_the_probe_cut_short_is_no_fault(step: str, persistenced: str) -> None:
    assert interrupted(step, TIME_UP, persistenced) == (["PROBE-TIMED-OUT"], Verdict.UNKNOWN)


def test_a_start_that_overran_its_own_time_is_a_hang_where_the_daemon_keeps_the_driver_warm() -> None:
    assert interrupted("init", "timed-out", "active") == (["NVML-HUNG"], Verdict.CRITICAL)
    assert interrupted("init", "timed-out", "inactive") == (["PROBE-TIMED-OUT"], Verdict.UNKNOWN)


@pytest.mark.parametrize("why", ["not-read: the reader was ended by signal 9", "not-read: IndexError: list"])
def test_a_reader_ended_from_outside_or_by_its_own_error_is_no_finding(why: str) -> None:
    assert interrupted("init", why, "active") == ([], Verdict.UNKNOWN)


def test_a_crash_in_the_library_is_a_fault() -> None:
    assert interrupted("init", "failed: the reader ended by signal 11", "active") == (["NVML-FAILED"], Verdict.CRITICAL)
