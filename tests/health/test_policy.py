"""Policy: what the user wants judged otherwise, every mistake at once, and a lint of our own numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from gigactl.errors import InvalidDocument
from gigactl.health.judge import judge
from gigactl.health.policy import DEFAULT_POLICY, Override, Policy, load_policy
from gigactl.health.tables import definitions, thresholds
from gigactl.results import Remedy, Severity, Verdict, When
from tests.health.snapshots import NOW, expectation, kernel, snapshot, xid

GOOD = """\
version: 1
findings:
  XID-95: {severity: warning, when: next-window, remedy: [inspect], expires: 2026-12-31, reason: known batch of boards}
  DISK-FULL: {severity: info}
thresholds:
  disk.used_percent: 90
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def judged(policy: Policy, day: int = 24) -> tuple[Severity, When, tuple[Remedy, ...]]:
    look = snapshot()
    look["kernel"] = kernel(xid(95))
    (finding,) = judge(look, expectation("h200"), None, policy, NOW.replace(month=12, day=day)).findings
    return finding.severity, finding.when, finding.remedy


def test_an_override_holds_for_an_xid(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, GOOD))
    assert judged(policy) == (Severity.WARNING, When.NEXT_WINDOW, (Remedy.INSPECT,))
    assert judged(DEFAULT_POLICY) == (Severity.CRITICAL, When.DRAIN_FIRST, (Remedy.RESET_GPU,))


def test_what_is_not_given_stays() -> None:
    policy = Policy({"XID-95": Override(severity=Severity.WARNING)})
    assert judged(policy) == (Severity.WARNING, When.DRAIN_FIRST, (Remedy.RESET_GPU,))


def test_an_override_expires_and_that_is_said(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, GOOD.replace("2026-12-31", "2026-12-24")))
    assert judged(policy, day=24)[0] is Severity.WARNING, "the last day still counts"
    assert judged(policy, day=25)[0] is Severity.CRITICAL
    notes = judge(snapshot(), expectation("h200"), None, policy, NOW.replace(month=12, day=25)).notes
    assert any("XID-95" in note and "expired" in note for note in notes)


def test_a_threshold_holds(tmp_path: Path) -> None:
    look = snapshot()
    assert look["facts"] is not None
    look["facts"]["mounts"][0]["available"] = int(0.08 * (1 << 40))
    default = judge(look, expectation("h200"), None, DEFAULT_POLICY, NOW)
    assert default.findings == ()
    stricter = judge(look, expectation("h200"), None, load_policy(written(tmp_path, GOOD)), NOW)
    assert [finding.id for finding in stricter.findings] == ["DISK-FULL"]
    assert stricter.verdict is Verdict.OK, "called information by the same policy"


def test_an_empty_policy_changes_nothing(tmp_path: Path) -> None:
    assert load_policy(written(tmp_path, "version: 1\n")) == DEFAULT_POLICY


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    text = """\
version: 1
findings:
  GPU-LOSST: {severity: warning}
  XID-95: {severity: info, expires: 2027-01-01}
thresholds:
  disk.used_percent: 9500
  disk.used_persent: 90
"""
    with pytest.raises(InvalidDocument) as raised:
        load_policy(written(tmp_path, text))
    said = [(problem.line, problem.what, problem.suggestion) for problem in raised.value.problems]
    assert [line for line, _, _ in said] == [3, 4, 6, 7]
    assert "GPU-LOST" in said[0][2]
    assert "reason" in said[1][2]
    assert "between 50 and 100" in said[2][2]
    assert "disk.used_percent" in said[3][2]


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nfindings: {GPU-LOST: {severity: awful}}\n",
        "version: 1\nfindings: {GPU-LOST: {remedy: [pray]}}\n",
        "version: 1\nfindings: {GPU-LOST: {weight: 3}}\n",
        "version: 1\nthresholds: {disk.used_percent: much}\n",
        "version: 2\n",
        "findings: {}\n",
        "",
    ],
)
def test_a_policy_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        load_policy(written(tmp_path, text))
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("name", thresholds())
def test_our_own_thresholds_have_a_source_and_are_plausible(name: str) -> None:
    one = thresholds()[name]
    assert len(one.source) > 20
    assert one.unit
    assert one.low < one.high
    assert one.low <= one.value <= one.high


@pytest.mark.parametrize("name", definitions())
def test_our_own_findings_have_a_source_and_ask_for_something(name: str) -> None:
    one = definitions()[name]
    assert len(one.source) > 10
    assert one.severity is not Severity.CRITICAL or (one.remedy and one.when is not When.NONE)


def test_an_unknown_threshold_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        DEFAULT_POLICY.limit("disk.colour")
