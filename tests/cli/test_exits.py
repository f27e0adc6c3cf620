"""The table of exit codes: which one goes first, and what a look at hosts ends with."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigactl.cli import exits
from gigactl.errors import UsageError
from gigactl.results import Finding, Judgement, Severity, Verdict, When

CODES = st.sampled_from([*exits.MEANINGS, 130, 143])


def test_the_order_is_the_contract() -> None:
    assert list(exits.MEANINGS) == [1, 2, 3, 4, 7, 5, 8, 6, 10, 0]


@given(st.lists(CODES, min_size=1))
def test_one_of_them_and_none_goes_before_it(codes: list[int]) -> None:
    chosen = exits.first(codes)
    assert chosen in codes
    assert all(exits.first([chosen, other]) == chosen for other in codes)


@given(st.lists(CODES), st.lists(CODES))
def test_order_and_grouping_do_not_matter(some: list[int], others: list[int]) -> None:
    together = exits.first([*some, *others])
    assert together == exits.first([*others, *some]) == exits.first([exits.first(some), exits.first(others)])


def test_every_pair_keeps_the_order() -> None:
    order = [130, *exits.MEANINGS]
    for before, after in itertools.combinations(order, 2):
        assert exits.first([after, before]) == before


def judged(verdict: Verdict, *severities: Severity) -> Judgement:
    findings = tuple(Finding("X", severity, When.NONE, (), "x") for severity in severities)
    return Judgement(verdict, "idle", When.NONE, (), findings)


CRITICAL = judged(Verdict.CRITICAL, Severity.CRITICAL)
WARNING = judged(Verdict.WARNING, Severity.WARNING)
LOST = judged(Verdict.UNREACHABLE, Severity.CRITICAL)
UNKNOWN = judged(Verdict.UNKNOWN)
OK = judged(Verdict.OK, Severity.INFO)


@pytest.mark.parametrize(
    ("hosts", "fail_on", "lost_ok", "code"),
    [
        ([OK], Severity.CRITICAL, "0", 0),
        ([CRITICAL, LOST], Severity.CRITICAL, "0", 8),
        ([OK, LOST], Severity.CRITICAL, "0", 6),
        ([OK, UNKNOWN], Severity.CRITICAL, "0", 6),
        ([OK, LOST], Severity.CRITICAL, "1", 0),
        ([OK, LOST], Severity.CRITICAL, "49%", 6),
        ([OK, LOST], Severity.CRITICAL, "50%", 0),
        ([WARNING], Severity.CRITICAL, "0", 0),
        ([WARNING], Severity.WARNING, "0", 8),
        ([OK], Severity.INFO, "0", 8),
        ([CRITICAL], None, "0", 0),
        ([], Severity.CRITICAL, "0", 0),
    ],
)
def test_a_look_at_hosts(hosts: list[Judgement], fail_on: Severity | None, lost_ok: str, code: int) -> None:
    assert exits.of_health(hosts, fail_on, exits.tolerance(lost_ok)) == code


@pytest.mark.parametrize("text", ["", "-1", "x", "101%", "1.5", "%", "1%%"])
def test_a_tolerance_is_a_number_or_a_percentage(text: str) -> None:
    with pytest.raises(UsageError, match="--unreachable-ok"):
        exits.tolerance(text)
