"""`inventory trust`: ask hosts for their keys, show them, record what somebody vouches for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gigactl.cli import exits, loop, reach
from gigactl.cli.fleet import Fleet, selected
from gigactl.cli.live import live
from gigactl.cli.session import Session
from gigactl.errors import HostError, UsageError
from gigactl.fanout.base import Limits
from gigactl.inventory.model import Host
from gigactl.render import trust as view
from gigactl.render.progress import progress_line
from gigactl.render.text import count
from gigactl.render.trust import Shown, ShownKey
from gigactl.transport.base import Deadline
from gigactl.transport.ssh.known_hosts import DEFAULT_PORT, KnownHosts, parse
from gigactl.transport.ssh.trust import (
    HostKey,
    Scanned,
    parse_fingerprints,
    record,
    save,
    vouched_by_fingerprint,
    vouched_by_known,
)

log = logging.getLogger(__name__)
Vouch = Callable[[Host, Scanned], tuple[HostKey, ...]]


def trust(session: Session, fingerprints: Path | None, known: Path | None, replace: bool) -> int:
    """Scan, show, ask (unless a file vouches), record."""
    output = session.output("table", "json")
    if fingerprints is not None and known is not None:
        raise UsageError("--fingerprints and --from exclude each other")
    vouch = _voucher(fingerprints, known)
    fleet = selected(session)
    limits = reach.limits(session, None)
    scanned = loop.run(session, lambda interrupt: _Scan(session, fleet, limits).run(interrupt))
    if isinstance(scanned, int):
        return scanned
    books = _Books(replace)
    shown = [books.enter(host, scanned[host.name], vouch or _everything) for host in fleet.hosts]
    session.write(
        view.document(shown, not session.dry_run) if output == "json" else view.screen(shown, session.screen())
    )
    for one in shown:
        if one.failure is not None:
            session.tell(f"gigactl: {one.host}: {one.failure}\n")
    news = sum(one.news for one in shown)
    if news and not session.dry_run:
        if vouch is None:
            session.confirm(f"Trust the keys of {count(news, 'host')}", news)
        books.save()
    session.say(view.last_line(shown, done=not session.dry_run))
    return exits.first(_code(one) for one in shown)


def _voucher(fingerprints: Path | None, known: Path | None) -> Vouch | None:
    """Which of a host's keys a file vouches for; None when there is only the person at the terminal."""
    if fingerprints is not None:
        wanted = parse_fingerprints(_read(fingerprints), str(fingerprints))
        return lambda host, seen: vouched_by_fingerprint(
            seen, wanted.get(host.name, frozenset()) | wanted.get(seen.label, frozenset())
        )
    if known is not None:
        book = KnownHosts(parse(_read(known), str(known)))
        return lambda host, seen: vouched_by_known(
            seen, book.lookup((host.address, host.name), host.ssh.port or DEFAULT_PORT)
        )
    return None


def _everything(host: Host, seen: Scanned) -> tuple[HostKey, ...]:
    return seen.keys


@dataclass
class _Books:
    """The known_hosts files with the new keys in them, kept in memory until they are saved."""

    replace: bool
    texts: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def enter(self, host: Host, seen: Scanned | HostError, vouch: Vouch) -> Shown:
        """Put a host's vouched keys into its file's text; a refusal becomes the host's failure."""
        if isinstance(seen, HostError):
            return Shown(host.name, failure=seen)
        before = self.texts.setdefault(seen.file, _read(Path(seen.file), missing=""))
        try:
            keys = vouch(host, seen)
            done = record(before, seen.file, seen, keys, replace=self.replace)
        except HostError as refused:
            return Shown(host.name, seen.label, seen.file, failure=refused)
        self.texts[seen.file] = done.text
        if done.added or done.replaced:
            self.changed.add(seen.file)
        news = "replaces another" if done.replaced else "new"
        shown = (ShownKey(key.kind, key.fingerprint, news if key in done.added else "on record") for key in keys)
        return Shown(host.name, seen.label, seen.file, tuple(shown))

    def save(self) -> None:
        for file in self.changed:
            save(Path(file), self.texts[file])


@dataclass
class _Scan:
    """Every host asked for its keys, at most a window of them at once. Nobody logs in."""

    session: Session
    fleet: Fleet
    limits: Limits
    seen: dict[str, Scanned | HostError] = field(default_factory=dict)

    async def run(self, interrupt: loop.Interrupt) -> dict[str, Scanned | HostError] | int:
        """By host; the exit code when a signal came: half of the keys are nobody's to trust."""
        window = asyncio.Semaphore(self.limits.window)
        scanner_for = reach.scanner(self.session)
        clock = asyncio.get_running_loop().time
        began = clock()

        async def ask(host: Host) -> None:
            async with window:
                deadline = Deadline.after(self.limits.host_s, clock)
                try:
                    self.seen[host.name] = await scanner_for(host).scan(reach.endpoint(host), deadline)
                except HostError as error:
                    self.seen[host.name] = error
                except Exception as error:
                    log.exception("%s: unexpected", host.name)
                    self.seen[host.name] = HostError(f"unexpected {type(error).__name__}: {error}")

        def progress(width: int) -> str:
            out = [name for name in self.fleet.names if name not in self.seen]
            return progress_line(len(self.seen), len(self.fleet.hosts), {}, out, clock() - began, width)

        asking = [asyncio.create_task(ask(host)) for host in self.fleet.hosts]
        interrupt.stops(lambda reason: _cancel(asking))
        async with live(self.session, progress):
            await asyncio.gather(*asking, return_exceptions=True)
        return exits.first(interrupt.codes) if interrupt.codes else self.seen


def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


def _code(one: Shown) -> int:
    """Not reached is 6; reached and refused is 5."""
    if one.failure is None:
        return exits.DONE
    return exits.FAILED if one.label else exits.LOST


def _read(file: Path, missing: str | None = None) -> str:
    """The file's text; `missing` for one that is not there."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        if missing is not None:
            return missing
        raise UsageError(f"{file}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
