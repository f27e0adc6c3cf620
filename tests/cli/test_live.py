"""The live line only watches: whatever becomes of it, the work goes on and its results are shown."""

from __future__ import annotations

import asyncio
import errno
import signal
from io import StringIO
from pathlib import Path

import pytest

from gigactl.cli.entry import run
from gigactl.cli.live import live
from gigactl.cli.loop import Interrupt
from gigactl.cli.session import Session
from gigactl.cli.world import World
from gigactl.transport.simulated import Reply
from tests.cli.harness import Terminal, said


class Lost(Terminal):
    """A terminal that is no more."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, text: str) -> int:
        raise self._error


GONE = [OSError(errno.EIO, "gone"), OSError(errno.ENOSPC, "full"), BrokenPipeError(), ValueError("closed file")]


def world(directory: Path, stderr: StringIO) -> World:
    transport = said({}, Reply(b"up 3 days\n"))
    return World(StringIO(), StringIO(), stderr, {}, directory, transport_for=lambda host: transport)


@pytest.mark.parametrize("error", GONE)
def test_results_are_shown_where_messages_cannot_be(inventory: Path, error: Exception) -> None:
    there = world(inventory.parent, Lost(error))
    code = run(("exec", "-i", str(inventory), "-l", "@all", "--", "uptime"), there)
    assert code == 0
    assert "gpu[001-008] (8)" in there.stdout.getvalue()  # type: ignore[attr-defined]  # a StringIO, see world()


def test_a_line_that_fails_is_the_line_s_own_trouble(tmp_path: Path) -> None:
    def line(width: int) -> str:
        raise ZeroDivisionError

    async def work() -> str:
        async with live(Session(world(tmp_path, Terminal())), line):
            await asyncio.sleep(0.01)
        return "done"

    assert asyncio.run(work()) == "done"


def test_work_is_stopped_before_it_is_said() -> None:
    told: list[str] = []
    interrupt = Interrupt(told.append)
    interrupt.stops(lambda reason: told.append("stopped"))
    interrupt.came(signal.SIGINT)
    assert told[0] == "stopped"
    assert len(told) == 2
