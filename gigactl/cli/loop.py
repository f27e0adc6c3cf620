"""Starting the event loop, and what Ctrl-C does in it: the first keeps what arrived, the second ends at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gigactl.cli import exits
from gigactl.cli.session import Session

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Whether a signal came (`number`, else None), and what is to be stopped then."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.number: int | None = None
        self._say = say
        self._stops: list[Callable[[str], None]] = []

    def stops(self, stop: Callable[[str], None]) -> None:
        """Call `stop` with the reason when a signal comes; at once when one has come."""
        self._stops.append(stop)
        if self.number is not None:
            stop(self._reason)

    def came(self, number: int) -> None:
        """The first signal stops the work; a second one ends the process, whatever it waits for."""
        if self.number is not None:
            os._exit(exits.of_signal(number))
        self.number = number
        self._say(f"gigactl: {self._reason}: keeping what arrived; once more ends at once")
        for stop in self._stops:
            stop(self._reason)

    @property
    def codes(self) -> list[int]:
        """The exit code of the signal, if one came."""
        return [] if self.number is None else [exits.of_signal(self.number)]

    @property
    def _reason(self) -> str:
        return "interrupted" if self.number == signal.SIGINT else "terminated"


def run(session: Session, work: Callable[[Interrupt], Coroutine[Any, Any, T]]) -> T:
    """Run `work` to its end in a new loop. It learns of signals from its Interrupt and returns what arrived."""

    async def main() -> T:
        interrupt = Interrupt(session.say)
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, interrupt.came, number)
        try:
            return await work(interrupt)
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    return asyncio.run(main())
