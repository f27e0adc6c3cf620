"""What holds for every snapshot: nothing raises, a missing reading is no finding of its value, a fault never helps."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.health.judge import judge
from gigactl.health.policy import DEFAULT_POLICY, Override, Policy
from gigactl.health.rules import GPU_RULES, RULES
from gigactl.health.tables import definitions
from gigactl.inventory.expectation import Expectation
from gigactl.payload.schema import Snapshot
from gigactl.results import Judgement, Reason, Severity, Verdict, smallest_cover
from tests.health.breaking import BREAKING, broken
from tests.health.snapshots import BOARDS, NOW, expectation, snapshot

SAID_OF_THE_GPU = {"GPU-LOST", "NVML-HUNG", "NVML-FAILED", "GPU-RECOVERY-ACTION"}
ORDER = [Verdict.OK, Verdict.UNKNOWN, Verdict.WARNING, Verdict.CRITICAL]
REASONS = st.sampled_from(
    [*Reason, "failed: NVML error 999", "no such reason", "timed-out: NVML did not come back from x"]
)
NEEDED = sorted({name for rule in GPU_RULES for name in rule.needs if not name.startswith("service ")})


def said(look: Snapshot, board: str = "h200", policy: Policy = DEFAULT_POLICY) -> Judgement:
    return judge(look, expectation(board), None, policy, NOW)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(BOARDS)),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([*NEEDED, "*", "temperature.core"]), REASONS), max_size=12),
)
def test_a_missing_reading_is_never_a_finding_about_its_value(board: str, missing: list[tuple[int, str, str]]) -> None:
    look = snapshot(board)
    for index, name, why in missing:
        gpu = look["gpus"][index]
        if name == "*":
            gpu["values"].clear()
        gpu["values"].pop(name, None)
        gpu["unread"][name] = str(why)
    judgement = said(look, board)
    assert {finding.id for finding in judgement.findings} <= SAID_OF_THE_GPU
    if judgement.verdict is Verdict.OK:
        assert not any(gap.required for gap in judgement.not_measured)


def _without(value: Any, path: list[int]) -> Any:
    """The snapshot with some part emptied, wherever the path leads."""
    if not path or not isinstance(value, (dict, list)) or not value:
        return type(value)() if isinstance(value, (dict, list, str, int, float)) else value
    key = sorted(value, key=str)[path[0] % len(value)] if isinstance(value, dict) else path[0] % len(value)
    value[key] = _without(value[key], path[1:])
    return value


@pytest.mark.parametrize(
    ("board", "judged"), [("a100", "judged as a100"), (None, "what depends on the board is not judged")]
)
def test_gpus_that_the_inventory_does_not_expect_are_a_note_and_no_finding(board: str | None, judged: str) -> None:
    expected = replace(expectation("a100"), board=board, strangers=("10de:20b2",))
    judgement = judge(snapshot("a100"), expected, None, DEFAULT_POLICY, NOW)
    assert judgement.notes == (f"the inventory expects other GPUs than those on the bus (10de:20b2): {judged}",)
    assert (judgement.verdict, judgement.findings) == (Verdict.OK, ())
    whole = judge(snapshot("a100"), replace(expected, strangers=()), None, DEFAULT_POLICY, NOW)
    assert replace(judgement, notes=()) == whole


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(BREAKING)), st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=4), max_size=6))
def test_judge_never_raises_on_what_decodes(kind: str, paths: list[list[int]]) -> None:
    look: Any = broken(snapshot(), kind, {"code": "154"})
    for path in paths:
        emptied = _without(copy.deepcopy(look), path)
        try:
            look = msgspec.convert(emptied, Snapshot)
        except msgspec.ValidationError:
            continue
    for expected in (expectation("h200"), Expectation()):
        judgement = judge(look, expected, None, DEFAULT_POLICY, NOW)
        assert judgement.remedy == smallest_cover(remedy for one in judgement.findings for remedy in one.remedy)


VALUES = ["ecc-uncorrectable", "row-remap-pending", "row-remap-failed", "pcie-width", "nvlink-down", "disk-full",
          "readonly-root", "gpu-lost", "driver-mismatch", "nvml-hang", "gpu-missing", "no-python"]  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(VALUES), unique=True, max_size=3), st.sampled_from(VALUES))
def test_one_more_fault_never_improves_the_verdict(kinds: list[str], one_more: str) -> None:
    look = snapshot()
    for kind in kinds:
        look = broken(look, kind) if len(look["gpus"]) == 8 else look
    if len(look["gpus"]) < 8:
        return
    before, after = said(look), said(broken(look, one_more))
    # without python3 most is not read, so what it would have shown is not known: that is the one fault that hides
    # others
    if one_more != "no-python" or before.verdict is Verdict.OK:
        assert ORDER.index(after.verdict) >= ORDER.index(before.verdict)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(definitions())), st.sampled_from(sorted(BREAKING)), st.sampled_from(Severity))
def test_a_policy_never_makes_ok_of_what_was_not_measured(finding: str, kind: str, severity: Severity) -> None:
    """Calling a cause information does not make its consequences good."""
    policy = Policy({finding: Override(severity=severity)})
    judgement = said(broken(snapshot(), kind, {"code": "64"}), policy=policy)
    if kind in {"driver-mismatch", "nvml-hang", "gpu-lost"}:
        assert judgement.verdict is not Verdict.OK


def test_what_a_rule_needs_and_does_not_get_is_said() -> None:
    """Take away each needed reading on every GPU, one at a time."""
    for rule in GPU_RULES:
        for name in rule.needs:
            look = snapshot()
            if name.startswith("service ") or name == "pcie.width.max":
                continue  # judged only where NVML, or the board, does not already say
            for gpu in look["gpus"]:
                del gpu["values"][name]
                gpu["unread"][name] = "timed-out"
            judgement = said(look)
            assert [(gap.rule, gap.reading, gap.gpu) for gap in judgement.not_measured] == [(rule.name, name, None)]
            assert judgement.verdict is (Verdict.UNKNOWN if rule.required else Verdict.OK)


def test_on_one_gpu_a_gap_names_it() -> None:
    look = snapshot()
    del look["gpus"][3]["values"]["ecc.volatile.uncorrected"]
    look["gpus"][3]["unread"]["ecc.volatile.uncorrected"] = "timed-out"
    (gap,) = said(look).not_measured
    assert gap.gpu is not None
    assert gap.gpu.index == 3


def test_every_rule_declares_ids_that_are_defined() -> None:
    for rule in RULES:
        for name in rule.ids:
            assert name in definitions() or name in {"XID-*", "SXID-*"}, rule.name
