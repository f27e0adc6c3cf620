"""Host keys to be recorded: fingerprints to compare, what is on record already, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gigactl.errors import HostError
from gigactl.render.encode import encode, failure
from gigactl.render.table import Column, Row, Screen, Table, draw
from gigactl.render.text import count

COLUMNS = (Column("HOST"), Column("RECORDED AS"), Column("KIND"), Column("FINGERPRINT", fold=True), Column("STATE"))


@dataclass(frozen=True, slots=True)
class ShownKey:
    """One key of a host. `state`: `new`, `on record` or `replaces another`."""

    kind: str
    fingerprint: str
    state: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One host: the keys it showed, or why there is nothing to record. `file`: the known_hosts file they go into."""

    host: str
    label: str = ""
    file: str = ""
    keys: tuple[ShownKey, ...] = ()
    failure: HostError | None = None

    @property
    def news(self) -> bool:
        """Whether recording changes anything."""
        return any(key.state != "on record" for key in self.keys)


def screen(hosts: Sequence[Shown], on: Screen) -> str:
    """Every key on its own line: it is read and compared."""
    rows = tuple(
        Row((one.host, one.label, key.kind, key.fingerprint, key.state), "warning" if "replaces" in key.state else "")
        for one in hosts
        for key in one.keys
    )
    return draw(Table(COLUMNS, rows), on) if rows else ""


def last_line(hosts: Sequence[Shown], done: bool) -> str:
    """`2 hosts recorded in FILE, 1 on record, 1 refused`."""
    news = [one for one in hosts if one.news]
    known = sum(one.failure is None and not one.news for one in hosts)
    files = ", ".join(dict.fromkeys(one.file for one in news))
    parts = [f"{count(len(news), 'host')} {'recorded' if done else 'to record'}" + (f" in {files}" if news else "")]
    parts += [f"{known} already on record"] if known else []
    lost = sum(one.failure is not None for one in hosts)
    parts += [f"{lost} not recorded"] if lost else []
    return ", ".join(parts)


def document(hosts: Sequence[Shown], done: bool) -> str:
    """`gigactl.trust/1`."""
    return encode({"schema": "gigactl.trust/1", "recorded": done, "hosts": [_host(one) for one in hosts]})


def _host(one: Shown) -> dict[str, Any]:
    if one.failure is not None:
        return {"host": one.host, "failure": failure(one.failure)}
    keys = [{"kind": key.kind, "fingerprint": key.fingerprint, "state": key.state} for key in one.keys]
    return {"host": one.host, "label": one.label, "file": one.file, "keys": keys}
