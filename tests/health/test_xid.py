"""The Xid catalogue: every row is there, and each weighs as its first action, a hand or gpud's letter says."""

from __future__ import annotations

import re

import pytest

from gigactl.health.nvlink5 import decode
from gigactl.health.recovery import by_number, stated
from gigactl.health.tables import Ask, nvlink5, sxids, xids
from gigactl.health.xid import row_ask, sxid_meaning, xid_meaning
from gigactl.results import Remedy, Severity, When
from tests.health.snapshots import event, xid

INFO = Ask(Severity.INFO, When.NONE, ())
RESET = Ask(Severity.CRITICAL, When.DRAIN_FIRST, (Remedy.RESET_GPU,))
REBOOT = Ask(Severity.CRITICAL, When.DRAIN_FIRST, (Remedy.REBOOT,))
LOOK = Ask(Severity.WARNING, When.NEXT_WINDOW, (Remedy.INSPECT,))
HAND = {45, 48, 74, 94, 154, *range(144, 151)}

# NVIDIA's catalogue of October 2025, read again and independently of the table
CATALOGUED = (
    "8 11 13 25 31-32 37-41 43-46 48 54 60 62-64 66-72 74-80 82-86 88-89 92-107 109-110 119-121 126-137 139-173"
)


def expanded(ranges: str) -> set[int]:
    ends = [[int(end) for end in one.split("-")] for one in ranges.split()]
    return {code for one in ends for code in range(one[0], one[-1] + 1)}


def test_every_row_of_the_catalogue_is_there() -> None:
    assert set(xids().rows) == expanded(CATALOGUED)


def test_first_actions_weigh_as_agreed() -> None:
    wanted = {"IGNORE": INFO, "RESTART_APP": INFO, "RESET_GPU": RESET, "RESTART_BM": REBOOT, "RESTART_VM": REBOOT}
    for code, row in xids().rows.items():
        if code in HAND:
            continue
        if row.first.startswith(("CHECK_", "UPDATE_", "CONTACT_SUPPORT")):
            assert row_ask(code, row) == LOOK, code
        elif row.first:
            assert row_ask(code, row) == wanted[row.first], code
        else:
            letter = {"I": Severity.INFO, "W": Severity.WARNING}[row.gpud[0]]
            assert row_ask(code, row).severity is letter, code


@pytest.mark.parametrize(
    ("code", "ask"),
    [
        (45, INFO),
        (48, RESET),
        (74, Ask(Severity.CRITICAL, When.DRAIN_FIRST, (Remedy.INSPECT,))),
        (94, Ask(Severity.WARNING, When.NEXT_WINDOW, (Remedy.RESET_GPU,))),
    ],
)
def test_rows_judged_by_hand(code: int, ask: Ask) -> None:
    assert xid_meaning(code, [xid(code)], 580).ask == ask
    assert xids().by_hand[code].why


def test_a_code_nobody_describes_says_so() -> None:
    meaning = xid_meaning(61, [xid(61)], 580)
    assert meaning.ask == LOOK
    assert "unknown" in meaning.summary


def test_summaries_fold() -> None:
    """Equal for equal problems: nothing of one host or GPU is in them."""
    for code in xids().rows:
        first = xid_meaning(code, [xid(code, 1)], 580).summary
        assert first == xid_meaning(code, [xid(code, 5, 7)], 580).summary
        assert first.startswith(f"Xid {code}: ")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)", 1),
        ("154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)", 2),
        ("154, GPU recovery action changed from 0x0 (None) to 0x2 (OS Reboot)", 2),
        ("Xid 154, GPU recovery action changed from None to Node Reboot Required", 2),
        ("Xid 154, GPU recovery action changed from None to Drain P2P", 3),
        ("Xid 154, GPU recovery action changed from None to Drain and Reset", 4),
        ("154, GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)", 0),
    ],
)
def test_the_driver_states_a_recovery(text: str, number: int) -> None:
    assert stated(text) == by_number(number)


def test_what_is_stated_and_not_understood_is_said() -> None:
    assert stated("154, GPU recovery action changed from 0x0 (None) to 0x63 (Sing)") is None
    assert xid_meaning(154, [xid(154, text="154, something new")], 580).ask == LOOK


def test_the_newest_statement_holds() -> None:
    lines = [
        xid(154, text="154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"),
        xid(154, text="154, GPU recovery action changed from 0x2 (Node Reboot Required) to 0x0 (None)"),
    ]
    assert xid_meaning(154, lines, 580).ask == INFO
    assert xid_meaning(154, lines[::-1], 580).ask == REBOOT


