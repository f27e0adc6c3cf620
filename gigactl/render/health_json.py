"""`gigactl.health/1`: the health of a fleet for programs, as one document or as JSON Lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from gigactl.render.encode import encode, failure, instant, line
from gigactl.render.problems import counts
from gigactl.results import Evidence, Finding, GpuRef, Judgement, NotMeasured
from gigactl.sweep.look import HostLook

SCHEMA = "gigactl.health/1"


def document(looks: Sequence[HostLook], at: datetime, took: float) -> str:
    """Everything at once; hosts in the order given."""
    return encode(
        {
            "schema": SCHEMA,
            "at": instant(at),
            "seconds": round(took, 3),
            "summary": counts(looks),
            "hosts": [host(look) for look in looks],
        }
    )


def first_line(at: datetime, version: str) -> str:
    """JSON Lines begin with who speaks which schema."""
    return line("version", {"schema": SCHEMA, "gigactl": version, "at": instant(at)})


def host_line(look: HostLook) -> str:
    """One host, as it arrives: what is known before the comparison with the others."""
    return line("host", host(look))


def fleet_lines(before: Iterable[HostLook], after: Iterable[HostLook]) -> str:
    """Hosts of which the comparison with the others says more: their verdict now, and what was added."""
    return "".join(
        line(
            "fleet",
            {
                **_verdict(then.host, now.judgement),
                "findings": [finding(one) for one in now.judgement.findings if one not in then.judgement.findings],
            },
        )
        for then, now in zip(before, after, strict=True)
        if then != now
    )


def last_line(looks: Sequence[HostLook], took: float) -> str:
    return line("summary", {"seconds": round(took, 3), **counts(looks)})


def host(look: HostLook) -> dict[str, Any]:
    """One host with everything: findings, what was not measured, why there is no snapshot, what the probe cost."""
    judgement = look.judgement
    shown: dict[str, Any] = {
        **_verdict(look.host, judgement),
        "findings": [finding(one) for one in judgement.findings],
        "not_measured": [_not_measured(one) for one in judgement.not_measured],
    }
    if judgement.notes:
        shown["notes"] = list(judgement.notes)
    if look.failure is not None:
        shown["failure"] = failure(look.failure)
    if look.probe is not None:
        probe = look.probe
        shown["probe"] = {
            "source": probe.source,
            "complete": probe.complete,
            "python": probe.python,
            "seconds": probe.seconds,
            "cpu_s": probe.cpu_s,
        }
    shown["attempts"] = look.attempts
    shown["seconds"] = round(look.seconds, 3)
    return shown


def finding(one: Finding) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": one.id,
        "severity": one.severity.value,
        "when": one.when.value,
        "remedy": [remedy.value for remedy in one.remedy],
    }
    if one.gpu is not None:
        shown["gpu"] = _gpu(one.gpu)
    shown["summary"] = one.summary
    if one.evidence is not None:
        shown["evidence"] = _evidence(one.evidence)
    if one.folded:
        shown["folded"] = list(one.folded)
    return shown


def _verdict(name: str, judgement: Judgement) -> dict[str, Any]:
    return {
        "host": name,
        "verdict": judgement.verdict.value,
        "basis": judgement.basis,
        "when": judgement.when.value,
        "remedy": [remedy.value for remedy in judgement.remedy],
    }


def _gpu(gpu: GpuRef) -> dict[str, Any]:
    return {"index": gpu.index, "uuid": gpu.uuid, "serial": gpu.serial, "pci": gpu.pci}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "reading": evidence.reading,
        "value": evidence.value,
        "limit": evidence.limit,
        "source": evidence.source,
    }


def _not_measured(missing: NotMeasured) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "rule": missing.rule,
        "reading": missing.reading,
        "reason": missing.reason.value,
        "required": missing.required,
    }
    if missing.gpu is not None:
        shown["gpu"] = _gpu(missing.gpu)
    return {**shown, "detail": missing.detail} if missing.detail else shown
