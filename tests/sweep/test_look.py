"""One look: every host exactly once, snapshots dropped, the comparison at the end."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from gigactl.errors import AuthenticationFailed
from gigactl.fanout.asyncio_engine import AsyncioEngine
from gigactl.fanout.base import Limits
from gigactl.health.policy import DEFAULT_POLICY
from gigactl.inventory.expectation import Expectation
from gigactl.inventory.model import Host
from gigactl.payload.schema import Snapshot
from gigactl.remote.probe import Probe
from gigactl.results import Finding, Severity, Status, Verdict, When
from gigactl.sweep.look import HostLook, Looks, Standards, pci_ids, sweep, with_findings
from gigactl.transport.simulated import Reply, SimulatedTransport
from tests.cli.harness import always, probed, wire
from tests.health.snapshots import NOW, expectation, snapshot
from tests.render.values import finding, look

NAMES = [f"gpu{number:03}" for number in range(1, 7)]
HOSTS = [Host(name, f"10.0.0.{number}") for number, name in enumerate(NAMES, 1)]


def expecting(host: Host, found: Collection[str]) -> Expectation:
    assert set(found) == {"10de:2335"}
    return expectation("h200")


STANDARDS = Standards(expecting, DEFAULT_POLICY, lambda: NOW)


async def _run(
    transport: SimulatedTransport, kept: list[str], stop_after: int | None
) -> tuple[list[HostLook], Mapping[str, tuple[Finding, ...]]]:
    def keep(host: Host, seen: Snapshot, expected: Expectation) -> None:
        kept.append(f"{host.name} {len(seen['gpus'])} {expected.board}")

    engine = AsyncioEngine(lambda host: transport)
    seen: list[HostLook] = []
    async with sweep(HOSTS, engine, Probe(), Limits(window=2, attempts=1), STANDARDS, keep) as looks:
        assert isinstance(looks, Looks)
        async for one in looks:
            seen.append(one)
            if len(seen) == stop_after:
                looks.stop("enough")
        return seen, looks.compared()


def looked(
    transport: SimulatedTransport, kept: list[str] | None = None, stop_after: int | None = None
) -> tuple[list[HostLook], Mapping[str, tuple[Finding, ...]]]:
    return asyncio.run(_run(transport, [] if kept is None else kept, stop_after))


def test_every_host_once_with_a_verdict_of_its_own() -> None:
    kept: list[str] = []
    transport = probed(dict.fromkeys(NAMES[:5], snapshot()), {"gpu006": AuthenticationFailed("no")})
    seen, more = looked(transport, kept)
    verdicts = {one.host: one.judgement.verdict for one in seen}
    assert verdicts == {**dict.fromkeys(NAMES[:5], Verdict.OK), "gpu006": Verdict.UNREACHABLE}
    assert len(seen) == 6
    assert sorted(kept) == [f"{name} 8 h200" for name in NAMES[:5]]
    assert more == {}
    lost = next(one for one in seen if one.host == "gpu006")
    assert isinstance(lost.failure, AuthenticationFailed)
    assert lost.failure.__traceback__ is None
    assert lost.probe is None


def test_what_stays_of_a_host_is_small() -> None:
    seen, _ = looked(probed(dict.fromkeys(NAMES, snapshot())))
    assert all(len(pickle.dumps(one)) < 2048 for one in seen)


def test_the_odd_host_is_found_among_its_kind() -> None:
    odd = snapshot()
    assert odd["driver"] is not None
    odd["driver"]["driver_version"] = "570.1"
    _, more = looked(probed({**dict.fromkeys(NAMES, snapshot()), "gpu004": odd}))
    assert {name: [one.id for one in found] for name, found in more.items()} == {"gpu004": ["FLEET-DRIVER-DRIFT"]}


def test_stopped_every_host_is_still_accounted_for() -> None:
    seen, _ = looked(probed(dict.fromkeys(NAMES, snapshot())), stop_after=1)
    assert sorted(one.host for one in seen) == NAMES
    assert Status.SKIPPED in {one.status for one in seen}
    skipped = next(one for one in seen if one.status is Status.SKIPPED)
    assert skipped.judgement.verdict is Verdict.UNKNOWN


def test_a_reply_cut_short_still_counts() -> None:
    lines = wire(snapshot()).splitlines(keepends=True)
    transport = SimulatedTransport({}, always(Reply(stdout=b"".join(lines[:4]), cut=True)))
    seen, _ = looked(transport)
    assert all(one.probe is not None and not one.probe.complete for one in seen)
    assert {one.judgement.verdict for one in seen} <= {Verdict.UNKNOWN, Verdict.CRITICAL, Verdict.WARNING}


def test_a_host_that_cannot_be_judged_is_unknown_and_the_sweep_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def expecting_none_of_one(host: Host, found: Collection[str]) -> Expectation:
        if host.name == "gpu003":
            raise OverflowError("what this host says is out of all bounds")
        return expectation("h200")

    async def run() -> dict[str, HostLook]:
        transport = probed(dict.fromkeys(NAMES, snapshot()))
        standards = Standards(expecting_none_of_one, DEFAULT_POLICY, lambda: NOW)
        engine = AsyncioEngine(lambda host: transport)
        async with sweep(HOSTS, engine, Probe(), Limits(window=2), standards) as looks:
            return {one.host: one async for one in looks}

    seen = asyncio.run(run())
    assert sorted(seen) == NAMES
    odd = seen.pop("gpu003")
    assert {one.judgement.verdict for one in seen.values()} == {Verdict.OK}
    assert (odd.judgement.verdict, odd.status) == (Verdict.UNKNOWN, Status.UNKNOWN)
    assert [one.id for one in odd.judgement.findings] == ["PROBE-INVALID"]
    assert "OverflowError" in str(odd.failure)
    assert "gpu003: the snapshot could not be judged" in caplog.text


def test_pci_ids_of_a_host_without_facts_are_none() -> None:
    assert pci_ids({**snapshot(), "facts": None}) == frozenset()


class TestWithFindings:
    """What the comparison adds follows through."""

    def test_nothing_added_nothing_changed(self) -> None:
        ok = look("gpu001", Verdict.OK)
        assert with_findings(ok, ()) is ok

    def test_the_verdict_follows(self) -> None:
        ok = replace(
            look("gpu001", Verdict.OK), judgement=replace(look("x", Verdict.OK).judgement, when=When.NONE, remedy=())
        )
        worse = with_findings(ok, [finding(Severity.WARNING)])
        assert (worse.judgement.verdict, worse.judgement.when) == (Verdict.WARNING, When.DRAIN_FIRST)
        assert with_findings(ok, [finding(Severity.INFO)]).judgement.verdict is Verdict.OK

    def test_maintenance_stays(self) -> None:
        kept = with_findings(look("gpu001", Verdict.MAINTENANCE), [finding()])
        assert kept.judgement.verdict is Verdict.MAINTENANCE
