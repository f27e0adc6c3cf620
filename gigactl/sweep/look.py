"""One look at many hosts: a probe on each, judged as it arrives and dropped; what stays is compared at the end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from gigactl.errors import HostError, ReplyInvalid
from gigactl.fanout.base import Arrivals, Engine, Limits
from gigactl.health.absent import absent
from gigactl.health.compare import compare
from gigactl.health.features import Features, features
from gigactl.health.judge import judge, judgement
from gigactl.health.policy import Policy
from gigactl.inventory.expectation import Expectation
from gigactl.inventory.model import Host
from gigactl.payload.schema import Snapshot
from gigactl.results import Finding, Judgement, Status, Verdict
from gigactl.transport.dialogue import Dialogue, Ended

log = logging.getLogger(__name__)

Expecting = Callable[[Host, Collection[str]], Expectation]
"""What a host should have, from its name in the inventory and the PCI ids (`10de:2335`) found on it."""

OnSnapshot = Callable[[Host, Snapshot, Expectation], None]
"""Sees a snapshot before it is dropped (`health show` keeps the few it asked for)."""


@dataclass(frozen=True, slots=True)
class Standards:
    """What hosts are judged by. `now` gives UTC."""

    expecting: Expecting
    policy: Policy
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class ProbeCost:
    """How the probe went on the host itself. `seconds` and `cpu_s` are the host's own; `source` as in the snapshot."""

    source: str
    complete: bool
    python: str
    seconds: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class HostLook:
    """What one look found on one host. `failure` says why there is no snapshot, or why it was cut; `seconds` is ours,
    connecting included."""

    host: str
    judgement: Judgement
    status: Status
    failure: HostError | None
    attempts: int
    seconds: float
    probe: ProbeCost | None = None


@dataclass
class Looks:
    """Hosts as they are done, exactly one HostLook each; after the last one `compared()`."""

    _arrivals: Arrivals[Snapshot]
    _hosts: Mapping[str, Host]
    _standards: Standards
    _on_snapshot: OnSnapshot | None
    _judged: dict[str, tuple[Judgement, ProbeCost]] = field(default_factory=dict)
    _beyond: dict[str, HostError] = field(default_factory=dict)
    _features: list[Features] = field(default_factory=list)

    def stop(self, reason: str) -> None:
        """No new host; running ones are cancelled; every host still gets its HostLook."""
        self._arrivals.stop(reason)

    async def __aiter__(self) -> AsyncIterator[HostLook]:
        async for arrival in self._arrivals:
            if isinstance(arrival, Ended):
                yield self._ended(arrival)
            else:
                self._look_at(self._hosts[arrival.host], arrival.value)

    def compared(self) -> Mapping[str, tuple[Finding, ...]]:
        """What only the comparison with the other hosts shows, by host."""
        return compare(self._features, self._standards.policy, self._standards.now())

    def _look_at(self, host: Host, snapshot: Snapshot) -> None:
        """Judge it. What a host sends is its own: if the rules trip over it, that host is unknown and no other."""
        try:
            self._judged[host.name] = self._judge(host, snapshot)
        except Exception as error:
            log.exception("%s: the snapshot could not be judged", host.name)
            self._beyond[host.name] = ReplyInvalid(f"it could not be judged: {type(error).__name__}: {error}")

    def _judge(self, host: Host, snapshot: Snapshot) -> tuple[Judgement, ProbeCost]:
        expected = self._standards.expecting(host, pci_ids(snapshot))
        judged = judge(snapshot, expected, None, self._standards.policy, self._standards.now())
        self._features.append(features(host, snapshot, expected))
        if self._on_snapshot is not None:
            self._on_snapshot(host, snapshot, expected)
        cost = ProbeCost(
            snapshot["source"], snapshot["complete"], snapshot["python"], snapshot["seconds"], snapshot["cpu_s"]
        )
        return judged, cost

    def _ended(self, ended: Ended) -> HostLook:
        judged, cost = self._judged.pop(ended.host, (None, None))
        beyond = self._beyond.pop(ended.host, None)
        if beyond is not None:
            ended = replace(ended, status=Status.UNKNOWN, failure=beyond)
        return HostLook(
            ended.host,
            absent(ended) if judged is None else judged,
            ended.status,
            _bare(ended.failure),
            ended.attempts,
            ended.seconds,
            cost,
        )


def _bare(failure: HostError | None) -> HostError | None:
    """Without its traceback and cause: their frames would keep a session's buffers for as long as the look is kept."""
    if failure is not None:
        failure.__traceback__ = failure.__cause__ = failure.__context__ = None
    return failure


def pci_ids(snapshot: Snapshot) -> frozenset[str]:
    """`10de:2335` of every GPU on the host's PCI bus; empty where that was not read."""
    facts = snapshot["facts"]
    return frozenset() if facts is None else frozenset(f"{gpu['vendor']}:{gpu['device']}" for gpu in facts["pci_gpus"])


@asynccontextmanager
async def sweep(
    hosts: Sequence[Host],
    engine: Engine,
    probe: Dialogue[Snapshot],
    limits: Limits,
    standards: Standards,
    on_snapshot: OnSnapshot | None = None,
) -> AsyncIterator[Looks]:
    """Look at `hosts` by `probe` (`remote.probe.Probe`).

    Memory is bounded by the window and what stays of each host: its judgement, features of at most 2 KB.
    """
    async with engine.run(hosts, probe, limits) as arrivals:
        yield Looks(arrivals, {host.name: host for host in hosts}, standards, on_snapshot)


def with_findings(look: HostLook, more: Sequence[Finding]) -> HostLook:
    """The same look with the fleet's findings; the verdict and what to do follow anew."""
    if not more:
        return look
    known = look.judgement
    certain = known.verdict if known.verdict is Verdict.MAINTENANCE else None
    anew = judgement((*known.findings, *more), known.not_measured, known.basis, known.notes, certain)
    return replace(look, judgement=anew)
