"""What a command does is told the same way over SSH and on this host."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from gigactl.errors import ConnectionLost, DeadlineExceeded, HostError
from gigactl.inventory.model import SshSettings
from gigactl.transport.base import Blob, Connection, Endpoint, Exec, Exit, Process
from gigactl.transport.local import LocalTransport
from tests.transport import speaking
from tests.transport.speaking import soon, speak
from tests.transport.sshd import Sshd, serving, transport

T = TypeVar("T")
Reach = Callable[[Callable[[Connection], Awaitable[T]]], T]


@pytest.fixture(params=["ssh", "local"])
def reach(request: pytest.FixtureRequest, sshd: Sshd) -> Reach[object]:
    """Do something over a connection of either transport."""
    if request.param == "local":
        return lambda work: speaking.on(LocalTransport(), Endpoint("here", "localhost", SshSettings()), work)
    return lambda work: speaking.on(transport(), sshd.endpoint(), work)


def output(reach: Reach[object], *argv: str, stdin: bytes = b"", limit: int = 8 << 20) -> speaking.Output:
    result = reach(lambda connection: speak(connection, Exec(argv, stdin=stdin, limit_bytes=limit)))
    assert isinstance(result, speaking.Output)
    return result


def test_both_streams_and_the_exit_code(reach: Reach[object]) -> None:
    said = output(reach, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert said == speaking.Output(b"out\n", b"err\n", Exit(3), truncated=False)


@pytest.mark.parametrize(
    "argument", ["a b", "it's", 'say "x"', "$HOME `id` $(id)", "back\\slash", "two\nlines", "", "*"]
)
def test_an_argument_arrives_as_it_was_given(reach: Reach[object], argument: str) -> None:
    assert output(reach, "printf", "%s", argument).stdout == argument.encode()


def test_a_command_that_is_not_there_is_127(reach: Reach[object]) -> None:
    assert output(reach, "no-such-command").exit == Exit(127)


def test_a_signal_has_its_name(reach: Reach[object]) -> None:
    assert output(reach, "sh", "-c", "kill -TERM $$").exit == Exit(None, "TERM")


def test_input_arrives_whole_and_ends(reach: Reach[object]) -> None:
    data = os.urandom(3 << 20)
    said = output(reach, "sha256sum", stdin=data)
    assert said.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_command_that_does_not_want_its_input(reach: Reach[object]) -> None:
    assert output(reach, "true", stdin=b"x" * (3 << 20)).exit == Exit(0)


def test_what_goes_in_comes_out_while_both_flow(reach: Reach[object]) -> None:
    data = os.urandom(4 << 20)
    assert output(reach, "cat", stdin=data).stdout == data


def test_output_past_the_limit_ends_the_command(reach: Reach[object]) -> None:
    said = output(reach, "cat", "/dev/zero", limit=100_000)
    assert len(said.stdout) == 100_000
    assert said.truncated
    assert said.exit == Exit(None, "KILL")


def test_output_at_the_limit_is_whole(reach: Reach[object]) -> None:
    said = output(reach, "printf", "12345", limit=5)
    assert (said.stdout, said.truncated, said.exit) == (b"12345", False, Exit(0))


def test_the_exit_is_told_to_who_does_not_read(reach: Reach[object]) -> None:
    async def work(connection: Connection) -> Exit:
        async with connection.start(Exec(("sh", "-c", "head -c 3000000 /dev/zero; exit 4")), soon()) as process:
            return await process.exit()

    assert reach(work) == Exit(4)


def test_a_command_past_its_deadline(reach: Reach[object]) -> None:
    async def work(connection: Connection) -> float:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="waiting for output"):
            await speak(connection, Exec(("sleep", "60")), seconds=0.3)
        return time.monotonic() - began

    taken = reach(work)
    assert isinstance(taken, float)
    assert 0.3 <= taken < 3


def test_leaving_ends_what_writes(reach: Reach[object]) -> None:
    async def work(connection: Connection) -> int:
        async with connection.start(
            Exec(("sh", "-c", "echo $$; while sleep 0.05; do echo on; done")), soon()
        ) as process:
            _, data = await anext(aiter(process.chunks()))
            return int(data.split()[0])

    pid = reach(work)
    until = time.monotonic() + 5
    assert isinstance(pid, int)
    while running(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not running(pid)


def test_leaving_kills_what_a_local_command_started() -> None:
    async def work(connection: Connection) -> int:
        async with connection.start(Exec(("sh", "-c", "sleep 600 & echo $!; wait")), soon()) as process:
            _, data = await anext(aiter(process.chunks()))
            return int(data)

    pid = speaking.on(LocalTransport(), Endpoint("here", "localhost", SshSettings()), work)
    assert speaking.settles(lambda: not running(pid))


def running(pid: int) -> bool:
    """Whether the process is there and no zombie (nobody may reap orphans in a container)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_commands_of_one_connection_run_side_by_side(reach: Reach[object]) -> None:
    async def work(connection: Connection) -> list[bytes]:
        said = await asyncio.gather(*(speak(connection, Exec(("echo", str(number)))) for number in range(8)))
        return [one.stdout for one in said]

    assert reach(work) == [b"%d\n" % number for number in range(8)]


