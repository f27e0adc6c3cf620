"""The log file of one invocation, made when there is something to put into it: tracebacks, warnings of libraries."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gigactl.cli.world import World

LOGGERS = ("gigactl", "paramiko", "asyncio")
"""Whose warnings would otherwise go to the operator's screen in the middle of a table."""


class Log(logging.Handler):
    """Writes to one file below the state directory, its owner's alone. `place` is None while it is empty."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        self._world = world
        self._state = world.state
        self.place: Path | None = None

    def below(self, state: Path) -> None:
        """Keep what is still to come under another state directory."""
        self._state = state

    def emit(self, record: logging.LogRecord) -> None:
        """Never in the way of the work: what cannot be kept is lost."""
        try:
            self.keep(self.format(record) + "\n")
        except OSError:
            self.place = None

    def keep(self, text: str) -> Path:
        """Append; where it was put. Raises OSError."""
        if self.place is None:
            folder = self._state / "log"
            for place in (*reversed(folder.parents), folder):  # with parents=True their mode would be the umask's
                place.mkdir(mode=0o700, exist_ok=True)
            self.place = folder / f"gigactl-{self._world.now():%Y%m%dT%H%M%S}-{os.getpid()}.txt"
            self.place.touch(mode=0o600)
        with self.place.open("a", encoding="utf-8") as file:
            file.write(text)
        return self.place


@contextmanager
def logging_to_file(world: World) -> Iterator[Log]:
    """While the block runs, warnings of LOGGERS go to the file."""
    log = Log(world)
    for name in LOGGERS:
        logging.getLogger(name).addHandler(log)
    try:
        yield log
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(log)
        log.close()
