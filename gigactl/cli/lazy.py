"""A group that knows the names and one-line helps of its commands and imports a command's module on its first use."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from gigactl.errors import UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """A command or group of commands: `module` has its `app`."""

    name: str
    module: str
    help: str


CATALOGUE = (
    Entry("health", "gigactl.cli.health", "Check the health of hosts and explain findings."),
    Entry("exec", "gigactl.cli.exec", "Run a command on hosts; identical output is shown once."),
    Entry("inventory", "gigactl.cli.inventory", "Look at the inventory, check it, trust host keys."),
    Entry("lab", "gigactl.cli.lab", "Rehearse on a fleet on this machine."),
)
"""In the order of `--help`: the daily loop first. A test compares the helps with those in the modules."""


class NearestGroup(TyperGroup):
    """A group whose unknown commands are answered with the nearest name, and whose bare name with its help (exit 2)."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            ctx.obj.write(ctx.get_help() + "\n")
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        command = super().get_command(ctx, cmd_name)
        if command is None and not ctx.resilient_parsing and not cmd_name.startswith("-"):
            raise unknown(f"{ctx.command_path} {cmd_name}", cmd_name, self.commands)
        assert command is None or isinstance(command, TyperCommand | TyperGroup)
        return command


class LazyGroup(TyperGroup):
    """The root. typer's own types for `ctx` are not public, hence Any."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [entry.name for entry in CATALOGUE]

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        for entry in CATALOGUE:
            if entry.name == cmd_name:
                return load(entry)
        if ctx.resilient_parsing or cmd_name.startswith("-"):
            return None
        raise unknown(cmd_name, cmd_name, [entry.name for entry in CATALOGUE])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.help) for entry in CATALOGUE])


def load(entry: Entry) -> TyperCommand | TyperGroup:
    """Import the module and build what it declares."""
    app = importlib.import_module(entry.module).app
    command = typer.main.get_command(app)
    assert isinstance(command, TyperCommand | TyperGroup)
    command.name = entry.name
    return command


def unknown(shown: str, given: str, known: Iterable[str]) -> UsageError:
    near = get_close_matches(given, list(known), n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
    return UsageError(f"no command `{shown}`", hint=hint)
