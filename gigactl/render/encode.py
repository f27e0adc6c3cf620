"""JSON and JSON Lines as text that is also safe on a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from gigactl.errors import HostError

# json leaves these as they are; a terminal would obey the first range, a reader be misled by the others
_RAW = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def encode(content: object) -> str:
    """One document, indented, a newline at the end."""
    return _safe(json.dumps(content, ensure_ascii=False, indent=2)) + "\n"


def encode_list(head: Mapping[str, Any], name: str, items: Iterable[object]) -> Iterator[str]:
    """`encode({**head, name: [*items]})` in pieces, one item at a time in memory."""
    before, _, after = encode({**head, name: [None]}).rpartition("null")
    for number, item in enumerate(items):
        yield (",\n    " if number else before) + encode(item).rstrip("\n").replace("\n", "\n    ")
        before = ""
    yield after if not before else encode({**head, name: []})


def line(kind: str, content: Mapping[str, Any]) -> str:
    """One message of a JSON Lines stream; `type` says which."""
    return _safe(json.dumps({"type": kind, **content}, ensure_ascii=False)) + "\n"


def instant(at: datetime) -> str:
    """`2026-11-22T03:00:00Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def failure(error: HostError) -> dict[str, Any]:
    """Why there is nothing from a host."""
    shown = {"error": error.summary, "detail": error.detail}
    return {**shown, "hint": error.hint} if error.hint else shown


def _safe(text: str) -> str:
    return _RAW.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