@pytest.mark.parametrize(
    ("intrinfo", "branch", "means", "action"),
    [
        # lines of real hosts: gpud's and NVSentinel's test data, open-gpu-kernel-modules issues
        (0x021425C6, 570, "NETIR link down: the peer device", "reset"),
        (0x016415C6, 570, "NETIR link down: software or user", "reset"),
        (0x025001C6, 570, "NETIR link down: the peer device", "reset"),
        (0b0010001 | 0b101010 << 20, 580, "NETIR link down: cables", "cables"),
        (0b0010001 | 0b000100 << 20, 580, "NETIR link down: signal integrity (cartridge)", "hardware"),
        (0b0010001 | 0b100110 << 20, 580, "NETIR link down: expected", "ignore"),
        (0b0011000, 580, "NETIR interrupt", "reset"),
    ],
)
def test_link_events_are_decoded_by_branch(intrinfo: int, branch: int, means: str, action: str) -> None:
    decoded = decode(149, intrinfo, 0, branch)
    assert decoded is not None
    assert (decoded.means, decoded.action) == (means, action)


def test_bit_patterns_changed_with_the_branch() -> None:
    assert decode(149, 0x021425C6, 0, 575) is None
    old = decode(149, 0x021425C6, 0, None)
    assert old is not None
    assert old.action == "reset"


def test_one_more_bit_turns_ignored_into_reset() -> None:
    unit, old = 0b0000110, 0b0011000010
    for word, branch, action in ((unit, 580, "ignore"), (unit | 1 << 7, 580, "reset"), (old | 1 << 10, 570, "reset")):
        decoded = decode(145, word, 0x2, branch)
        assert decoded is not None
        assert decoded.action == action
    unaffected = decode(145, unit | 1 << 7, 0x8, 580)
    assert unaffected is not None
    assert unaffected.action == "ignore"


def test_several_errors_in_one_line_weigh_as_the_worst() -> None:
    decoded = decode(145, 0b0000101, 0x1 | 0x2, 580)
    assert decoded is not None
    assert decoded.action == "reset"


def test_module_events_are_values_not_bits() -> None:
    ignored, unknown = decode(149, 0b0010100, 3, 580), decode(149, 0b0010100, 2, 580)
    assert ignored is not None
    assert ignored.action == "ignore"
    assert unknown is None


def test_the_worst_line_decides_and_what_is_not_decoded_is_said() -> None:
    harmless = xid(149, intrinfo="0x00000013", error_status="0x1")
    down = xid(149, intrinfo="0x00100011", error_status="0x0")
    assert xid_meaning(149, [harmless], 580).ask == INFO
    assert xid_meaning(149, [harmless, down, harmless], 580).ask == RESET
    meaning = xid_meaning(149, [xid(149, intrinfo="nonsense")], 580)
    assert meaning.ask == LOOK
    assert "not decoded" in meaning.summary


def test_every_unit_is_reachable_and_names_known_actions() -> None:
    table = nvlink5()
    for unit in table.units:
        for branch, patterns in ((570, (unit.v1,)), (580, unit.v2)):
            for pattern in patterns:
                status = int(next(iter({**unit.status, **unit.values} or {"0": ""})).replace("any", "0"), 16)
                decoded = decode(unit.xid, int(pattern, 2), status, branch)
                assert decoded is not None, (unit.unit, branch)
                assert decoded.means.startswith(unit.unit)
    actions = {action for unit in table.units for action in (*unit.status.values(), *unit.values.values())}
    assert actions | {reason.action for reason in table.reasons.values()} <= set(table.actions)
    assert all(re.fullmatch("[01]{6}", bits) for bits in table.reasons)


def test_switch_errors() -> None:
    assert sxid_meaning(20034, [event("sxid", 1, code=20034)]).ask == REBOOT
    assert sxid_meaning(11012, [event("sxid", 1, code=11012)]).ask == INFO
    assert sxid_meaning(20012, [event("sxid", 1, code=20012)]).ask == LOOK
    assert sxid_meaning(77777, [event("sxid", 1, code=77777, severity="Non-fatal")]).ask == LOOK
    assert sxid_meaning(77777, [event("sxid", 1, code=77777, severity="Fatal")]).ask == REBOOT


def test_no_switch_error_stands_twice() -> None:
    codes = [code for group in sxids().groups for code in group.codes]
    assert len(codes) == len(set(codes)) > 90
