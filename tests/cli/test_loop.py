"""What the loop leaves behind: nothing, signals included."""

from __future__ import annotations

import os
import signal
from io import StringIO
from pathlib import Path
from types import FrameType

from gigactl.cli import loop
from gigactl.cli.session import Session
from gigactl.cli.world import World


def test_after_the_run_signals_are_who_set_them_first(tmp_path: Path) -> None:
    """What follows a run (a file being saved) is taken back by the program's own way to end, not cut off."""
    caught: list[int] = []

    def ours(number: int, frame: FrameType | None) -> None:
        caught.append(number)

    async def work(interrupt: loop.Interrupt) -> str:
        return "done"

    before = {number: signal.signal(number, ours) for number in loop.SIGNALS}
    try:
        assert loop.run(Session(World(StringIO(), StringIO(), StringIO(), {}, tmp_path)), work) == "done"
        assert [signal.getsignal(number) for number in loop.SIGNALS] == [ours] * 3
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number, disposition in before.items():
            signal.signal(number, disposition)
    assert caught == [signal.SIGTERM]
