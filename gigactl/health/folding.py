"""One fault, one finding: a cause takes in the findings and the missing readings that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gigactl.health.view import View
from gigactl.results import Finding, GpuRef, NotMeasured, Reason, Remedy, Severity, smallest_cover

Concerns = Callable[[View, Finding, Finding], bool]


def _same_gpu(view: View, cause: Finding, other: Finding) -> bool:
    return cause.gpu is not None and cause.gpu == other.gpu


def _absent(view: View, cause: Finding, other: Finding) -> bool:
    return other.gpu is not None and other.gpu.pci not in view.addresses


def _none_left(view: View, cause: Finding, other: Finding) -> bool:
    return not view.addresses


def _whole_host(view: View, cause: Finding, other: Finding) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Twin:
    """Findings `others` that are the same fault seen by another witness, or follow from it. The cause takes over what
    they ask for, except where its own remedy makes that pointless (`replaces`: the part is exchanged, the driver
    started anew)."""

    cause: str
    others: frozenset[str]
    concerns: Concerns = _same_gpu
    replaces: bool = False


_GONE = frozenset({"XID-79", "XID-45", "XID-154", "GPU-RECOVERY-ACTION"})
_WITHOUT_DRIVER = frozenset({"FABRIC-MANAGER-DOWN", "FABRIC-NOT-READY"})
# 48 and its details 171 and 172 are the log's word for the counter; 63 is the remap that follows, 94 the contained
# error. 95 and 140 are not: uncontained and unrecovered errors mean more than the counter does.
_MEMORY = frozenset({"XID-48", "XID-171", "XID-172", "XID-63", "XID-94", "GPU-ROW-REMAP-PENDING"})
TWINS = (
    Twin("GPU-MISSING", _GONE | {"GPU-LOST"}, _absent),
    Twin("GPU-MISSING", frozenset({"DRIVER-NOT-LOADED"}), _none_left, replaces=True),  # it does not load without a GPU
    Twin("GPU-LOST", _GONE),
    Twin("GPU-ROW-REMAP-FAILED", frozenset({"XID-64", "XID-63", "GPU-ROW-REMAP-PENDING"}), replaces=True),
    Twin("GPU-ECC-UNCORRECTED", _MEMORY),
    Twin("GPU-ROW-REMAP-PENDING", frozenset({"XID-63"})),
    Twin("NVLINK-DOWN", frozenset({"XID-74", "XID-149", "XID-155"})),
    Twin("DRIVER-NOT-LOADED", _WITHOUT_DRIVER, _whole_host, replaces=True),
    Twin("DRIVER-MISMATCH", _WITHOUT_DRIVER, _whole_host, replaces=True),
    Twin("FABRIC-MANAGER-DOWN", frozenset({"FABRIC-NOT-READY"}), _whole_host),
)
# what the driver states follows from what it found: folded where another finding of the GPU already asks for as much
_STATED = frozenset({"XID-154", "GPU-RECOVERY-ACTION"})


def fold(view: View, findings: Sequence[Finding]) -> list[Finding]:
    """The findings that stand, each with the ids it took in."""
    kept = list(findings)
    for twin in TWINS:
        for cause in [finding for finding in kept if finding.id == twin.cause]:
            kept = _fold_twins(view, twin, cause, kept)
    return _fold_stated(kept)


def _fold_twins(view: View, twin: Twin, cause: Finding, findings: Sequence[Finding]) -> list[Finding]:
    """A twin graver than its cause (the policy may say so) is not hidden under it."""
    taken = [
        other
        for other in findings
        if other.id in twin.others and other.severity.rank <= cause.severity.rank and twin.concerns(view, cause, other)
    ]
    kept = [one for one in findings if one not in taken]
    return [_taking(cause, taken, twin.replaces) if one is cause else one for one in kept] if taken else kept


def _taking(cause: Finding, taken: Sequence[Finding], replaces: bool) -> Finding:
    names = tuple(dict.fromkeys([*cause.folded, *(name for other in taken for name in (other.id, *other.folded))]))
    if replaces:
        return replace(cause, folded=names)
    together = (cause, *taken)
    return replace(
        cause,
        when=max((one.when for one in together), key=lambda when: when.rank),
        remedy=smallest_cover(remedy for one in together for remedy in one.remedy),
        folded=names,
    )


def _fold_stated(findings: list[Finding]) -> list[Finding]:
    kept = list(findings)
    for stated in [finding for finding in findings if finding.id in _STATED]:
        why = next(
            (one for one in kept if one is not stated and one.gpu == stated.gpu and _asks_as_much(one, stated)), None
        )
        if why is not None and stated.gpu is not None:
            kept = [_taking(why, [stated], True) if one is why else one for one in kept if one is not stated]
    return kept


def _asks_as_much(one: Finding, other: Finding) -> bool:
    covered = all(_covers(one.remedy, wanted) for wanted in other.remedy)
    return covered and one.severity.rank >= other.severity.rank and one.when.rank >= other.when.rank


def _covers(remedies: Iterable[Remedy], wanted: Remedy) -> bool:
    return any(remedy.covers(wanted) for remedy in remedies)


# causes that leave every reading of every GPU unread, and those that do so for one GPU
_BLINDS_HOST = frozenset({"DRIVER-NOT-LOADED", "DRIVER-NO-LIBRARY", "DRIVER-MISMATCH", "NVML-HUNG", "NVML-FAILED"})
_BLINDS_GPU = frozenset({"GPU-MISSING", "GPU-LOST", "NVML-FAILED", "GPU-RECOVERY-ACTION"})


def fold_gaps(
    findings: Sequence[Finding], gaps: Sequence[NotMeasured], gpu_rules: frozenset[str]
) -> tuple[list[Finding], list[NotMeasured]]:
    """Missing readings a finding explains are named in it and not said again. Only a finding that by itself keeps the
    host from `ok` may do so: below warning they stay, and the host is `unknown`."""
    kept, open_gaps = list(findings), list(gaps)
    for number, cause in enumerate(kept):
        if cause.severity is Severity.INFO:
            continue
        explained = [gap for gap in open_gaps if _explains(cause, gap, gpu_rules)]
        if explained:
            names = dict.fromkeys([*cause.folded, *(gap.rule for gap in explained)])
            kept[number] = replace(cause, folded=tuple(names))
            open_gaps = [gap for gap in open_gaps if gap not in explained]
    return kept, open_gaps


def _explains(cause: Finding, gap: NotMeasured, gpu_rules: frozenset[str]) -> bool:
    if gap.reason is Reason.NO_PERMISSION:
        return False
    if cause.gpu is None:
        return cause.id in _BLINDS_HOST and gap.rule in gpu_rules
    return cause.id in _BLINDS_GPU and gap.gpu == cause.gpu


def merge(gaps: Sequence[NotMeasured], gpus: Sequence[GpuRef]) -> tuple[NotMeasured, ...]:
    """The same gap on every GPU of the host is one gap of the host."""
    groups: dict[tuple[str, str, Reason, bool, str], list[NotMeasured]] = {}
    for gap in gaps:
        groups.setdefault((gap.rule, gap.reading, gap.reason, gap.required, gap.detail), []).append(gap)
    merged: list[NotMeasured] = []
    for group in groups.values():
        whole = len(gpus) > 1 and len({gap.gpu for gap in group} & set(gpus)) == len(gpus)
        merged.extend([replace(group[0], gpu=None)] if whole else group)
    return tuple(merged)
