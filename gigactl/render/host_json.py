"""`gigactl.host/1`: hosts in full for programs: the verdict, the snapshot it rests on, what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gigactl.render.encode import encode, instant
from gigactl.render.health_json import host
from gigactl.render.host import Seen

SCHEMA = "gigactl.host/1"


def document(seen: Sequence[Seen], at: datetime) -> str:
    """The keys of a host in `gigactl.health/1`, and beside them `snapshot` and `expected` (null where none)."""
    return encode({"schema": SCHEMA, "at": instant(at), "hosts": [_host(one) for one in seen]})


def _host(one: Seen) -> dict[str, Any]:
    expected = None if one.expected is None else asdict(one.expected)
    return {**host(one.look), "snapshot": one.snapshot, "expected": expected}
