"""Values every room speaks: covers of remedies, readings as a value or a reason, orders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigactl.results import Reason, Remedy, Severity, Unread, Verdict, When, parse_unread, read, smallest_cover

REMEDIES = st.frozensets(st.sampled_from(Remedy))


@pytest.mark.parametrize(
    ("remedies", "cover"),
    [
        ([], ()),
        ([Remedy.RESET_GPU, Remedy.REBOOT], (Remedy.REBOOT,)),
        ([Remedy.RESET_GPU, Remedy.RESET_ALL_GPUS], (Remedy.RESET_ALL_GPUS,)),
        ([Remedy.REBOOT, Remedy.POWER_CYCLE, Remedy.RESTART_SERVICE], (Remedy.POWER_CYCLE,)),
        ([Remedy.RMA, Remedy.INSPECT, Remedy.POWER_CYCLE], (Remedy.POWER_CYCLE, Remedy.INSPECT, Remedy.RMA)),
        ([Remedy.CONVERGE, Remedy.REBOOT], (Remedy.CONVERGE, Remedy.REBOOT)),
    ],
)
def test_the_smallest_cover(remedies: list[Remedy], cover: tuple[Remedy, ...]) -> None:
    assert smallest_cover(remedies) == cover


@given(REMEDIES)
def test_a_cover_covers_everything_and_nothing_twice(remedies: frozenset[Remedy]) -> None:
    cover = smallest_cover(remedies)
    assert all(any(one.covers(wanted) for one in cover) for wanted in remedies)
    assert not any(one is not other and one.covers(other) for one in cover for other in cover)
    assert set(cover) <= remedies


@given(st.sampled_from(Remedy))
def test_only_themselves_cover_inspect_and_rma(remedy: Remedy) -> None:
    assert [one for one in (Remedy.INSPECT, Remedy.RMA) if remedy.covers(one)] == [
        one for one in (Remedy.INSPECT, Remedy.RMA) if remedy is one
    ]


def test_a_missing_reading_is_never_a_value() -> None:
    values, unread = {"a": 0, "b": False}, {"c": "no-permission: needs root", "*": "lost"}
    assert read(values, unread, "a") == 0
    assert read(values, unread, "b") is False
    assert read(values, unread, "c") == Unread(Reason.NO_PERMISSION, "needs root")
    assert read(values, unread, "d") == Unread(Reason.LOST)
    assert read(values, {}, "d") == Unread(Reason.NOT_READ)


@given(st.text())
def test_any_text_is_some_reason(text: str) -> None:
    assert isinstance(parse_unread(text).reason, Reason)


def test_an_unknown_reason_keeps_its_text() -> None:
    assert parse_unread("eaten by the dog") == Unread(Reason.FAILED, "eaten by the dog")


def test_orders() -> None:
    assert sorted(Severity, key=lambda one: one.rank) == [Severity.INFO, Severity.WARNING, Severity.CRITICAL]
    assert sorted(When, key=lambda one: one.rank) == [When.NONE, When.NEXT_WINDOW, When.DRAIN_FIRST, When.NOW]
    assert min(Verdict, key=lambda one: one.rank) is Verdict.CRITICAL
    assert max(Verdict, key=lambda one: one.rank) is Verdict.OK
