"""`lab up|status|fault|freeze|down`: thin over `gigactl.lab.fleet`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from gigactl.cli import exits, rehearsal
from gigactl.cli.fleet import setting
from gigactl.cli.session import Session
from gigactl.errors import UsageError
from gigactl.inventory.ranges import expand, fold
from gigactl.lab import fleet
from gigactl.lab.faults import KINDS
from gigactl.lab.options import LabOptions
from gigactl.render.text import count

CLEAR = "clear"
_COMMA = re.compile(r",(?![^\[]*\])")  # not those within brackets


@dataclass(frozen=True, slots=True)
class Wish:
    """The fleet that is asked for."""

    hosts: int
    gpus: int
    model: str
    board: str | None
    port: int


def up(session: Session, wish: Wish, directory: Path | None) -> int:
    """Bring it up and say what to do next."""
    output = session.output("table", "json")
    folder = _folder(session, directory)
    status = fleet.up(LabOptions(folder, wish.hosts, wish.gpus, wish.model, board=wish.board or "", port=wish.port))
    if output == "json":
        session.write(rehearsal.document(status))
    else:
        session.write(rehearsal.next_steps(status))
    return exits.DONE


def status(session: Session, directory: Path | None) -> int:
    """What is up and what is broken."""
    output = session.output("table", "json")
    found = fleet.status(_folder(session, directory))
    session.write(rehearsal.document(found) if output == "json" else rehearsal.screen(found, session.screen()))
    return exits.DONE


def fault(session: Session, hosts: str, kind: str, settings: Sequence[str], directory: Path | None) -> int:
    """Break, or clear."""
    names = [name for pattern in _COMMA.split(hosts) for name in expand(pattern)]
    folder = _folder(session, directory)
    if kind == CLEAR:
        if settings:
            raise UsageError(f"`clear` takes no settings, not {' '.join(settings)!r}")
        fleet.clear(folder, names)
        session.say(f"cleared on {count(len(names), 'host')}: {fold(names)}")
        return exits.DONE
    if kind not in KINDS:
        near = get_close_matches(kind, [*KINDS, CLEAR], n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"no kind of fault {kind!r}", hint=f"{hint}there are {', '.join([*sorted(KINDS), CLEAR])}")
    fleet.fault(folder, names, kind, dict(map(_setting, settings)))
    session.say(f"{' '.join([kind, *settings])} on {count(len(names), 'host')}: {fold(names)}")
    return exits.DONE


def freeze(session: Session, on: bool, directory: Path | None) -> int:
    """Stop or start the clocks of readings."""
    fleet.freeze(_folder(session, directory), on)
    session.say("readings stand still" if on else "readings move")
    return exits.DONE


def down(session: Session, directory: Path | None) -> int:
    """Leave no trace."""
    folder = _folder(session, directory)
    fleet.down(folder)
    session.say(f"the lab in {folder} is gone")
    return exits.DONE


def _folder(session: Session, directory: Path | None) -> Path:
    state = setting(session, "state")
    below = session.world.state if state is None else session.world.directory / Path(state).expanduser()
    return (directory or below / "lab").absolute()


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not KEY=VALUE")
    return name, value
