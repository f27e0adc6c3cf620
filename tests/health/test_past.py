"""Kept between two looks: an Xid read once counts until it is cured, also when the next look begins after it."""

from __future__ import annotations

import pickle

from gigactl.health.judge import judge
from gigactl.health.past import Past, remember
from gigactl.health.policy import DEFAULT_POLICY
from gigactl.payload.schema import Snapshot
from tests.health.snapshots import BOOT, NOW, event, expectation, kernel, pci, snapshot, uuid, xid


def ids(look: Snapshot, past: Past | None) -> list[str]:
    return [finding.id for finding in judge(look, expectation("h200"), past, DEFAULT_POLICY, NOW).findings]


def after(*looks: Snapshot) -> Past:
    past = None
    for look in looks:
        past = remember(look, past)
    assert past is not None
    return past


def logged(*events: object) -> Snapshot:
    look = snapshot()
    look["kernel"] = kernel(*events)  # type: ignore[arg-type]  # events come from the builders
    return look


def test_what_counted_still_counts_when_only_newer_lines_are_read() -> None:
    past = after(logged(xid(95, usec=10)))
    assert ids(snapshot(), past) == ["XID-95"]
    assert past.cursor == kernel()["cursor"]


def test_a_line_read_twice_counts_once() -> None:
    look = logged(xid(95, usec=10))
    (finding,) = judge(look, expectation("h200"), after(look), DEFAULT_POLICY, NOW).findings
    assert finding.evidence is not None
    assert finding.evidence.value == 1


def test_a_reset_seen_later_cures_what_was_remembered() -> None:
    reset = logged(event("gpu-reset", 20, uuid=uuid(3), success="true"))
    past = after(logged(xid(95, usec=10)))
    assert ids(reset, past) == []
    assert ids(snapshot(), after(logged(xid(95, usec=10)), reset)) == []


def test_a_boot_cures() -> None:
    past = after(logged(xid(95, usec=10)))
    assert past.boot_id == BOOT
    look = snapshot()
    assert look["facts"] is not None
    look["facts"]["boot_id"] = "another"
    assert ids(look, past) == []


def test_an_unread_kernel_log_forgets_nothing() -> None:
    blind = snapshot()
    blind["kernel"] = {**kernel(), "source": "none", "unread": "timed-out", "cursor": {"boot_id": "", "usec": 0}}
    past = after(logged(xid(95, usec=10)), blind)
    assert ids(snapshot(), past) == ["XID-95"]
    assert past.cursor == kernel()["cursor"]


def test_a_gpu_seen_earlier_is_named_when_it_is_missing() -> None:
    look = snapshot()
    assert look["facts"] is not None
    assert look["driver"] is not None
    del look["facts"]["pci_gpus"][3], look["gpus"][3]
    look["driver"]["gpu_count"] = 7
    (finding,) = judge(look, expectation("h200"), after(snapshot()), DEFAULT_POLICY, NOW).findings
    assert finding.gpu is not None
    assert (finding.gpu.pci, finding.gpu.uuid) == (pci(3), uuid(3))


def test_what_is_kept_is_small() -> None:
    assert len(pickle.dumps(after(snapshot()))) < 4096
