"""Decodes Xid 144 to 150 (NVLink 5): which unit, what happened in it, what to do. The driver's branch decides the bit
fields."""

from __future__ import annotations

from dataclasses import dataclass

from gigactl.health.tables import Ask, Nvlink5Table, Unit, nvlink5


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the line says. `means` is short and without numbers of links, so that equal problems fold."""

    action: str
    means: str
    ask: Ask


def decode(code: int, intrinfo: int, status: int, branch: int | None) -> Decoded | None:
    """What an Xid 144 to 150 asks for; None where unit, status or reason is not in the table.

    `branch`: the loaded driver's (580), None where unknown: then both readings are tried, the newer first.
    """
    table = nvlink5()
    for short in (True, False) if branch is None else (branch >= table.branch,):
        unit = _unit(table, code, intrinfo, short)
        if unit is not None:
            return _in_unit(table, unit, intrinfo, status, short)
    return None


def _unit(table: Nvlink5Table, code: int, intrinfo: int, short: bool) -> Unit | None:
    low = format(intrinfo & (0x7F if short else 0x3FF), "07b" if short else "010b")
    for unit in table.units:
        if unit.xid == code and (low in unit.v2 if short else low == unit.v1):
            return unit
    return None


def _in_unit(table: Nvlink5Table, unit: Unit, intrinfo: int, status: int, short: bool) -> Decoded | None:
    if unit.by_reason:
        reason = table.reasons.get(format(intrinfo >> 20 & 0x3F, "06b"))
        if reason is None:
            return None
        return Decoded(reason.action, f"{unit.unit}: {reason.means}", table.actions[reason.action])
    action = _by_status(table, unit, intrinfo, status, short)
    return Decoded(action, unit.unit, table.actions[action]) if action else None


def _by_status(table: Nvlink5Table, unit: Unit, intrinfo: int, status: int, short: bool) -> str | None:
    """The worst action of the bits that are set (several errors may share one line)."""
    if "any" in unit.status:
        return unit.status["any"]
    if unit.values:
        return unit.values.get(format(status, "x"))
    found = [(bit, action) for bit, action in unit.status.items() if status & int(bit, 16)]
    actions = [_escalated(unit, bit, action, intrinfo, short) for bit, action in found]
    return max(actions, key=lambda action: table.actions[action].severity.rank, default=None)


def _escalated(unit: Unit, bit: str, action: str, intrinfo: int, short: bool) -> str:
    more = unit.escalate
    if more and bit in more.statuses and intrinfo >> (more.v2_bit if short else more.v1_bit) & 1:
        return "reset"
    return action
