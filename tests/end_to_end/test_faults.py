"""A healthy fleet gives no finding; each fault gives its own and no other. One sweep over real SSH judges them all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gigactl.lab import fleet
from gigactl.lab.faults import KINDS
from tests.end_to_end.expected import CASES, Case
from tests.end_to_end.program import Ran, gigactl

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("end-to-end"), pytest.mark.timeout(240)]


@pytest.fixture(scope="session")
def healthy(lab: fleet.LabStatus) -> Ran:
    return gigactl("-i", lab.inventory, "health", "check", "-o", "json")


@pytest.fixture(scope="session")
def broken(lab: fleet.LabStatus, healthy: Ran) -> Ran:
    """The sweep after every host but the last few has got its fault."""
    assert healthy.code == 0
    for host, case in zip(lab.hosts, CASES, strict=False):
        fleet.fault(lab.dir, [host.name], case.kind, case.options)
    return gigactl("-i", lab.inventory, "health", "check", "-o", "json", "--timeout", "25")


def by_name(ran: Ran) -> dict[str, Any]:
    return {host["host"]: host for host in ran.answer["hosts"]}


def test_every_kind_of_fault_has_its_expectation() -> None:
    assert {case.kind for case in CASES} == set(KINDS)


def test_a_healthy_fleet_gives_no_finding(lab: fleet.LabStatus, healthy: Ran) -> None:
    assert healthy.code == 0, healthy.stdout[-2000:] + healthy.stderr
    assert healthy.answer["summary"] | {"hosts": len(lab.hosts), "ok": len(lab.hosts)} == healthy.answer["summary"]
    assert [host["findings"] for host in healthy.answer["hosts"] if host["findings"]] == []
    assert {host["basis"] for host in healthy.answer["hosts"]} == {"idle"}


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: str(CASES[number]))
def test_a_fault_gives_its_finding_and_no_other(lab: fleet.LabStatus, broken: Ran, number: int) -> None:
    case: Case = CASES[number]
    host = by_name(broken)[lab.hosts[number].name]
    found = [
        {key: finding[key] for key in ("id", "severity", "when", "remedy")} | {"gpu": finding.get("gpu") is not None}
        for finding in host["findings"]
    ]
    assert found == [dict(finding) for finding in case.findings], json.dumps(host)
    assert host["verdict"] == case.verdict
    if case.basis is not None:
        assert host["basis"] == case.basis
    if case.options.get("gpu") is None and host["findings"][0].get("gpu"):
        assert host["findings"][0]["gpu"]["index"] in {0, None}


def test_the_hosts_beside_them_stay_healthy(lab: fleet.LabStatus, broken: Ran) -> None:
    hosts = by_name(broken)
    assert {hosts[host.name]["verdict"] for host in lab.hosts[len(CASES) :]} == {"ok"}


def test_critical_and_unreachable_in_one_sweep_exit_8_and_are_both_named(lab: fleet.LabStatus, broken: Ran) -> None:
    assert broken.code == 8
    summary = broken.answer["summary"]
    assert summary["critical"] > 0
    assert summary["unreachable"] == 3
    critical, silent = (next(h.name for h, c in zip(lab.hosts, CASES, strict=False) if c.verdict == v)
                        for v in ("critical", "unreachable"))  # fmt: skip
    table = gigactl("-i", lab.inventory, "health", "check", "-l", f"{critical},{silent}", "--timeout", "25")
    assert table.code == 8
    assert critical in table.stdout
    assert silent in table.stdout
    assert "1 critical, 1 unreachable" in table.stdout.splitlines()[-1]
