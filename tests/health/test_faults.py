"""Each fault gives its own finding and no other, a healthy host none. What is expected stands in `faults/*.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gigactl.errors import ConnectRefused, ConnectTimeout
from gigactl.health.absent import absent
from gigactl.health.judge import judge
from gigactl.health.policy import DEFAULT_POLICY
from gigactl.results import Judgement, Status, Verdict, When
from gigactl.transport.dialogue import Ended
from tests.health.breaking import BREAKING, broken
from tests.health.snapshots import BOARDS, NOW, expectation, snapshot

FAULTS = Path(__file__).parent / "faults"
FAILURES = {
    "unreachable": ConnectTimeout("after 10 s"),
    "refused": ConnectRefused("port 22"),
    "ssh-hang": ConnectTimeout("no banner in 10 s"),
}


def cases() -> Iterator[Any]:
    for path in sorted(FAULTS.glob("*.yaml")):
        fault = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert fault["kind"] == path.stem
        assert fault["source"]
        for case in fault["cases"]:
            options = ",".join(f"{name}={value}" for name, value in case["options"].items())
            yield pytest.param(fault["kind"], case, id=f"{path.stem}[{options}]")


def judged(kind: str, options: dict[str, str]) -> Judgement:
    if kind in FAILURES:
        return absent(Ended("gpu001", Status.UNREACHABLE, FAILURES[kind], 2, 10.0))
    return judge(broken(snapshot(), kind, options), expectation("h200"), None, DEFAULT_POLICY, NOW)


@pytest.mark.parametrize(("kind", "case"), list(cases()))
def test_a_fault_gives_its_own_finding_and_no_other(kind: str, case: dict[str, Any]) -> None:
    judgement = judged(kind, case["options"])
    found = [
        {
            "id": finding.id,
            "severity": finding.severity,
            "when": finding.when,
            "remedy": list(finding.remedy),
            "gpu": finding.gpu is not None,
        }
        for finding in judgement.findings
    ]
    assert found == case["findings"]
    assert judgement.verdict == case["verdict"]
    assert judgement.basis == case.get("basis", judgement.basis)


@pytest.mark.parametrize("kind", BREAKING)
def test_every_way_to_break_a_host_has_its_expectations(kind: str) -> None:
    assert (FAULTS / f"{kind}.yaml").exists()


@pytest.mark.parametrize("board", BOARDS)
def test_a_healthy_host_gives_no_finding(board: str) -> None:
    judgement = judge(snapshot(board), expectation(board), None, DEFAULT_POLICY, NOW)
    assert judgement == Judgement(Verdict.OK, "idle", When.NONE, ())


def test_what_became_unread_is_folded_under_its_cause() -> None:
    (lost,) = judged("gpu-lost", {}).findings
    assert {"XID-79", "XID-154", "ecc", "row-remap", "pcie", "nvlink", "fabric"} <= set(lost.folded)
    assert judged("gpu-lost", {}).not_measured == ()
    (mismatch,) = judged("driver-mismatch", {}).findings
    assert {"ecc", "row-remap", "pcie", "nvlink", "fabric"} <= set(mismatch.folded)
    assert judged("driver-mismatch", {}).not_measured == ()


def test_the_kinds_of_fault_are_unknown_to_the_rules() -> None:
    """Nothing in the product knows what the lab can break."""
    import gigactl.health

    words = [path.stem for path in FAULTS.glob("*.yaml") if "-" in path.stem]
    for path in Path(gigactl.health.__file__).parent.rglob("*"):
        if path.suffix in {".py", ".yaml"}:
            text = path.read_text(encoding="utf-8")
            assert [word for word in words if word in text] == [], path
