"""The engine over SSH: one sshd on many addresses."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import Counter
from pathlib import Path

import paramiko
import pytest

from gigactl.errors import ConnectTimeout, DeadlineExceeded
from gigactl.fanout.asyncio_engine import AsyncioEngine
from gigactl.fanout.base import Limits
from gigactl.inventory.model import Host
from gigactl.remote.shell import Shell, ShellReply
from gigactl.results import Status
from gigactl.transport.base import Exit
from gigactl.transport.dialogue import Ended, Message
from gigactl.transport.ssh import SshTransport
from tests.transport.speaking import settles, threads
from tests.transport.ssh.test_connecting import listening
from tests.transport.sshd import Sshd, transport


def fleet(sshd: Sshd, count: int) -> list[Host]:
    addresses = [f"127.88.{2 + (number >> 8)}.{number & 255}" for number in range(count)]
    recorded = "".join(sshd.known_hosts(address=address) for address in addresses)
    settings = sshd.endpoint(known_hosts=recorded).ssh
    return [Host(f"gpu{number:03d}", address, ssh=settings) for number, address in enumerate(addresses)]


Arrival = Message[ShellReply] | Ended


async def sweep(used: SshTransport, hosts: list[Host], shell: Shell, limits: Limits) -> list[Arrival]:
    async with AsyncioEngine(lambda host: used).run(hosts, shell, limits) as arrivals:
        return [arrival async for arrival in arrivals]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_two_hundred_hosts_each_with_its_own_answer(sshd: Sshd) -> None:
    hosts = fleet(sshd, 200)
    shell = Shell(("sh", "-c", 'set -- $SSH_CONNECTION; echo "$3"'))
    before = open_files(), threads()
    arrivals = asyncio.run(sweep(transport(), hosts, shell, Limits(window=32)))
    said = {one.host: one.value for one in arrivals if isinstance(one, Message)}
    assert said == {host.name: ShellReply(f"{host.address}\n".encode(), b"", Exit(0)) for host in hosts}
    assert Counter(one.status for one in arrivals if isinstance(one, Ended)) == {Status.OK: 200}
    assert settles(lambda: (open_files(), threads()) == before)


def test_one_sick_host_of_each_kind_among_well_ones(sshd: Sshd) -> None:
    with listening() as silent:
        hosts = fleet(sshd, 12)
        port = silent.getsockname()[1]
        settings = {slot: getattr(hosts[3].ssh, slot) for slot in hosts[3].ssh.__slots__}
        hosts[3] = Host("silent", hosts[3].address, ssh=type(hosts[3].ssh)(**{**settings, "port": port}))
        limits = Limits(window=4, attempts=1, host_s=10)
        arrivals = asyncio.run(sweep(transport(exchange_s=0.5), hosts, Shell(("true",)), limits))
    ends = {one.host: one for one in arrivals if isinstance(one, Ended)}
    assert isinstance(ends.pop("silent").failure, ConnectTimeout)
    assert {one.status for one in ends.values()} == {Status.OK}


def test_stopping_ends_hosts_that_hang(sshd: Sshd) -> None:
    async def main() -> tuple[list[Ended], float]:
        used = transport()
        limits = Limits(window=8, host_s=60)
        async with AsyncioEngine(lambda host: used).run(fleet(sshd, 20), Shell(("sleep", "60")), limits) as arrivals:
            asyncio.get_running_loop().call_later(1.0, arrivals.stop, "interrupted")
            began = time.monotonic()
            ends = [arrival async for arrival in arrivals if isinstance(arrival, Ended)]
        return ends, time.monotonic() - began

    ends, taken = asyncio.run(main())
    assert len(ends) == 20
    assert taken < 4
    assert {one.status for one in ends} == {Status.UNKNOWN, Status.SKIPPED}
    assert all("interrupted" in str(one.failure) for one in ends)


def test_a_deadline_leaves_nothing_running(sshd: Sshd, tmp_path: Path) -> None:
    """The command writes, so that a root login, whose processes sshd does not signal, ends by its closed pipe."""
    script = f"echo $$ > {tmp_path}/pid-$PPID; while sleep 0.1; do echo on; done"
    limits = Limits(window=4, host_s=1.5)
    arrivals = asyncio.run(sweep(transport(), fleet(sshd, 4), Shell(("sh", "-c", script)), limits))
    assert all(isinstance(one.failure, DeadlineExceeded) for one in arrivals if isinstance(one, Ended))
    pids = [int(file.read_text()) for file in tmp_path.glob("pid-*")]
    assert len(pids) == 4
    assert settles(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@pytest.mark.parametrize("command", ["true", "refused"])
def test_a_finished_connection_is_freed_at_once(sshd: Sshd, command: str) -> None:
    """Not when the collector comes by: at a thousand hosts that is tens of megabytes later."""
    hosts = fleet(sshd, 20)
    if command == "refused":
        hosts = [Host(host.name, host.address, ssh=sshd.endpoint(known_hosts="").ssh) for host in hosts]
    gc.collect()
    gc.disable()
    try:
        arrivals = asyncio.run(sweep(transport(), hosts, Shell((command,)), Limits(window=4)))
        # the last one's thread may still be on its way out
        freed = settles(lambda: sum(isinstance(one, paramiko.Transport) for one in gc.get_objects()) <= 1)
    finally:
        gc.enable()
    assert freed
    assert len(arrivals) == (20 if command == "refused" else 40)


@pytest.mark.slow
def test_a_thousand_hosts_in_flat_memory(sshd: Sshd) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    used = transport()
    asyncio.run(sweep(used, fleet(sshd, 200), Shell(("true",)), Limits()))
    before = resident()
    arrivals = asyncio.run(sweep(transport(), fleet(sshd, 1000), Shell(("true",)), Limits()))
    assert Counter(one.status for one in arrivals if isinstance(one, Ended)) == {Status.OK: 1000}
    assert resident() - before < 12 << 20
