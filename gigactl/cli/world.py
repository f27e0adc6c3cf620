"""What the program stands on, as one value: streams, environment, clocks, a way to reach hosts. Tests give another."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from gigactl.inventory.model import Host
    from gigactl.transport.base import Transport


_COLUMNS = 80
"""Of a terminal that does not say: what they have had since the VT100."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """`transport_for` None: the real transports, chosen by each host's entry in the inventory.

    `now` is UTC; `clock` monotonic seconds; `directory` is where the project file is looked for.
    """

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str]
    directory: Path
    now: Callable[[], datetime] = _now
    clock: Callable[[], float] = time.monotonic
    transport_for: Callable[[Host], Transport] | None = field(default=None, repr=False)

    @property
    def plain(self) -> bool:
        """A terminal that is none: dumb, or CI's (no live lines, no colour, no questions)."""
        return self.environ.get("TERM") == "dumb" or self.environ.get("CI", "").lower() not in {"", "0", "false"}

    def terminal(self, stream: TextIO) -> bool:
        """Whether a person sits behind this stream."""
        return not self.plain and stream.isatty()

    @property
    def asks(self) -> bool:
        """Whether a question can be asked: somebody to read it and somebody to answer."""
        return self.terminal(self.stdin) and self.terminal(self.stderr)

    def width(self, stream: TextIO) -> int | None:
        """Columns of the terminal behind the stream; None for a pipe or a file."""
        if not self.terminal(stream):
            return None
        said = self.environ.get("COLUMNS", "")
        if said.isdecimal() and int(said):
            return int(said)
        try:
            return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
        except (OSError, ValueError):
            return _COLUMNS

    def colour(self, stream: TextIO) -> bool:
        """https://no-color.org: set and not empty, whatever its value."""
        return self.terminal(stream) and not self.environ.get("NO_COLOR")

    def folder(self, variable: str, default: str) -> Path:
        """gigactl's place under an XDG base directory (relative values are ignored, as the specification says)."""
        base = Path(self.environ.get(variable, ""))
        home = Path(self.environ.get("HOME") or Path.home())
        return (base if base.is_absolute() else home / default) / "gigactl"

    @property
    def state(self) -> Path:
        return self.folder("XDG_STATE_HOME", ".local/state")


def real() -> World:
    """The process's own. Text that the terminal's encoding lacks is escaped, not an error; a stream that was closed
    before we began (`2>&-`) swallows what it is given."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return World(
        sys.stdin or _nothing("r"), sys.stdout or _nothing("w"), sys.stderr or _nothing("w"), os.environ, Path.cwd()
    )


def _nothing(mode: str) -> TextIO:
    stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 - lives as long as the process
    return cast(TextIO, stream)
