"""An Xid counts until a reset of its GPU, a load of the driver, or a boot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigactl.health.kernel_events import counting, episodes
from gigactl.payload.schema import KernelEvent
from tests.health.snapshots import event, pci, uuid, xid

PAIRS = {uuid(3): pci(3), uuid(4): pci(4)}
BEFORE, AFTER = 100, 300
RESET = event("gpu-reset", 200, uuid=uuid(3), success="true")
LOAD = event("driver-load", 200, version="580.126.20")


def codes(events: list[KernelEvent]) -> list[int]:
    return [one["code"] for one in counting(events, PAIRS)]


@pytest.mark.parametrize(
    ("cure", "left"),
    [
        (RESET, []),
        (event("gpu-reset", 200, at=pci(3)), []),
        (LOAD, []),
        (event("gpu-reset", 200, uuid=uuid(3), success="false"), [79]),
        (event("gpu-reset", 200, uuid=uuid(4), success="true"), [79]),
        (event("gpu-reset", 200, uuid="GPU-unknown", success="true"), [79]),
        (event("gpu-address", 200, at=pci(3), uuid=uuid(3)), [79]),
    ],
)
def test_what_cures(cure: KernelEvent, left: list[int]) -> None:
    assert codes([xid(79, usec=BEFORE), cure]) == left


@pytest.mark.parametrize("cure", [RESET, LOAD])
def test_what_comes_after_a_cure_counts(cure: KernelEvent) -> None:
    assert codes([xid(48, usec=BEFORE), cure, xid(79, usec=AFTER)]) == [79]
    assert codes([xid(79, usec=AFTER), cure, xid(48, usec=BEFORE)]) == [79], "in whatever order lines arrive"


def test_a_reset_of_a_gpu_does_not_cure_a_switch() -> None:
    switch = event("sxid", BEFORE, code=20034, at="0000:c1:00.0")
    assert codes([switch, RESET]) == [20034]
    assert codes([switch, LOAD]) == []


def test_repeats_are_one_episode() -> None:
    events = [xid(31, usec=time) for time in range(5)] + [xid(31, index=4), xid(13)]
    found = episodes(events)
    assert [(one.code, one.pci, len(one.events)) for one in found] == [
        (31, pci(3), 5),
        (31, pci(4), 1),
        (13, pci(3), 1),
    ]


def test_a_fallen_off_line_counts_as_79_once() -> None:
    bare = event("fallen-off", 101, at=pci(3))
    assert [(one.kind, one.code) for one in episodes([bare])] == [("xid", 79)]
    (one,) = episodes([xid(79), bare])
    assert len(one.events) == 1
    assert len(episodes([xid(79, index=4), bare])) == 2


KINDS = st.sampled_from(["xid", "sxid", "fallen-off", "gpu-reset", "driver-load", "gpu-address", "api-mismatch", "new"])
EVENTS = st.lists(
    st.builds(
        lambda kind, usec, code, index: event(kind, usec, code=code, at=pci(index), uuid=uuid(index)),
        KINDS,
        st.integers(0, 9),
        st.integers(0, 200),
        st.integers(3, 4),
    ),
    max_size=12,
)


@given(EVENTS)
def test_only_errors_count_and_more_cures_never_add(events: list[KernelEvent]) -> None:
    kept = counting(events, PAIRS)
    assert all(one["kind"] in {"xid", "sxid", "fallen-off"} and one in events for one in kept)
    assert len(counting([*events, event("driver-load", 5)], PAIRS)) <= len(kept)
    assert sum(len(one.events) for one in episodes(kept)) <= len(kept)
