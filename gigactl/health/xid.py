"""What the Xids and SXids of the kernel log mean: the catalogue, the rows judged by hand, and what a line itself
states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gigactl.health.nvlink5 import Decoded, decode
from gigactl.health.recovery import stated
from gigactl.health.tables import Ask, XidRow, sxids, xids
from gigactl.payload.schema import KernelEvent

STATES_RECOVERY = 154
NVLINK5 = range(144, 151)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What equal events of one GPU ask for; `summary` is one line, equal for equal problems."""

    ask: Ask
    summary: str


def row_ask(code: int, row: XidRow) -> Ask:
    """What a row of the catalogue asks for: by hand, else by NVIDIA's first action, else by gpud's letter."""
    table = xids()
    if code in table.by_hand:
        return table.by_hand[code].ask
    if row.first in table.actions:
        return table.actions[row.first]
    return table.letters.get(row.gpud, table.letters[row.gpud[:1]])


def xid_meaning(code: int, events: Sequence[KernelEvent], branch: int | None) -> Meaning:
    """What these events (one code, one GPU, oldest first, at least one) mean. `branch`: of the loaded driver, None if
    unknown."""
    table = xids()
    row = table.rows.get(code)
    if row is None:
        return Meaning(table.unknown, f"Xid {code}: unknown, NVIDIA's catalogue does not describe it")
    if code == STATES_RECOVERY:
        return _stated(events[-1])
    if code in NVLINK5:
        return _nvlink5(code, row, events, branch)
    return Meaning(row_ask(code, row), f"Xid {code}: {row.means}")


def sxid_meaning(code: int, events: Sequence[KernelEvent]) -> Meaning:
    """What these events of one NVSwitch (one code, at least one) mean; an unlisted code weighs as its line says."""
    table = sxids()
    for group in table.groups:
        if code in group.codes:
            return Meaning(table.classes[group.of], f"SXid {code}: {group.means}")
    fatal = any(event["fields"].get("severity", "").lower() == "fatal" for event in events)
    said = "the driver calls it fatal" if fatal else "the driver does not call it fatal"
    return Meaning(table.unknown["fatal" if fatal else "other"], f"SXid {code}: unknown, {said}")


def _stated(event: KernelEvent) -> Meaning:
    """Xid 154: the newest line holds, since each states what is needed from then on."""
    recovery = stated(event["text"])
    if recovery is None:
        return Meaning(xids().unknown, "Xid 154: the driver states a recovery that this catalogue does not know")
    return Meaning(recovery.ask, f"Xid 154: the driver states that the GPU needs {recovery.means}")


def _nvlink5(code: int, row: XidRow, events: Sequence[KernelEvent], branch: int | None) -> Meaning:
    """The worst of what the lines decode to; what cannot be decoded weighs as the catalogue's row."""
    decoded = [_decoded(code, event, branch) for event in events]
    known = [one for one in decoded if one is not None]
    plain = Meaning(row_ask(code, row), f"Xid {code}: {row.means}, not decoded")
    meanings = [Meaning(one.ask, f"Xid {code}: {row.means}, {one.means}") for one in known]
    if len(known) < len(decoded):
        meanings.append(plain)
    return max(meanings, key=lambda meaning: (meaning.ask.severity.rank, len(meaning.ask.remedy)))


def _decoded(code: int, event: KernelEvent, branch: int | None) -> Decoded | None:
    intrinfo = _number(event["fields"].get("intrinfo", ""))
    if intrinfo is None:
        return None
    return decode(code, intrinfo, _number(event["fields"].get("error_status", "")) or 0, branch)


def _number(text: str) -> int | None:
    """A hexadecimal word as the driver writes it, with or without 0x."""
    try:
        return int(text, 16)
    except ValueError:
        return None
