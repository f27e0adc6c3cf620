"""A finding explained, in paragraphs that fit the screen."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from gigactl.health.catalogue import Explanation
from gigactl.health.tables import Ask
from gigactl.render.encode import encode
from gigactl.render.table import Column, Row, Screen, Table, draw, painted
from gigactl.render.text import listed, one_line
from gigactl.results import When


def text(found: Explanation, on: Screen) -> str:
    """The id and title, then what it means, what it rests on, what to do, what it asks for, where that is written."""
    title = (
        found.title
        if found.title.lower().startswith(found.id.lower().replace("-", " "))
        else f"{found.id}: {found.title}"
    )
    blocks = [
        ("Means", found.means),
        ("Rests on", found.evidence),
        ("What to do", found.do),
        ("Weighs", weight(found.asks)),
        *((f"  if {name}", weight(ask)) for name, ask in found.variants),
        ("Source", found.source),
    ]
    width = max(len(name) for name, content in blocks if content)
    body = "".join(_paragraph(f"{name:<{width}}", content, on) for name, content in blocks if content)
    return painted(one_line(title), "head", on) + "\n" + body


def listing(found: Sequence[Explanation], on: Screen) -> str:
    """One line each."""
    columns = (Column("FINDING"), Column("TITLE", fold=True), Column("WEIGHS", fold=True))
    return draw(Table(columns, tuple(Row((one.id, one.title, weight(one.asks))) for one in found)), on)


def document(found: Explanation) -> str:
    """`gigactl.finding/1`."""
    return encode({"schema": "gigactl.finding/1", **_parts(found)})


def documents(found: Sequence[Explanation]) -> str:
    """`gigactl.findings/1`."""
    return encode({"schema": "gigactl.findings/1", "findings": [_parts(one) for one in found]})


def _parts(found: Explanation) -> dict[str, Any]:
    return {
        "id": found.id,
        "title": found.title,
        "means": found.means,
        "evidence": found.evidence,
        "do": found.do,
        "source": found.source,
        "asks": _asks(found.asks),
        "variants": {name: _asks(ask) for name, ask in found.variants},
    }


def _asks(ask: Ask) -> dict[str, Any]:
    return {"severity": ask.severity, "when": ask.when, "remedy": list(ask.remedy)}


def weight(ask: Ask) -> str:
    """`critical, drain-first: reset-gpu`."""
    if ask.when is When.NONE:
        return ask.severity.value
    return f"{ask.severity}, {ask.when}: {listed(ask.remedy)}"


def _paragraph(name: str, content: str, on: Screen) -> str:
    lead = f"  {name}  "
    content = one_line(content)
    if on.width is None:
        return f"{lead}{content}\n"
    return textwrap.fill(content, max(on.width, 40), initial_indent=lead, subsequent_indent=" " * len(lead)) + "\n"
