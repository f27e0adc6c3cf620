"""The data files beside this module as typed values, each read once, on first use: a healthy host needs none of them
but thresholds."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from gigactl.documents import convert, read_document
from gigactl.results import Remedy, Severity, When

_DATA = Path(__file__).parent / "data"
T = TypeVar("T")


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How bad, how urgent, and what to do."""

    severity: Severity
    when: When
    remedy: tuple[Remedy, ...]


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one finding id stands for. `variants`: the same finding where it weighs differently."""

    title: str
    severity: Severity
    when: When
    remedy: tuple[Remedy, ...]
    means: str
    evidence: str
    do: str
    source: str
    variants: dict[str, Ask] = {}

    def ask(self, variant: str = "") -> Ask:
        """The standard ask, or that of a variant; an unknown variant is a KeyError."""
        return self.variants[variant] if variant else Ask(self.severity, self.when, self.remedy)


class _Definitions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    findings: dict[str, Definition]


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number a rule compares with; `low` and `high` bound what is plausible at all."""

    value: float
    unit: str
    low: float
    high: float
    source: str


class _Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    thresholds: dict[str, Threshold]


class XidRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Xid as the catalogue has it; see the head of xid.yaml for the columns."""

    means: str
    gpud: str
    first: str = ""
    then: str = ""
    gpus: str = ""
    stated: int | None = None


class ByHand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row judged otherwise than its first action says, and why."""

    ask: Ask
    why: str


class Recovery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recovery action of the driver. `texts`: as Xid 154 writes it; `means`: what the GPU needs."""

    texts: tuple[str, ...]
    means: str
    severity: Severity
    when: When
    remedy: tuple[Remedy, ...]

    @property
    def ask(self) -> Ask:
        return Ask(self.severity, self.when, self.remedy)


class XidTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """xid.yaml."""

    version: int
    source: str
    actions: dict[str, Ask]
    letters: dict[str, Ask]
    unknown: Ask
    by_hand: dict[int, ByHand]
    recovery: dict[int, Recovery]
    rows: dict[int, XidRow]
    workflows: dict[str, str]


class SxidGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"of": "class"}):
    """SXids that mean the same."""

    of: str
    means: str
    codes: tuple[int, ...]


class SxidTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """sxid.yaml."""

    version: int
    source: str
    classes: dict[str, Ask]
    unknown: dict[str, Ask]
    groups: tuple[SxidGroup, ...]


class Escalation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One more bit of intrinfo that turns these statuses into a reset."""

    statuses: tuple[str, ...]
    v1_bit: int
    v2_bit: int


class Unit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A unit of NVLink 5: its bit patterns, and an action per bit of the error status (`status`), per value of it
    (`values`), or by the link-down reason."""

    xid: int
    unit: str
    v1: str
    v2: tuple[str, ...]
    status: dict[str, str] = {}
    values: dict[str, str] = {}
    by_reason: bool = False
    escalate: Escalation | None = None


class LinkReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a link went down."""

    action: str
    means: str


class Nvlink5Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """nvlink5.yaml. `branch`: the driver branch from which patterns are the short ones."""

    version: int
    source: str
    branch: int
    actions: dict[str, Ask]
    units: tuple[Unit, ...]
    reasons: dict[str, LinkReason]


def _load(name: str, kind: type[T]) -> T:
    return convert(read_document(_DATA / name), kind)


@cache
def definitions() -> dict[str, Definition]:
    """Every finding id but the Xids and SXids."""
    return _load("findings.yaml", _Definitions).findings


@cache
def thresholds() -> dict[str, Threshold]:
    """Every threshold's default."""
    return _load("thresholds.yaml", _Thresholds).thresholds


@cache
def xids() -> XidTable:
    """The Xid catalogue."""
    return _load("xid.yaml", XidTable)


@cache
def sxids() -> SxidTable:
    """The SXid table."""
    return _load("sxid.yaml", SxidTable)


@cache
def nvlink5() -> Nvlink5Table:
    """How Xid 144 to 150 are decoded."""
    return _load("nvlink5.yaml", Nvlink5Table)
