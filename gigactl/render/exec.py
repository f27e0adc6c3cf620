"""What a command said on many hosts: identical output once, under the folded names of the hosts that said it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from gigactl.errors import HostError
from gigactl.inventory.ranges import fold
from gigactl.render.encode import encode_list, failure, line
from gigactl.render.table import Screen, painted
from gigactl.render.text import clean, count, one_line, seconds
from gigactl.results import Status

SCHEMA = "gigactl.exec/1"
_RULE = 15


@dataclass(frozen=True, slots=True)
class Said:
    """One host's answer. `exit_code` None: it never ended, or by a signal (then `signal` names it)."""

    host: str
    status: Status
    exit_code: int | None = None
    signal: str | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    failure: HostError | None = None
    seconds: float = 0.0


def output(said: Sequence[Said], on: Screen) -> Iterator[str]:
    """stdout of all, grouped, a group at a time; hosts that said nothing are left out."""
    return _grouped(said, lambda one: one.stdout, "", on)


def errors(said: Sequence[Said], on: Screen) -> Iterator[str]:
    """stderr of all, grouped, its headers saying so."""
    return _grouped(said, lambda one: one.stderr, " stderr", on)


def problems(said: Sequence[Said]) -> list[str]:
    """`gpu[003,005]: exit 1`, `gpu016: connection refused: …`: one line per distinct way not to succeed."""
    together: dict[str, list[str]] = defaultdict(list)
    for one in said:
        if one.status is not Status.OK or one.truncated:
            together[_why(one)].append(one.host)
    return [f"{fold(hosts)}: {why}" for why, hosts in together.items()]


def last_line(said: Sequence[Said], took: float) -> str:
    """`4 hosts: 2 ok, 1 failed, 1 unreachable · 1.2 s`."""
    numbers = ", ".join(f"{number} {status}" for status, number in counts(said).items() if number or status == "ok")
    return f"{count(len(said), 'host')}: {numbers} · {seconds(took)}"


def counts(said: Iterable[Said]) -> dict[str, int]:
    statuses = [one.status for one in said]
    order = (Status.OK, Status.FAILED, Status.UNKNOWN, Status.UNREACHABLE, Status.SKIPPED)
    return {status.value: statuses.count(status) for status in order}


def document(said: Sequence[Said]) -> Iterator[str]:
    """One document, a host at a time."""
    return encode_list({"schema": SCHEMA, "summary": _summary(said)}, "hosts", map(_host, said))


def first_line(version: str) -> str:
    return line("version", {"schema": SCHEMA, "gigactl": version})


def host_line(one: Said) -> str:
    return line("host", _host(one))


def summary_line(said: Sequence[Said], took: float) -> str:
    return line("summary", {"seconds": round(took, 3), **_summary(said)})


def _summary(said: Sequence[Said]) -> dict[str, int]:
    return {"hosts": len(said), **counts(said)}


def _host(one: Said) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "host": one.host,
        "status": one.status.value,
        "exit_code": one.exit_code,
        "stdout": one.stdout.decode(errors="replace"),
        "stderr": one.stderr.decode(errors="replace"),
        "seconds": round(one.seconds, 3),
    }
    if one.signal is not None:
        shown["signal"] = one.signal
    if one.truncated:
        shown["truncated"] = True
    if one.failure is not None:
        shown["failure"] = failure(one.failure)
    return shown


def _grouped(said: Sequence[Said], stream: Callable[[Said], bytes], what: str, on: Screen) -> Iterator[str]:
    """Twice through `said`, which may be far more than fits into memory: by digest, then the first of each group."""
    together: dict[bytes, list[str]] = defaultdict(list)
    firsts: list[int] = []
    for place, one in enumerate(said):
        if stream(one).strip():
            hosts = together[sha256(_shown(stream(one)).encode()).digest()]
            if not hosts:
                firsts.append(place)
            hosts.append(one.host)
    for place, hosts in zip(firsts, together.values(), strict=True):
        yield f"{_header(hosts, what, on)}{_shown(stream(said[place]))}\n"


def _shown(text: bytes) -> str:
    return clean(text.decode(errors="replace")).rstrip("\n")


def _header(hosts: Sequence[str], what: str, on: Screen) -> str:
    """clush -b's header: rules, and the number of hosts where there is more than one."""
    name = fold(hosts) + (f" ({len(hosts)})" if len(hosts) > 1 else "") + what
    rule = "-" * max(_RULE, len(name))
    return "".join(painted(text, "head", on) + "\n" for text in (rule, name, rule))


def _why(one: Said) -> str:
    if one.failure is not None:
        return one_line(str(one.failure))
    ways = []
    if one.signal is not None:
        ways.append(f"ended by {one_line(one.signal)}")
    elif one.exit_code:
        ways.append(f"exit {one.exit_code}")
    if one.truncated:
        ways.append("output cut: more than the limit")
    return ", ".join(ways) or one.status.value
