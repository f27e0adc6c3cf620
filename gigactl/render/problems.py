"""Equal problems of many hosts as one line each: worst first, host names folded, GPU numbers beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gigactl.health.absent import IDS as NO_SNAPSHOT
from gigactl.inventory.ranges import fold
from gigactl.render.table import Column, Row, Table
from gigactl.render.text import listed, one_line
from gigactl.results import Finding, GpuRef, NotMeasured, Remedy, Severity, Verdict, When
from gigactl.sweep.look import HostLook

COLUMNS = (
    Column("VERDICT"),
    Column("HOSTS", fold=True),
    Column("FINDING"),
    Column("WHAT", fold=True),
    Column("WHEN"),
    Column("REMEDY", fold=True),
)

_ORDER = ("critical", "unreachable", "unknown", "warning", "maintenance", "info")


@dataclass(frozen=True, slots=True)
class Key:
    """What makes two problems the same line."""

    label: str
    id: str
    summary: str
    when: When
    remedy: tuple[Remedy, ...]


@dataclass(slots=True)
class Problem:
    """One line: a problem, and the GPUs of each host that has it."""

    key: Key
    gpus: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def places(self) -> str:
        """`gpu[003,007] GPU 3, gpu009 GPU 1,5`: hosts with the same GPUs folded together."""
        together: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for host, gpus in self.gpus.items():
            together[tuple(dict.fromkeys(gpus))].append(host)
        return ", ".join(fold(hosts) + (f" GPU {','.join(gpus)}" if gpus else "") for gpus, hosts in together.items())


def problems(looks: Iterable[HostLook], *, verbose: bool) -> list[Problem]:
    """Every distinct problem, worst first. Information, notes and what need not be
    measured only when verbose."""
    found: dict[Key, Problem] = {}
    for look in looks:
        for key, gpu in _of_host(look, verbose=verbose):
            gpus = found.setdefault(key, Problem(key)).gpus[look.host]
            if gpu:
                gpus.append(gpu)
    return sorted(found.values(), key=_badness)


def _badness(one: Problem) -> tuple[int, int, int, int, str]:
    """Worst first: by label, urgency, the gravest remedy, how many hosts have it."""
    gravest = max((list(Remedy).index(remedy) for remedy in one.key.remedy), default=-1)
    return _ORDER.index(one.key.label), -one.key.when.rank, -gravest, -len(one.gpus), one.key.id


def table(lines: Sequence[Problem]) -> Table:
    return Table(
        COLUMNS,
        tuple(
            Row(
                (
                    one.key.label,
                    one.places,
                    one.key.id,
                    one.key.summary,
                    "-" if one.key.when is When.NONE else one.key.when.value,
                    listed(one.key.remedy),
                ),
                style=one.key.label,
            )
            for one in lines
        ),
    )


def counts(looks: Iterable[HostLook]) -> dict[str, int]:
    """`hosts` and every verdict, zeros too, in the order of the machine output."""
    verdicts = [look.judgement.verdict for look in looks]
    order = (Verdict.OK, Verdict.WARNING, Verdict.CRITICAL, Verdict.UNKNOWN, Verdict.UNREACHABLE, Verdict.MAINTENANCE)
    return {"hosts": len(verdicts), **{verdict.value: verdicts.count(verdict) for verdict in order}}


def in_words(numbers: Mapping[str, int]) -> str:
    """`11 ok, 2 warning, 1 unreachable`: what there is none of is left out, but for `ok`."""
    return ", ".join(
        f"{number} {name}" for name, number in numbers.items() if name != "hosts" and (number or name == "ok")
    )


def gpu_name(gpu: GpuRef | None) -> str:
    """A GPU in few characters: its number, else its PCI address, else its UUID; empty for a finding about the host."""
    if gpu is None:
        return ""
    if gpu.index is not None:
        return str(gpu.index)
    return one_line(gpu.pci or gpu.uuid or gpu.serial or "")


def _of_host(look: HostLook, *, verbose: bool) -> Iterable[tuple[Key, str]]:
    judgement = look.judgement
    for finding in judgement.findings:
        label = _label(judgement.verdict, finding)
        if verbose or label != Severity.INFO.value:
            yield Key(label, finding.id, finding.summary, finding.when, finding.remedy), gpu_name(finding.gpu)
    for missing in judgement.not_measured:
        if verbose or missing.required:
            label = "unknown" if missing.required else "info"
            yield Key(label, missing.rule, not_measured(missing), When.NONE, ()), gpu_name(missing.gpu)
    if look.probe is None and not judgement.findings:
        yield Key(judgement.verdict.value, "-", "; ".join(judgement.notes), When.NONE, ()), ""
    elif verbose and look.probe is not None:
        for note in judgement.notes:
            yield Key(Severity.INFO.value, "-", note, When.NONE, ()), ""


def _label(verdict: Verdict, finding: Finding) -> str:
    """What is lost is not called sick, and not hidden as information either; what is in maintenance likewise."""
    informs = finding.severity is Severity.INFO
    if verdict is Verdict.UNREACHABLE or (verdict is Verdict.MAINTENANCE and not informs):
        return verdict.value
    if verdict is Verdict.UNKNOWN and finding.id in NO_SNAPSHOT:
        return verdict.value
    return finding.severity.value


def not_measured(missing: NotMeasured) -> str:
    """`not measured: ecc.volatile.uncorrected (no-permission: needs root)`."""
    why = f"{missing.reason}: {missing.detail}" if missing.detail else missing.reason.value
    return f"not measured: {missing.reading} ({why})"
