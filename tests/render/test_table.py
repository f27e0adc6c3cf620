"""One table, two screens: a pipe gets every character, a terminal what fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigactl.render.table import PIPE, Column, Row, Screen, Table, draw, painted

COLUMNS = (Column("VERDICT"), Column("HOSTS", fold=True), Column("N", "right"))
LONG = Table(COLUMNS, (Row(("critical", "gpu[001-999],storage[01-10]" * 10, "7"), "critical"),))


def test_a_pipe_gets_full_width_without_ellipsis() -> None:
    head, line = draw(LONG, PIPE).splitlines()
    assert head.split() == ["VERDICT", "HOSTS", "N"]
    assert line == "critical  " + "gpu[001-999],storage[01-10]" * 10 + "  7"


def test_columns_align_wide_characters_too() -> None:
    table = Table(COLUMNS, (Row(("好", "a", "1")), Row(("xx", "b", "22"))))
    assert draw(table, PIPE) == "VERDICT  HOSTS   N\n好       a       1\nxx       b      22\n"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_is_never_overrun_and_loses_nothing(width: int) -> None:
    text = draw(LONG, Screen(width))
    assert max(map(len, text.splitlines())) <= width
    first, *others = text.splitlines()[1:]
    assert first.split()[1] + "".join(map(str.strip, others)) == LONG.rows[0].cells[1]


def test_colour_only_where_it_is_wanted() -> None:
    assert "\x1b[1;31mcritical" in draw(LONG, Screen(80, colour=True))
    assert "\x1b" not in draw(LONG, Screen(80))
    assert "\x1b" not in draw(LONG, PIPE)
    assert painted("x", "ok", PIPE) == "x"


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=5))
def test_a_row_is_a_line_whatever_is_in_it(rows: list[tuple[str, str, str]]) -> None:
    text = draw(Table(COLUMNS, tuple(map(Row, rows))), PIPE)
    assert text.count("\n") == len(rows) + 1
    assert "\x1b" not in text


def test_a_terminal_too_narrow_for_columns_breaks_no_word() -> None:
    columns = (Column("VERDICT"), Column("HOSTS", fold=True), Column("WHAT", fold=True), Column("REMEDY"))
    table = Table(columns, (Row(("critical", "gpu003 GPU 5", "Uncorrectable memory errors", "reset-gpu"), "critical"),))
    text = draw(table, Screen(30, False))
    assert text == (
        "critical · HOSTS gpu003 GPU 5\n    · WHAT Uncorrectable\n    memory errors · REMEDY\n    reset-gpu\n"
    )
    assert "\x1b" in draw(table, Screen(30, True))
    assert "VERDICT" in draw(table, Screen(60, False)).splitlines()[0]


def test_a_paragraph_is_never_overrun_and_loses_nothing() -> None:
    text = draw(LONG, Screen(30))
    assert max(map(len, text.splitlines())) <= 30
    assert LONG.rows[0].cells[1] in "".join(text.split())