def test_put_writes_what_was_given_with_its_mode(reach: Reach[object], tmp_path: Path) -> None:
    blob = Blob(os.urandom(2 << 20))
    path = tmp_path / "a file"
    reach(lambda connection: connection.put(blob, str(path), soon(), mode=0o750))
    assert path.read_bytes() == blob.data
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert list(tmp_path.glob("*.part")) == []


def test_put_replaces(reach: Reach[object], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    reach(lambda connection: connection.put(Blob(b"new"), str(path), soon()))
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_put_says_why_it_cannot(reach: Reach[object], tmp_path: Path) -> None:
    def put(path: Path) -> object:
        return reach(lambda connection: connection.put(Blob(b"x"), str(path), soon()))

    with pytest.raises(HostError, match="could not write"):
        put(tmp_path / "nowhere" / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(HostError, match="could not write"):
        put(tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_cut_connection_is_told_after_what_arrived(sshd: Sshd) -> None:
    seen = []

    async def listen(process: Process) -> None:
        async for _, data in process.chunks():
            seen.append(data)

    async def work(connection: Connection) -> None:
        # the shell's parent is the session's sshd
        async with connection.start(
            Exec(("sh", "-c", "echo half; sleep 0.2; kill -9 $PPID; sleep 5")), soon()
        ) as process:
            with pytest.raises(ConnectionLost, match=r"gpu001 \(127\.88\.0\.1:\d+\)"):
                await listen(process)
        with pytest.raises(ConnectionLost):
            await speak(connection, Exec(("true",)))

    speaking.on(transport(), sshd.endpoint(), work)
    assert seen == [b"half\n"]


def test_a_host_that_refuses_a_further_command(keys: Path) -> None:
    async def work(connection: Connection) -> None:
        async with connection.start(Exec(("sleep", "20")), soon()):
            with pytest.raises(HostError, match=r"gpu001 .*open failed"):
                await speak(connection, Exec(("true",)))

    with serving(keys, "MaxSessions 1") as server:
        speaking.on(transport(), server.endpoint(), work)


def test_a_host_that_refuses_a_terminal(keys: Path) -> None:
    async def work(connection: Connection) -> None:
        with pytest.raises(HostError, match=r"gpu001 .*refused"):
            await speak(connection, Exec(("cat",), pty=True))

    with serving(keys, "PermitTTY no") as server:
        speaking.on(transport(), server.endpoint(), work)


def test_a_terminal_joins_the_streams(sshd: Sshd) -> None:
    async def work(connection: Connection) -> speaking.Output:
        return await speak(connection, Exec(("sh", "-c", "tty >/dev/null && echo yes; echo err >&2"), pty=True))

    assert speaking.on(transport(), sshd.endpoint(), work).stdout.split() == [b"yes", b"err"]


def test_a_slow_reader_costs_no_memory(sshd: Sshd) -> None:
    """20 MB at the host's full speed while the reader sleeps: what is held is the channel's window, not the output."""

    async def work(connection: Connection) -> tuple[int, int]:
        total = most = 0
        command = Exec(("head", "-c", str(20 << 20), "/dev/zero"), limit_bytes=30 << 20)
        async with connection.start(command, soon(60)) as process:
            async for _, data in process.chunks():
                if total < 1 << 20:
                    await asyncio.sleep(0.02)
                    most = max(most, resident())
                total += len(data)
        return total, most

    before = resident()
    total, most = speaking.on(transport(), sshd.endpoint(), work)
    assert total == 20 << 20
    assert most - before < 8 << 20


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
