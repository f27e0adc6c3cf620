"""Small pieces of text: what came from a host made safe to show, counts, durations, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable

# CSI and OSC/DCS/APC/PM sequences, and two-character escapes: dropped whole, so that no "[31m" is left behind.
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]"
)
# C0 but tab and newline, DEL, C1, and the characters that reorder what a reader sees (Unicode TR9, TR36).
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


def clean(text: str) -> str:
    """Text from a host without anything a terminal would obey. Newlines and tabs stay; a lone CR becomes a newline."""
    text = _SEQUENCES.sub("", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", text)


def one_line(text: str) -> str:
    """Cleaned, and on one line: runs of white space become one space."""
    return " ".join(clean(text).split())


def count(number: int, one: str, many: str = "") -> str:
    """`1 host`, `3 hosts`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def seconds(value: float) -> str:
    """`0.4 s`, `9.2 s`, `75 s`, `12 min`, `3.5 h`, `6.2 d`."""
    if value < 60:
        return f"{value:.1f} s"
    if value < 600:
        return f"{value:.0f} s"
    if value < 2 * 3600:
        return f"{value / 60:.0f} min"
    if value < 2 * 86400:
        return f"{value / 3600:.1f} h"
    return f"{value / 86400:.1f} d"


def size(value: float) -> str:
    """Bytes in powers of 1024: `512 B`, `1.5 GiB`, `141 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.0f} TiB" if value >= 100 else f"{value:.1f} TiB"


def listed(items: Iterable[str]) -> str:
    """Comma separated; a dash where there is nothing."""
    return ", ".join(items) or "-"
