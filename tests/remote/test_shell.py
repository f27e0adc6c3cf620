"""One command on one host, collected."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from gigactl.inventory.model import Host
from gigactl.remote.shell import Shell, ShellReply
from gigactl.transport.base import Become, Deadline, Endpoint, Exec, Exit, Secret
from gigactl.transport.dialogue import Effect
from gigactl.transport.simulated import Reply, Script, SimulatedTransport

HOST = Host("gpu001", "10.0.0.1")


def say(shell: Shell, script: Script) -> tuple[list[ShellReply], SimulatedTransport]:
    transport = SimulatedTransport(otherwise=script)

    async def main() -> list[ShellReply]:
        deadline = Deadline.after(5, asyncio.get_running_loop().time)
        async with transport.connect(Endpoint(HOST.name, HOST.address, HOST.ssh), deadline) as connection:
            return [reply async for reply in shell.speak(HOST, connection, deadline)]

    return asyncio.run(main()), transport


def test_one_reply_with_both_streams_and_the_exit() -> None:
    replies, transport = say(
        Shell(("uname", "-r"), stdin=b"x"), Script(answer=lambda exec: Reply(b"out", b"err", Exit(3)))
    )
    assert replies == [ShellReply(b"out", b"err", Exit(3))]
    assert (transport.received[0].argv, transport.received[0].stdin) == (("uname", "-r"), b"x")


def test_a_flood_is_cut_at_the_limit() -> None:
    def flood(exec: Exec) -> Reply:
        return Reply(b"x" * 1000, repeat=1_000_000)

    ((reply,), _) = say(Shell(("yes",), limit_bytes=10_500), Script(answer=flood))
    assert (len(reply.stdout), reply.truncated, reply.exit) == (10_500, True, Exit(None, "KILL"))


def test_input_reaches_the_command() -> None:
    ((reply,), _) = say(Shell(("cat",), stdin=b"hello"), Script(answer=lambda exec: Reply(stdin_echoed=True)))
    assert reply.stdout == b"hello"


def test_a_shell_is_a_value() -> None:
    shell = Shell(("true",), become=Become(), effect=Effect.READ)
    assert pickle.loads(pickle.dumps(shell)) == shell
    assert Shell(("true",)).effect is Effect.ONCE


def test_a_password_neither_shows_nor_leaves_the_process() -> None:
    shell = Shell(("true",), become=Become(password=Secret("hunter2")))
    assert "hunter2" not in repr(shell)
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps(shell)
