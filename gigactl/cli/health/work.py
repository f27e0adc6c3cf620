"""`health check` and `health show`: one look at hosts, shown in one of three ways, ended with one exit code."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gigactl.cli import exits, loop, reach
from gigactl.cli.fleet import Fleet, named, selected, setting
from gigactl.cli.health.views import VIEWS, NoView, View
from gigactl.cli.live import live
from gigactl.cli.session import Session
from gigactl.errors import UsageError
from gigactl.fanout.base import Limits
from gigactl.health.policy import DEFAULT_POLICY, Policy, load_policy
from gigactl.inventory.expectation import Expectation, expect
from gigactl.inventory.model import Host
from gigactl.payload.schema import Snapshot
from gigactl.remote.probe import Probe
from gigactl.render import host as host_view
from gigactl.render import host_json
from gigactl.render.host import Seen
from gigactl.render.problems import counts
from gigactl.render.progress import progress_line
from gigactl.results import Severity
from gigactl.sweep.look import HostLook, OnSnapshot, Standards, sweep, with_findings

NEVER = "never"


@dataclass(frozen=True, slots=True)
class Ask:
    """What both commands may be told about the look itself."""

    timeout: float | None
    policy: Path | None
    ask_password: bool
    password_file: Path | None


def check(session: Session, fail_on: str | None, unreachable_ok: str | None, ask: Ask) -> int:
    """Look at the selected hosts; 8, 6 or 0 by what was found (128+N when interrupted)."""
    view = VIEWS[session.output(*VIEWS)](session)
    severity = _severity(str(setting(session, "fail_on") if fail_on is None else fail_on))
    lost_ok = exits.tolerance(str(setting(session, "unreachable_ok") if unreachable_ok is None else unreachable_ok))
    look = _prepare(session, selected(session), ask)
    codes = loop.run(session, lambda interrupt: look.run(view, interrupt))
    return exits.first([*codes, exits.of_health([one.judgement for one in look.seen.values()], severity, lost_ok)])


def show(session: Session, hosts: Sequence[str], ask: Ask) -> int:
    """Look at a few hosts and show each in full; 8 for a critical finding, 6 when one gave no answer."""
    output = session.output("table", "json")
    look = _prepare(session, named(session, hosts), ask)
    kept: dict[str, tuple[Snapshot, Expectation]] = {}

    def keep(host: Host, snapshot: Snapshot, expected: Expectation) -> None:
        kept[host.name] = snapshot, expected

    codes = loop.run(session, lambda interrupt: look.run(NoView(), interrupt, keep))
    seen = [Seen(one, *kept.get(one.host, (None, None))) for one in look.in_order()]
    if output == "json":
        session.write(host_json.document(seen, look.at))
    else:
        screens = (host_view.screen(one, session.screen(), verbose=session.verbose) for one in seen)
        session.write("\n".join(screens))
    judgements = [one.look.judgement for one in seen]
    return exits.first([*codes, exits.of_health(judgements, Severity.CRITICAL, exits.Tolerance())])


def _severity(text: str) -> Severity | None:
    if text == NEVER:
        return None
    if text not in set(Severity):
        raise UsageError(f"--fail-on {text!r}", hint=f"there are {', '.join([*Severity, NEVER])}")
    return Severity(text)


def _prepare(session: Session, fleet: Fleet, ask: Ask) -> _Look:
    """Everything that may be refused is refused here, before the first connection."""
    wants_password = ask.ask_password or ask.password_file is not None
    who = reach.become(session, ask.ask_password, ask.password_file) if wants_password else None
    policy = DEFAULT_POLICY if ask.policy is None else load_policy(ask.policy)
    return _Look(session, fleet, Probe(become=who), policy, reach.limits(session, ask.timeout))


@dataclass
class _Look:
    """One look in progress: what has been seen so far."""

    session: Session
    fleet: Fleet
    probe: Probe
    policy: Policy
    limits: Limits
    seen: dict[str, HostLook] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at = self.session.world.now()

    def in_order(self) -> list[HostLook]:
        """In the order of the inventory."""
        return [self.seen[name] for name in self.fleet.names if name in self.seen]

    async def run(self, view: View, interrupt: loop.Interrupt, keep: OnSnapshot | None = None) -> list[int]:
        """Look, compare, show; the exit code of a signal if one came."""
        session = self.session
        began = session.world.clock()
        standards = Standards(self._expecting, self.policy, session.world.now)
        await view.begins(self.at)
        engine = reach.engine(session)
        async with sweep(self.fleet.hosts, engine, self.probe, self.limits, standards, keep) as looks:
            interrupt.stops(looks.stop)
            progress = partial(self._progress, began)
            async with live(session, progress, streaming=view.streaming):
                async for look in looks:
                    self.seen[look.host] = look
                    await view.host(look)
            more = looks.compared()
        before = self.in_order()
        self.seen = {look.host: with_findings(look, more.get(look.host, ())) for look in before}
        await view.ends(before, self.in_order(), session.world.clock() - began)
        return interrupt.codes

    def _expecting(self, host: Host, pci_ids: Collection[str]) -> Expectation:
        return expect(self.fleet.inventory, host, pci_ids)

    def _progress(self, began: float, width: int) -> str:
        took = self.session.world.clock() - began
        numbers = counts(self.seen.values())
        del numbers["hosts"]
        out = [name for name in self.fleet.names if name not in self.seen]
        return progress_line(len(self.seen), len(self.fleet.hosts), numbers, out, took, width)
