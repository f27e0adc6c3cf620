"""One line of progress for a terminal: how far, how it looks so far, who is still out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gigactl.inventory.ranges import fold
from gigactl.render.text import count, seconds

FEW = 16
"""With more hosts out than this their names say nothing any more."""


def progress_line(
    done: int, total: int, numbers: Mapping[str, int], out: Collection[str], took: float, width: int
) -> str:
    """`12/16 · 10 ok, 1 critical · 3.1 s · waiting for gpu[013-016]`, cut to `width` columns."""
    parts = [f"{done}/{total}"]
    if done:
        parts.append(", ".join(f"{number} {name}" for name, number in numbers.items() if number))
    parts.append(seconds(took))
    if out:
        parts.append(f"waiting for {fold(out)}" if len(out) <= FEW else f"waiting for {count(len(out), 'host')}")
    text = " · ".join(parts)
    return text if len(text) < width else text[: width - 2] + "…"
