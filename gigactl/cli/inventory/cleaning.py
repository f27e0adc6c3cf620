"""`inventory clean`: remove every trace of gigactl from hosts."""

from __future__ import annotations

from pathlib import Path

from gigactl.cli import exits, loop, reach
from gigactl.cli.fleet import Fleet, selected
from gigactl.cli.live import live
from gigactl.cli.session import Session
from gigactl.fanout.base import Limits
from gigactl.inventory.ranges import fold
from gigactl.remote.clean import Clean
from gigactl.render import exec as view
from gigactl.render.exec import Said
from gigactl.render.progress import progress_line
from gigactl.render.text import count
from gigactl.transport.dialogue import Ended


def clean(session: Session, ask_password: bool, password_file: Path | None) -> int:
    """Ask, clean, say how each host ended."""
    fleet = selected(session, explicit=True)
    what = f"{count(len(fleet.hosts), 'host')}, {fold(fleet.names)}"
    if session.dry_run:
        session.write(f"would remove what gigactl keeps on {what}\n")
        return exits.DONE
    session.confirm(f"Remove what gigactl keeps on {what}", len(fleet.hosts))
    wants_password = ask_password or password_file is not None
    dialogue = Clean(reach.become(session, ask_password, password_file) if wants_password else None)
    limits = reach.limits(session, None)
    return loop.run(session, lambda interrupt: _clean(session, fleet, dialogue, limits, interrupt))


async def _clean(session: Session, fleet: Fleet, dialogue: Clean, limits: Limits, interrupt: loop.Interrupt) -> int:
    began = session.world.clock()
    said: dict[str, Said] = {}

    def progress(width: int) -> str:
        out = [name for name in fleet.names if name not in said]
        took = session.world.clock() - began
        return progress_line(len(said), len(fleet.hosts), view.counts(said.values()), out, took, width)

    removed: dict[str, bytes] = {}
    async with reach.engine(session).run(fleet.hosts, dialogue, limits) as arrivals, live(session, progress):
        interrupt.stops(arrivals.stop)
        async for arrival in arrivals:
            if isinstance(arrival, Ended):
                said[arrival.host] = _said(arrival, removed.pop(arrival.host, b""))
            else:
                removed[arrival.host] = "".join(f"{path}\n" for path in arrival.value.paths).encode()
    answers = [said[name] for name in fleet.names if name in said]
    await loop.write(session, "".join(view.output(answers, session.screen())))
    for problem in view.problems(answers):
        session.tell(f"gigactl: {problem}\n")
    session.say(view.last_line(answers, session.world.clock() - began))
    return exits.first([*interrupt.codes, *(exits.of_host(one.status) for one in answers)])


def _said(ended: Ended, removed: bytes) -> Said:
    """What was removed is shown as a command's output is: equal lists once."""
    return Said(ended.host, ended.status, stdout=removed, failure=ended.failure, seconds=ended.seconds)
