"""Scripted hosts do what their script says, on the loop's clock."""

from __future__ import annotations

import asyncio

import pytest

from gigactl.errors import ConnectionLost, ConnectRefused, DeadlineExceeded
from gigactl.inventory.model import SshSettings
from gigactl.transport.base import Blob, Connection, Deadline, Endpoint, Exec, Exit
from gigactl.transport.simulated import Reply, Script, SimulatedTransport
from tests.fanout.virtual import run
from tests.transport.speaking import Output, speak

TRUE = Exec(("true",))
ENDPOINT = Endpoint("gpu001", "10.0.0.1", SshSettings())


async def connected(transport: SimulatedTransport, exec: Exec = TRUE) -> Output:
    async with transport.connect(ENDPOINT, Deadline.after(20, asyncio.get_running_loop().time)) as connection:
        return await speak(connection, exec)


def scripted(reply: Reply, **more: float) -> SimulatedTransport:
    return SimulatedTransport({"gpu001": Script(answer=lambda exec: reply, **more)})  # type: ignore[arg-type]  # by name


def test_a_reply() -> None:
    said = run(connected(scripted(Reply(b"out", b"err", Exit(2)))))
    assert said == Output(b"out", b"err", Exit(2), truncated=False)


def test_delays_are_the_loop_s() -> None:
    async def main() -> float:
        await connected(scripted(Reply(after_s=4), connect_s=3))
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(7)


def test_failures_in_turn() -> None:
    transport = SimulatedTransport({"gpu001": Script(refusals=(ConnectRefused("first"),))})

    async def main() -> Output:
        with pytest.raises(ConnectRefused, match="first"):
            await connected(transport)
        return await connected(transport)

    assert run(main()).exit == Exit(0)


def test_cut_and_hung() -> None:
    with pytest.raises(ConnectionLost):
        run(connected(scripted(Reply(b"half", cut=True))))
    with pytest.raises(DeadlineExceeded):
        run(connected(scripted(Reply(b"half", hang=True))))
    with pytest.raises(DeadlineExceeded):
        run(connected(scripted(Reply(), connect_s=1000)))


def test_a_flood_is_made_as_it_is_read() -> None:
    said = run(connected(scripted(Reply(b"x" * 100_000, repeat=10**9)), Exec(("yes",), limit_bytes=250_000)))
    assert (len(said.stdout), said.truncated) == (250_000, True)


def test_what_was_given_is_kept() -> None:
    transport = scripted(Reply())

    async def put(connection: Connection, deadline: Deadline) -> None:
        await connection.put(Blob(b"x"), "/a", deadline, mode=0o755)

    async def main() -> None:
        deadline = Deadline.after(20, asyncio.get_running_loop().time)
        await connected(transport, Exec(("cat",), stdin=b"in"))
        async with transport.connect(ENDPOINT, deadline) as connection:
            await put(connection, deadline)

    run(main())
    assert [(one.host, one.argv, one.stdin) for one in transport.received] == [("gpu001", ("cat",), b"in")]
    assert transport.files == {("gpu001", "/a"): (Blob(b"x"), 0o755)}
    assert (transport.connected, transport.most_connected) == (0, 1)
