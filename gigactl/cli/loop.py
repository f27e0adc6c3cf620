"""Starting the event loop; what Ctrl-C does in it: the first keeps what arrived, the second ends at once; and how data
is written while it runs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from gigactl.cli import exits
from gigactl.cli.session import Session

T = TypeVar("T")

SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "the terminal was closed"}
"""Each with the reason it gives."""


class Interrupt:
    """Whether a signal came (`number`, else None), and what is to be stopped then."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.number: int | None = None
        self._caught = 0
        self._say = say
        self._stops: list[Callable[[str], None]] = []

    def stops(self, stop: Callable[[str], None]) -> None:
        """Call `stop` with the reason when a signal comes; at once when one has come."""
        self._stops.append(stop)
        if self.number is not None:
            stop(self._reason)

    def caught(self, number: int, frame: FrameType | None) -> None:
        """Called between two instructions, not by the loop: a second signal ends the process, whatever it waits for."""
        self._caught += 1
        # a closed terminal hangs up twice: the shell tells its jobs, then the kernel whoever is in the foreground
        if self._caught > 1 and number != signal.SIGHUP:
            os._exit(exits.of_signal(number))

    def came(self, number: int) -> None:
        """Called by the loop: the first signal stops the work."""
        if self.number is not None:
            return
        self.number = number
        for stop in self._stops:
            stop(self._reason)
        self._say(f"gigactl: {self._reason}: keeping what arrived; once more ends at once")

    @property
    def codes(self) -> list[int]:
        """The exit code of the signal, if one came."""
        return [] if self.number is None else [exits.of_signal(self.number)]

    @property
    def _reason(self) -> str:
        return SIGNALS[signal.Signals(self.number or signal.SIGINT)]


def run(session: Session, work: Callable[[Interrupt], Coroutine[Any, Any, T]]) -> T:
    """Run `work` to its end in a new loop. It learns of signals from its Interrupt and returns what arrived."""

    async def main() -> T:
        interrupt = Interrupt(session.say)
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in SIGNALS}
        if before[signal.SIGHUP] is signal.SIG_IGN:
            del before[signal.SIGHUP]  # nohup: to go on without the terminal is what was asked for
        for number in before:
            loop.add_signal_handler(number, interrupt.came, number)
            # over the loop's, which does nothing and is not called while the loop itself waits for a reader
            signal.signal(number, interrupt.caught)
        try:
            return await work(interrupt)
        finally:
            for number, disposition in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, disposition)

    return asyncio.run(main())


async def write(session: Session, text: str) -> None:
    """Data, to stdout, from a thread of its own: a reader that takes its time costs no host its time, and no signal.

    One text at a time, each awaited: the engine's window bounds what waits behind it. Raises ReaderGoneError.
    """
    await asyncio.to_thread(session.write, text)
