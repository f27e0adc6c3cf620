"""Judges one host: every rule over one snapshot, then one finding per fault, and what follows for the host. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from gigactl.health.folding import fold, fold_gaps, merge
from gigactl.health.past import Past
from gigactl.health.policy import Policy, expired
from gigactl.health.rule import Collect
from gigactl.health.rules import ALL_GPU_RULES, GPU_RULES, HOST_RULES
from gigactl.health.view import View
from gigactl.inventory.expectation import Expectation
from gigactl.payload.schema import Snapshot
from gigactl.results import Finding, Judgement, NotMeasured, Reason, Severity, Unread, Verdict, When, smallest_cover

_GPU_RULE_NAMES = frozenset(rule.name for rule in GPU_RULES) | {"driver"}


def judge(snapshot: Snapshot, expected: Expectation, past: Past | None, policy: Policy, now: datetime) -> Judgement:
    """What is said of the host. `now` (aware) decides which overrides still hold. Never raises on a snapshot that
    decodes."""
    view = View(snapshot, expected, past)
    out = Collect(policy.holding(now.date()))
    if view.has_gpus:
        for rule in ALL_GPU_RULES:
            rule.check(rule, view, out)
        _unread_gpus(view, out)
    for rule in HOST_RULES:
        rule.check(rule, view, out)
    _say_strangers(expected, out)
    _say_expired(policy, now.date(), out)
    findings, gaps = fold_gaps(fold(view, out.findings), out.gaps, _GPU_RULE_NAMES)
    return judgement(findings, merge(gaps, [gpu.ref for gpu in view.gpus]), _basis(view), out.notes)


def judgement(
    findings: Sequence[Finding],
    gaps: Sequence[NotMeasured],
    basis: str,
    notes: Sequence[str],
    verdict: Verdict | None = None,
) -> Judgement:
    """What follows for the host from its findings and gaps (or a verdict that is certain): worst finding first."""
    ordered = sorted(findings, key=lambda one: (-one.severity.rank, -one.when.rank, one.id, _index(one)))
    return Judgement(
        verdict=verdict or _verdict(ordered, gaps),
        basis=basis,
        when=max((one.when for one in ordered), key=lambda when: when.rank, default=When.NONE),
        remedy=smallest_cover(remedy for one in ordered for remedy in one.remedy),
        findings=tuple(ordered),
        not_measured=tuple(gaps),
        notes=tuple(notes),
    )


def _index(finding: Finding) -> int:
    return -1 if finding.gpu is None or finding.gpu.index is None else finding.gpu.index


def _verdict(ordered: Sequence[Finding], gaps: Sequence[NotMeasured]) -> Verdict:
    worst = ordered[0].severity if ordered else Severity.INFO
    if worst is Severity.CRITICAL:
        return Verdict.CRITICAL
    if worst is Severity.WARNING:
        return Verdict.WARNING
    return Verdict.UNKNOWN if any(gap.required for gap in gaps) else Verdict.OK


def _unread_gpus(view: View, out: Collect) -> None:
    """GPUs of which there is no line at all: each rule that reads GPUs has a gap."""
    if view.gpus:
        return
    here = {"nvlink": bool(view.expected.nvlinks), "fabric": view.fabric}
    for rule in {rule.name: rule for rule in GPU_RULES}.values():
        if here.get(rule.name, True):
            out.gap(rule, "gpus", Unread(Reason.NOT_READ, "no GPU was read"))


def _basis(view: View) -> str:
    """How it was measured: `nvidia-smi`, `busy` or `idle` by NVML, `none` where no GPU was."""
    if not any(gpu.values for gpu in view.gpus):
        return "none"
    if view.snapshot["source"] == "nvidia-smi":
        return "nvidia-smi"
    return "busy" if any(gpu.busy for gpu in view.gpus) else "idle"


def _say_strangers(expected: Expectation, out: Collect) -> None:
    """A wrong `model:` or `board:` is the inventory's fault and no host's."""
    if expected.strangers:
        judged = f"judged as {expected.board}" if expected.board else "what depends on the board is not judged"
        ids = ", ".join(expected.strangers)
        out.note(f"the inventory expects other GPUs than those on the bus ({ids}): {judged}")


def _say_expired(policy: Policy, today: date, out: Collect) -> None:
    for finding, override in policy.overrides.items():
        if expired(override, today):
            out.note(f"the policy's override of {finding} expired on {override.expires}")
