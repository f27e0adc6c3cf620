"""Hosts behind another host: ProxyJump over a second sshd."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gigactl.errors import ConnectionLost, ConnectRefused, ConnectTimeout, HostKeyChanged, HostKeyUnknown, Unreachable
from gigactl.transport.base import Connection, Endpoint, Exec
from tests.transport.speaking import on, run, soon, speak
from tests.transport.sshd import USER, Sshd, free_port, keygen, public, serving, transport

JUMP = "127.88.1.1"


@pytest.fixture(scope="module")
def jump(keys: Path) -> Iterator[Sshd]:
    with serving(keys, "MaxSessions 1") as server:
        yield server


def behind(sshd: Sshd, jump: Sshd, known_hosts: str | None = None, **more: object) -> Endpoint:
    """The host, reached over the jump host."""
    recorded = sshd.known_hosts() + jump.known_hosts(address=JUMP) if known_hosts is None else known_hosts
    more.setdefault("proxy_jump", f"{USER}@{JUMP}:{jump.port}")
    return sshd.endpoint("gpu001", recorded, **more)


def test_a_host_behind_another(sshd: Sshd, jump: Sshd) -> None:
    data = os.urandom(3 << 20)
    assert run(transport(), behind(sshd, jump), "cat", stdin=data).stdout == data


def test_the_address_is_the_jump_hosts_view(sshd: Sshd, jump: Sshd) -> None:
    said = run(transport(), behind(sshd, jump), "sh", "-c", "echo $SSH_CONNECTION").stdout.split()
    assert said[0] == b"127.0.0.1"
    assert said[2:] == [sshd.address.encode(), str(sshd.port).encode()]


def test_many_hosts_share_one_login_at_the_jump_host(sshd: Sshd, jump: Sshd) -> None:
    async def main() -> list[int]:
        used, everyone, endpoint = transport(), asyncio.Barrier(20), behind(sshd, jump)

        async def one() -> int:
            async with used.connect(endpoint, soon()):
                await everyone.wait()
                count = len(jump.sessions())
                await everyone.wait()
                return count

        return await asyncio.gather(*(one() for _ in range(20)))

    assert set(asyncio.run(main())) == {1}


def test_two_jumps(sshd: Sshd, jump: Sshd) -> None:
    hops = ",".join(f"{USER}@{address}:{jump.port}" for address in (JUMP, "127.88.1.2"))
    recorded = sshd.known_hosts() + jump.known_hosts(address=JUMP) + jump.known_hosts(address="127.88.1.2")
    assert run(transport(), behind(sshd, jump, recorded, proxy_jump=hops), "echo", "far").stdout == b"far\n"


def test_the_jump_hosts_key_is_checked(sshd: Sshd, jump: Sshd, tmp_path: Path) -> None:
    with pytest.raises(HostKeyUnknown, match=rf"{JUMP}:{jump.port}"):
        run(transport(), behind(sshd, jump, sshd.known_hosts()), "true")
    other = f"{jump.label(JUMP)} {public(keygen(tmp_path / 'other'))}\n"
    with pytest.raises(HostKeyChanged, match=rf"{JUMP}:{jump.port}"):
        run(transport(), behind(sshd, jump, sshd.known_hosts() + other), "true")


def test_the_host_s_key_is_checked_behind_it(sshd: Sshd, jump: Sshd) -> None:
    with pytest.raises(HostKeyUnknown, match=rf"gpu001 \(127\.88\.0\.1:{sshd.port} via {JUMP}\)"):
        run(transport(), behind(sshd, jump, jump.known_hosts(address=JUMP)), "true")


def test_nothing_listens_behind_it(sshd: Sshd, jump: Sshd) -> None:
    with pytest.raises(ConnectRefused, match="gpu001"):
        run(transport(), behind(sshd, jump, port=free_port()), "true")


def test_the_jump_host_is_not_there(sshd: Sshd, jump: Sshd) -> None:
    with pytest.raises(ConnectRefused, match=JUMP):
        run(transport(), behind(sshd, jump, proxy_jump=f"{JUMP}:{free_port()}"), "true")


def test_who_waits_for_a_jump_host_shares_its_failure(sshd: Sshd, jump: Sshd) -> None:
    """Twenty hosts behind one that hangs wait once for it, not one after the other."""

    async def main(port: int) -> float:
        used, endpoint = transport(exchange_s=0.5), behind(sshd, jump, proxy_jump=f"{JUMP}:{port}")

        async def one() -> None:
            with pytest.raises(ConnectTimeout, match=JUMP):
                async with used.connect(endpoint, soon()):
                    pass

        began = time.monotonic()
        await asyncio.gather(*(one() for _ in range(20)))
        return time.monotonic() - began

    with closing(socket.create_server(("0.0.0.0", 0))) as silent:
        assert asyncio.run(main(silent.getsockname()[1])) < 3


def test_a_lost_jump_host_is_a_lost_connection(sshd: Sshd, keys: Path) -> None:
    with serving(keys) as server:

        async def work(connection: Connection) -> None:
            killed = asyncio.create_task(kill_sessions(server))
            with pytest.raises(ConnectionLost):
                await speak(connection, Exec(("sleep", "30")))
            await killed

        on(transport(), behind(sshd, server), work)


async def kill_sessions(server: Sshd) -> None:
    await asyncio.sleep(0.2)
    for pid in server.sessions():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("jump_text", ["@", "host:port", "host:99999"])
def test_a_jump_that_makes_no_sense(sshd: Sshd, jump_text: str) -> None:
    with pytest.raises(Unreachable, match="gpu001"):
        run(transport(), sshd.endpoint(proxy_jump=jump_text), "true")
