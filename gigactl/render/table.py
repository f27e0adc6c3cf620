"""A table as a value, drawn in two ways: plain lines at full width for a pipe, rich within the width of a terminal."""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass
from typing import Literal

from gigactl.render.text import one_line


@dataclass(frozen=True, slots=True)
class Screen:
    """Where text goes. `width` is a terminal's columns; None is a pipe or a file: full width, nothing cut."""

    width: int | None = None
    colour: bool = False


PIPE = Screen()


@dataclass(frozen=True, slots=True)
class Column:
    """`fold` columns take the line breaks when a terminal is too narrow; the others keep their words together."""

    title: str
    align: Literal["left", "right"] = "left"
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """`style` colours the first cell (`critical`, `warning`, …; see STYLES)."""

    cells: tuple[str, ...]
    style: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


STYLES = {
    "critical": "bold red",
    "unreachable": "bold magenta",
    "unknown": "yellow",
    "warning": "yellow",
    "maintenance": "cyan",
    "info": "dim",
    "ok": "green",
    "head": "bold",
}


def draw(table: Table, screen: Screen) -> str:
    """The table as text, a newline after every line."""
    safe = Table(table.columns, tuple(Row(tuple(map(one_line, row.cells)), row.style) for row in table.rows))
    if screen.width is None:
        return _plain(safe)
    if not _fits(safe, screen.width):
        return _records(safe, screen, screen.width)
    return _terminal(safe, screen.width, screen.colour)


def painted(text: str, style: str, screen: Screen) -> str:
    """One line of text in a style of STYLES; as it is where there is no colour."""
    code = {"ok": "32", "warning": "33", "unknown": "33", "critical": "1;31", "unreachable": "1;35", "head": "1"}.get(
        style
    )
    return f"\x1b[{code}m{text}\x1b[0m" if screen.colour and code else text


def _cells_wide(text: str) -> int:
    """Columns a terminal gives it: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def _padded(text: str, width: int, align: str) -> str:
    gap = " " * (width - _cells_wide(text))
    return gap + text if align == "right" else text + gap


def _plain(table: Table) -> str:
    lines = [tuple(column.title for column in table.columns), *(row.cells for row in table.rows)]
    widths = [max(_cells_wide(line[index]) for line in lines) for index in range(len(table.columns))]
    return "".join(
        "  ".join(
            _padded(cell, width, column.align) for cell, width, column in zip(line, widths, table.columns, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )


def _fits(table: Table, width: int) -> bool:
    """Whether every column can be as wide as its longest word, or its longest cell where it does not wrap."""
    lines = [tuple(column.title for column in table.columns), *(row.cells for row in table.rows)]
    wanted = 2 * (len(table.columns) - 1)
    for index, column in enumerate(table.columns):
        cells = [line[index] for line in lines]
        # a folded host list breaks after its commas
        pieces = [word for cell in cells for word in cell.replace(",", ", ").split()] if column.fold else cells
        wanted += max((_cells_wide(piece) for piece in pieces), default=0)
    return wanted <= width


def _records(table: Table, screen: Screen, width: int) -> str:
    """A row as a paragraph, for a terminal too narrow for columns: no word that fits on a line is broken."""
    text = ""
    for row in table.rows:
        first, *others = (f"{column.title} {cell}" for column, cell in zip(table.columns, row.cells, strict=True))
        first = row.cells[0] if row.style else first
        said = textwrap.fill(
            " · ".join([first, *others]),
            width,
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
        text += painted(first, row.style, screen) + said[len(first) :] + "\n"
    return text


def _terminal(table: Table, width: int, colour: bool) -> str:
    import io

    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold" if colour else "")
    for column in table.columns:
        drawn.add_column(
            Text(column.title), justify=column.align, overflow="fold", no_wrap=not column.fold, min_width=4
        )
    for row in table.rows:
        first, *others = row.cells
        drawn.add_row(Text(first, style=STYLES.get(row.style, "") if colour else ""), *map(Text, others))
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
        emoji=False,
    )
    with console.capture() as capture:
        console.print(drawn)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())
