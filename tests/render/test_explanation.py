"""A finding in words: paragraphs on a terminal, full lines on a pipe."""

from __future__ import annotations

import json

from gigactl.health.catalogue import Explanation
from gigactl.health.tables import Ask
from gigactl.render.explanation import document, text
from gigactl.render.table import PIPE, Screen
from gigactl.results import Remedy, Severity, When

ASK = Ask(severity=Severity.CRITICAL, when=When.DRAIN_FIRST, remedy=(Remedy.RESET_GPU, Remedy.INSPECT))
NOTED = Ask(severity=Severity.INFO, when=When.NONE, remedy=())
FOUND = Explanation(
    "NVLINK-DOWN", "NVLinks are down", "Fewer links than the board has.", "Active links.", "Drain and reboot.",
    "the standard", ASK, (("unproved", NOTED),),
)  # fmt: skip


def test_every_part_on_its_own_line() -> None:
    assert text(FOUND, PIPE) == (
        "NVLINK-DOWN: NVLinks are down\n"
        "  Means          Fewer links than the board has.\n"
        "  Rests on       Active links.\n"
        "  What to do     Drain and reboot.\n"
        "  Weighs         critical, drain-first: reset-gpu, inspect\n"
        "    if unproved  info\n"
        "  Source         the standard\n"
    )


def test_a_terminal_is_not_overrun() -> None:
    assert max(map(len, text(FOUND, Screen(44)).splitlines())) <= 44


def test_for_programs() -> None:
    shown = json.loads(document(FOUND))
    assert shown["schema"] == "gigactl.finding/1"
    assert shown["asks"] == {"severity": "critical", "when": "drain-first", "remedy": ["reset-gpu", "inspect"]}
    assert shown["variants"]["unproved"]["severity"] == "info"
