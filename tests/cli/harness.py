"""The real program in this process: arguments in; exit code and both streams out. Hosts are simulated, clocks stand."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gigactl.cli.entry import run
from gigactl.cli.world import World
from gigactl.errors import HostError
from gigactl.inventory.model import Host
from gigactl.payload.schema import PROTOCOL, Snapshot
from gigactl.transport.base import Exit, Transport
from gigactl.transport.simulated import Reply, Script, SimulatedTransport
from tests.health.snapshots import NOW

SCREENS = Path(__file__).parent / "screens"


class Terminal(io.StringIO):
    """A stream with a person behind it."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Done:
    """How an invocation ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Program:
    """gigactl in a directory of its own."""

    directory: Path
    transport: Transport | None = None
    environ: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *argv: str, tty: bool = False, stdin: str = "", **environ: str) -> Done:
        kind: Callable[[str], io.StringIO] = Terminal if tty else io.StringIO
        streams = kind(stdin), kind(""), kind("")
        home = {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")}
        world = World(
            *streams,
            environ={**home, **self.environ, **environ},
            directory=self.directory,
            now=lambda: NOW,
            clock=lambda: 0.0,
            transport_for=self._transport_for if self.transport is not None else None,
        )
        with contextlib.redirect_stdout(streams[1]), contextlib.redirect_stderr(streams[2]):
            code = run(argv, world)
        return Done(code, streams[1].getvalue(), streams[2].getvalue())

    def among(self, environ: Mapping[str, str]) -> Program:
        """The same with these variables set."""
        return replace(self, environ={**self.environ, **environ})

    def _transport_for(self, host: Host) -> Transport:
        assert self.transport is not None
        return self.transport


def probed(snapshots: Mapping[str, Snapshot], failing: Mapping[str, HostError] | None = None) -> SimulatedTransport:
    """Hosts that answer a probe with these snapshots, and hosts that cannot be reached."""
    scripts = {name: always(Reply(stdout=wire(snapshot))) for name, snapshot in snapshots.items()}
    lost = {name: Script(refuse_all=error) for name, error in (failing or {}).items()}
    return SimulatedTransport({**scripts, **lost})


def said(answers: Mapping[str, Reply], otherwise: Reply | None = None) -> SimulatedTransport:
    """Hosts that answer any command like this."""
    scripts = {name: always(reply) for name, reply in answers.items()}
    return SimulatedTransport(scripts, always(otherwise or Reply()))


def always(reply: Reply) -> Script:
    """A host that answers every command like this."""
    return Script(answer=lambda exec: reply)


def wire(snapshot: Snapshot) -> bytes:
    """The lines a probe would have written for this snapshot."""
    hello = {
        "type": "hello",
        "protocol": PROTOCOL,
        "version": "0.1.0",
        "python": snapshot["python"],
        "euid": snapshot["euid"],
        "place": "",
    }
    parts = [hello, snapshot["facts"], snapshot["driver"], *snapshot["gpus"], snapshot["kernel"]]
    end = {"type": "end", "seconds": snapshot["seconds"], "cpu_s": snapshot["cpu_s"]}
    return b"".join(json.dumps(part).encode() + b"\n" for part in [*parts, end] if part is not None)


def failed(code: int, stdout: bytes = b"", stderr: bytes = b"") -> Reply:
    return Reply(stdout, stderr, Exit(code))


def assert_screen(name: str, text: str) -> None:
    """The text is exactly what stands in `screens/`. `WRITE_SCREENS=1` writes it there, to be read before kept."""
    place = SCREENS / name
    if os.environ.get("WRITE_SCREENS"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
    assert text == place.read_text(encoding="utf-8")
