"""Explains every finding id: what it means, what it rests on, what to do, where that comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gigactl.documents import did_you_mean
from gigactl.errors import UsageError
from gigactl.health.tables import Ask, definitions, nvlink5, sxids, xids
from gigactl.health.xid import NVLINK5, STATES_RECOVERY, row_ask
from gigactl.results import Remedy, When

_CODED = re.compile(r"(?P<kind>S?XID)-(?P<code>[0-9]{1,6})")
_CURED = "It counts until a reset of the GPU, a load of the driver, or a boot."
_CURED_SWITCH = "It counts until a load of the driver or a boot."
_GPUD_LETTERS = {"I": "information", "W": "a warning", "F": "fatal"}
_GPUD_ACTIONS = {
    "reboot": "reboot",
    "HW": "hardware inspection",
    "app": "check the application",
    "ignore": "no action",
}
# the boards of the catalogue's column, in its order
_BOARDS = ("A100", "H100", "B100", "GB200")


@dataclass(frozen=True, slots=True)
class Explanation:
    """One finding id explained. `asks` may vary with what a line or reading states; `variants` then says how."""

    id: str
    title: str
    means: str
    evidence: str
    do: str
    source: str
    asks: Ask
    variants: tuple[tuple[str, Ask], ...] = ()


def all_ids() -> tuple[str, ...]:
    """Every id there is: the definitions, then each Xid and SXid of the catalogues (codes beyond them are explained,
    too)."""
    switches = sorted({code for group in sxids().groups for code in group.codes})
    return (*definitions(), *(f"XID-{code}" for code in sorted(xids().rows)), *(f"SXID-{code}" for code in switches))


def explain(finding_id: str) -> Explanation:
    """Explain an id, in any case. Raises UsageError with the nearest id for one there is none of."""
    name = finding_id.strip().upper().replace(" ", "-")
    coded = _CODED.fullmatch(name)
    if coded:
        code = int(coded["code"])
        return _xid(code) if coded["kind"] == "XID" else _sxid(code)
    definition = definitions().get(name)
    if definition is None:
        raise UsageError(f"no finding is called {finding_id!r}", hint=did_you_mean(name, all_ids()))
    return Explanation(
        id=name,
        title=definition.title,
        means=definition.means,
        evidence=definition.evidence,
        do=definition.do,
        source=definition.source,
        asks=definition.ask(),
        variants=tuple(definition.variants.items()),
    )


def _xid(code: int) -> Explanation:
    table = xids()
    row = table.rows.get(code)
    if row is None:
        return Explanation(
            id=f"XID-{code}",
            title=f"Xid {code}: unknown",
            means="NVIDIA's catalogue does not describe this Xid, or calls it unused in data-centre GPUs.",
            evidence=f"A line `Xid (PCI:…): {code}` in the kernel log. {_CURED}",
            do="Read the line and those around it; look for a newer catalogue; ask NVIDIA's or the vendor's support.",
            source=table.source,
            asks=table.unknown,
        )
    hand = table.by_hand.get(code)
    said = [f"NVIDIA's first action: {row.first}."] if row.first else ["NVIDIA names no action."]
    said = ["The line itself says what is needed."] if code == STATES_RECOVERY else said
    said += [_gpud(row.gpud)]
    boards = [board for board, listed in zip(_BOARDS, row.gpus, strict=False) if listed == "Y"]
    said += [f"Listed for {', '.join(boards)}."] if boards else []
    said += [f"Judged by hand: {hand.why}."] if hand else []
    return Explanation(
        id=f"XID-{code}",
        title=f"Xid {code}: {row.means}",
        means=" ".join([row.means[:1].upper() + row.means[1:] + ".", *said]),
        evidence=f"A line `Xid (PCI:…): {code}` in the kernel log, how often and when last. {_CURED}",
        do=_todo(row_ask(code, row), row.then, row.stated),
        source=table.source,
        asks=row_ask(code, row),
        variants=_xid_variants(code),
    )


def _gpud(said: str) -> str:
    """`F reboot+HW` in words; tools disagree, and who wonders sees it here."""
    letter, _, actions = said.partition(" ")
    words = ", ".join(_GPUD_ACTIONS[action] for action in actions.split("+") if action)
    return f"gpud calls it {_GPUD_LETTERS[letter]}" + (f" ({words})." if words else ".")


_REMEDIES = {
    Remedy.RESET_GPU: "reset the GPU",
    Remedy.RESET_ALL_GPUS: "reset all its GPUs",
    Remedy.REBOOT: "reboot it",
    Remedy.POWER_CYCLE: "power-cycle it",
    Remedy.INSPECT: "inspect it",
    Remedy.RMA: "have the part replaced",
}
_WHENS = {When.NEXT_WINDOW: "In the next window", When.DRAIN_FIRST: "Drain the host first, then", When.NOW: "Now"}


def _first(ask: Ask) -> str:
    """What the finding asks for, as a sentence; empty where it asks for nothing."""
    remedies = " and ".join(_REMEDIES.get(remedy, remedy.value) for remedy in ask.remedy)
    return f"{_WHENS[ask.when]} {remedies}. " if remedies and ask.when in _WHENS else ""


def _todo(ask: Ask, then: str, stated: int | None) -> str:
    workflow = xids().workflows.get(then)
    said = workflow or "If it comes again, ask NVIDIA's or the vendor's support."
    said = _first(ask) + said
    if stated is None:
        return said
    since = f"From driver branch {stated} on" if stated else "On every branch"
    return f"{said} {since} an Xid {STATES_RECOVERY} states the recovery needed."


def _xid_variants(code: int) -> tuple[tuple[str, Ask], ...]:
    if code == STATES_RECOVERY:
        return tuple((recovery.texts[0], recovery.ask) for recovery in xids().recovery.values())
    return tuple(nvlink5().actions.items()) if code in NVLINK5 else ()


def _sxid(code: int) -> Explanation:
    table = sxids()
    group = next((group for group in table.groups if code in group.codes), None)
    means = group.means if group else "unknown"
    weight = {
        "noted": "Non-fatal: nothing need be done. If it comes often, look at the switch.",
        "look": "Look at the link and the switch in the next window.",
        "fatal": "Drain and reboot, which resets GPUs and switches. If it comes again, inspect the baseboard.",
    }
    return Explanation(
        id=f"SXID-{code}",
        title=f"SXid {code}: {means}",
        means=f"An NVSwitch reported: {means}. It is not a GPU's; several condemn the whole baseboard.",
        evidence=f"A line `SXid (PCI:…): {code}` in the kernel log. {_CURED_SWITCH}",
        do=weight[group.of] if group else "Read the line: it says whether it is fatal.",
        source=table.source,
        asks=table.classes[group.of] if group else table.unknown["other"],
        variants=() if group else tuple(table.unknown.items()),
    )
