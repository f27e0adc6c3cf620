"""`exec`: one command on hosts; the rails before it, the grouped answers after it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from gigactl import __version__
from gigactl.cli import exits, loop, reach
from gigactl.cli.answers import Answers
from gigactl.cli.fleet import Fleet, selected, setting
from gigactl.cli.live import live
from gigactl.cli.session import Session
from gigactl.errors import SafetyRail
from gigactl.fanout.base import Arrivals, Limits
from gigactl.inventory.ranges import fold
from gigactl.remote.shell import Shell, ShellReply
from gigactl.render import exec as view
from gigactl.render.exec import Said
from gigactl.render.progress import progress_line
from gigactl.render.text import count
from gigactl.results import Status
from gigactl.transport.base import Become
from gigactl.transport.dialogue import Ended

MAX_AT_ONCE = 20
"""Hosts a changing command may touch at once without being told so (the design's safety rails)."""


def run(
    session: Session,
    words: Sequence[str],
    timeout: float | None,
    become: bool,
    ask_password: bool,
    password_file: Path | None,
    all_at_once: int | None,
) -> int:
    """Run `words` on the hosts selected; the exit code."""
    output = session.output("table", "json", "jsonl")
    fleet = selected(session, explicit=True)
    argv = shell_words(words)
    as_root = become or reach.logs_in_as_root(session, fleet.hosts)
    if session.dry_run:
        session.write(f"would run on {count(len(fleet.hosts), 'host')}, {fold(fleet.names)}: {shlex.join(words)}\n")
        return exits.DONE
    if as_root:
        _rails(session, fleet, words, all_at_once)
    who = reach.become(session, ask_password, password_file) if become else None
    limits = reach.limits(session, timeout)
    with closing(Answers()) as answers:
        one = _Run(session, fleet, output, answers)
        return loop.run(session, lambda interrupt: one.on(argv, who, limits, interrupt))


def shell_words(words: Sequence[str]) -> tuple[str, ...]:
    """One word is the host's shell's to read; several are a command as it stands."""
    return ("sh", "-c", words[0]) if len(words) == 1 else tuple(words)


def _rails(session: Session, fleet: Fleet, words: Sequence[str], all_at_once: int | None) -> None:
    """Above max_at_once only when told the number; then the question."""
    number = len(fleet.hosts)
    most = int(setting(session, "max_at_once") or MAX_AT_ONCE)
    if number > most and all_at_once != number:
        raise SafetyRail(
            f"{count(number, 'host')} at once as root, more than max_at_once ({most})",
            hint=f"add --all-at-once={number} to go on",
        )
    session.confirm(f"Run as root on {count(number, 'host')}, {fold(fleet.names)}: {shlex.join(words)}", number)


@dataclass(slots=True)
class _Run:
    """One run: what hosts answered so far, and how it is shown."""

    session: Session
    fleet: Fleet
    output: str
    answers: Answers

    async def on(self, argv: tuple[str, ...], who: Become | None, limits: Limits, interrupt: loop.Interrupt) -> int:
        """Run it, show it, say how it ended."""
        session, hosts = self.session, self.fleet.hosts
        began = session.world.clock()

        def took() -> float:
            return session.world.clock() - began

        if self.output == "jsonl":
            await loop.write(session, view.first_line(__version__))
        async with reach.engine(session).run(hosts, Shell(argv, become=who), limits) as arrivals:
            interrupt.stops(arrivals.stop)
            streaming = self.output == "jsonl"
            async with live(session, lambda width: self._progress(took(), width), streaming=streaming):
                await self._collect(arrivals)
        await self._show(took())
        return exits.first([*interrupt.codes, *(exits.of_host(one.status) for one in self.answers.bare.values())])

    async def _collect(self, arrivals: Arrivals[ShellReply]) -> None:
        replies: dict[str, ShellReply] = {}
        async for arrival in arrivals:
            if isinstance(arrival, Ended):
                await self._take(_said(arrival, replies.pop(arrival.host, None)))
            else:
                replies[arrival.host] = arrival.value

    async def _take(self, one: Said) -> None:
        """JSON Lines go out at once and only how it ended is kept; the other views need everything."""
        if self.output == "jsonl":
            await loop.write(self.session, view.host_line(one))
            one = replace(one, stdout=b"", stderr=b"")
        self.answers.add(one)

    async def _show(self, took: float) -> None:
        session = self.session
        whole = self.answers.of(self.fleet.names)
        said = [self.answers.bare[name] for name in self.fleet.names if name in self.answers.bare]
        if self.output == "json":
            await self._write(view.document(whole))
        elif self.output == "jsonl":
            await loop.write(session, view.summary_line(said, took))
        else:
            await self._write(view.output(whole, session.screen()))
            for text in view.errors(whole, session.screen(session.world.stderr)):
                session.tell(text)
        for problem in view.problems(said) if self.output == "table" else ():
            session.tell(f"gigactl: {problem}\n")
        session.say(view.last_line(said, took))

    async def _write(self, texts: Iterable[str]) -> None:
        for text in texts:
            await loop.write(self.session, text)

    def _progress(self, took: float, width: int) -> str:
        said = self.answers.bare
        out = [name for name in self.fleet.names if name not in said]
        return progress_line(len(said), len(self.fleet.hosts), view.counts(said.values()), out, took, width)


def _said(ended: Ended, reply: ShellReply | None) -> Said:
    """A host that ended well and whose command did not is `failed`."""
    if reply is None:
        return Said(ended.host, ended.status, failure=ended.failure, seconds=ended.seconds)
    well = reply.exit.code == 0 and not reply.truncated
    status = Status.OK if well else Status.FAILED
    return Said(
        ended.host,
        status if ended.status is Status.OK else ended.status,
        reply.exit.code,
        reply.exit.signal,
        reply.stdout,
        reply.stderr,
        reply.truncated,
        ended.failure,
        ended.seconds,
    )
