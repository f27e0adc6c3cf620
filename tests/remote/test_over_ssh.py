"""The probe over a real sshd: the bundle goes once, also to a host that answers before it has read what it was sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gigactl.inventory.model import Host
from gigactl.payload.schema import Snapshot
from gigactl.remote.clean import Clean
from gigactl.remote.probe import Probe
from gigactl.transport.base import Deadline
from gigactl.transport.ssh import SshOptions, SshTransport
from tests.remote.talking import Counted
from tests.transport.sshd import prepare, serving

HOST = Host("gpu001", "127.88.0.1")


def test_first_probe_second_probe_and_clean(tmp_path: Path) -> None:
    place = tmp_path / "host" / "gigactl"
    place.parent.mkdir()
    (tmp_path / "keys").mkdir()
    probe, clean = Probe(places=(str(place),)), Clean(places=(str(place),))

    async def look(transport: SshTransport, counts: list[int]) -> Snapshot:
        deadline = Deadline.after(60, asyncio.get_running_loop().time)
        async with transport.connect(server.endpoint(), deadline) as connection:
            counted = Counted(connection)
            (snapshot,) = [value async for value in probe.speak(HOST, counted, deadline)]
            counts.append(counted.started)
            return snapshot

    async def both() -> tuple[list[Snapshot], list[int], tuple[str, ...]]:
        counts: list[int] = []
        transport = SshTransport(SshOptions())
        snapshots = [await look(transport, counts), await look(transport, counts)]
        deadline = Deadline.after(60, asyncio.get_running_loop().time)
        async with transport.connect(server.endpoint(), deadline) as connection:
            (removed,) = [value async for value in clean.speak(HOST, connection, deadline)]
        return snapshots, counts, removed.paths

    with serving(prepare(tmp_path / "keys")) as server:
        snapshots, counts, removed = asyncio.run(both())
    assert counts == [2, 1]
    assert all(snapshot["complete"] for snapshot in snapshots)
    assert str(place) in removed
    assert not place.exists()
