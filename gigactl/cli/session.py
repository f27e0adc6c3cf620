"""One invocation: the world, what was typed, and the ways to speak: data to stdout, messages to stderr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TextIO

from gigactl.errors import GigactlError, InvalidDocument, SafetyRail, UsageError

if TYPE_CHECKING:
    from gigactl.cli.log import Log
    from gigactl.cli.world import World
    from gigactl.render.table import Screen


class ReaderGoneError(Exception):
    """stdout is a pipe that nobody reads any more. Not an OSError: typer would take that for its own."""


@dataclass(frozen=True, slots=True)
class Session:
    """`given` holds the global options that were typed, by name; `memo` what is worked out of them once.

    `log`: where this invocation's messages are kept, None where nothing is.
    """

    world: World
    given: Mapping[str, Any] = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    log: Log | None = field(default=None, repr=False, compare=False)

    def with_given(self, more: Mapping[str, Any]) -> Session:
        """What is typed after the command wins over what is typed before it."""
        return replace(self, given={**self.given, **more}, memo={})

    @property
    def verbose(self) -> bool:
        return bool(self.given.get("verbose"))

    @property
    def quiet(self) -> bool:
        return bool(self.given.get("quiet"))

    @property
    def yes(self) -> bool:
        return bool(self.given.get("yes"))

    @property
    def dry_run(self) -> bool:
        return bool(self.given.get("dry_run"))

    def screen(self, stream: TextIO | None = None) -> Screen:
        """How to draw for stdout, or another stream."""
        from gigactl.cli.fleet import setting
        from gigactl.render.table import Screen

        stream = stream or self.world.stdout
        return Screen(self.world.width(stream), self.world.colour(stream) and not setting(self, "no_color"))

    def write(self, text: str) -> None:
        """Data, to stdout. Raises ReaderGoneError when nobody reads it any more."""
        try:
            self.world.stdout.write(text)
            self.world.stdout.flush()
        except BrokenPipeError:
            raise ReaderGoneError from None

    def tell(self, text: str) -> None:
        """What must be known even when quiet, to stderr; lost where that is closed, full or gone: data counts more."""
        with suppress(OSError, ValueError):
            self.world.stderr.write(text)
            self.world.stderr.flush()

    def say(self, text: str) -> None:
        """A message, to stderr, unless quiet."""
        if not self.quiet:
            self.tell(text + "\n")

    def output(self, *allowed: str, default: str = "table") -> str:
        """The output format: the option, then the settings; one this command does not have is a usage error."""
        from gigactl.cli.fleet import settings

        asked = settings(self)["output"]
        chosen = str(asked.value or default)
        if chosen not in allowed:
            hint = f"there are {', '.join(allowed)} ({asked.origin} says {chosen})"
            raise UsageError(f"no output format {chosen!r} here", hint=hint)
        return chosen

    def confirm(self, what: str, hosts: int) -> None:
        """Ask for the number of hosts, not for y or n: a number is read before it is typed.

        --yes answers; without a terminal to ask on it must have been given.
        """
        if self.yes:
            return
        if not self.world.asks:
            raise SafetyRail(f"{what}: no terminal to ask on", hint="add --yes to go on without a question")
        self.tell(f"{what}.\nType the number of hosts to go on: ")
        answer = self.world.stdin.readline().strip()
        if answer != str(hosts):
            raise SafetyRail(f"{answer!r} is not {hosts}; nothing was done", hint="")


def shown(error: GigactlError) -> str:
    """`gigactl: summary: detail`, every problem of a document on its own line, and the hint."""
    from gigactl.render.text import clean

    if isinstance(error, InvalidDocument):
        lines: Sequence[str] = [f"gigactl: {error.summary}", *(f"  {problem}" for problem in error.problems)]
    else:
        lines = [f"gigactl: {error}"]
    hints = [f"  hint: {line}" for line in error.hint.splitlines()]
    return clean("\n".join([*lines, *hints])) + "\n"
