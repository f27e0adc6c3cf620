"""`health check` on simulated hosts: what is shown, where, and what it ends with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gigactl.errors import AuthenticationFailed
from gigactl.payload.schema import Snapshot
from tests.cli.harness import Program, assert_screen, probed
from tests.health.breaking import broken
from tests.health.snapshots import snapshot

NAMES = [f"gpu{number:03}" for number in range(1, 9)]


def fleet(**faults: tuple[str, dict[str, str]]) -> dict[str, Snapshot]:
    """Eight hosts, some of them broken."""
    hosts = {name: snapshot() for name in NAMES}
    return {**hosts, **{name: broken(snapshot(), kind, options) for name, (kind, options) in faults.items()}}


@pytest.fixture
def sick(program: Program) -> Program:
    """Two lost GPUs of the same index, one with a row remap pending, one host that refuses our keys."""
    hosts = fleet(
        gpu003=("gpu-lost", {"gpu": "3"}), gpu007=("gpu-lost", {"gpu": "3"}), gpu002=("row-remap-pending", {"gpu": "2"})
    )
    del hosts["gpu008"]
    return replace(program, transport=probed(hosts, {"gpu008": AuthenticationFailed("ops@10.20.1.8:22")}))


def test_a_sick_fleet_on_a_pipe(sick: Program) -> None:
    done = sick("health", "check")
    assert_screen("check.txt", done.out)
    assert (done.code, done.err) == (8, "")
