"""What the user wants judged otherwise: severity, urgency and remedy per finding id, thresholds; each may expire. YAML,
checked whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec

from gigactl.documents import Document, convert, did_you_mean, read_document
from gigactl.errors import InvalidDocument, Problem
from gigactl.health.tables import Ask, Threshold, definitions, thresholds
from gigactl.results import Remedy, Severity, When

_CODED = re.compile(r"S?XID-[0-9]{1,6}")


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one finding weighs instead; what is not given stays. From the day after `expires` on it no longer holds."""

    severity: Severity | None = None
    when: When | None = None
    remedy: tuple[Remedy, ...] | None = None
    expires: date | None = None
    reason: str = ""


class _PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    findings: dict[str, Override] = {}
    thresholds: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Policy:
    """Overrides by finding id (`XID-63` names an Xid) and thresholds by name; what is not named has its standard."""

    overrides: Mapping[str, Override] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)

    def limit(self, name: str) -> float:
        """A threshold's value; KeyError for a name there is none of."""
        given = self.limits.get(name)
        return thresholds()[name].value if given is None else given

    def holding(self, today: date) -> Policy:
        """The policy without the overrides that expired."""
        if not any(expired(override, today) for override in self.overrides.values()):
            return self
        held = {name: override for name, override in self.overrides.items() if not expired(override, today)}
        return Policy(held, self.limits)

    def ask(self, finding: str, standard: Ask) -> Ask:
        """What the finding asks for."""
        override = self.overrides.get(finding)
        if override is None:
            return standard
        return Ask(
            severity=standard.severity if override.severity is None else override.severity,
            when=standard.when if override.when is None else override.when,
            remedy=standard.remedy if override.remedy is None else override.remedy,
        )


def expired(override: Override, today: date) -> bool:
    """Whether it held once and does no longer."""
    return override.expires is not None and today > override.expires


DEFAULT_POLICY = Policy()


def load_policy(path: Path) -> Policy:
    """Read a policy file. Raises InvalidDocument with every problem: form, unknown ids, implausible numbers."""
    document = read_document(path)
    file = convert(document, _PolicyFile)
    problems = tuple(_problems(document, file))
    if problems:
        raise InvalidDocument(problems)
    return Policy(overrides=file.findings, limits=file.thresholds)


def _problems(document: Document, file: _PolicyFile) -> Iterator[Problem]:
    if file.version != 1:
        yield document.problem(("version",), f"version {file.version} is not known", "version: 1")
    for name, override in file.findings.items():
        place = ("findings", name)
        if name not in definitions() and not _CODED.fullmatch(name):
            yield document.problem(place, f"no finding is called `{name}`", did_you_mean(name, definitions()))
        if override.expires is not None and not override.reason:
            yield document.problem(place, f"`{name}` expires and does not say why", "add `reason:`")
    for name, value in file.thresholds.items():
        place = ("thresholds", name)
        known = thresholds().get(name)
        if known is None:
            yield document.problem(place, f"there is no threshold `{name}`", did_you_mean(name, thresholds()))
        elif not known.low <= value <= known.high:
            yield document.problem(place, f"{name}: {value:g} is not plausible", _range(known))


def _range(known: Threshold) -> str:
    return f"between {known.low:g} and {known.high:g} {known.unit}"
