"""What the program shows to the outside as a value: commands, options, exit codes, environment. Tests compare texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import typer
from typer.core import TyperCommand, TyperGroup

from gigactl.cli import exits
from gigactl.cli.lazy import CATALOGUE, load
from gigactl.cli.root import build
from gigactl.settings import ENVIRONMENT

HEEDED = ("NO_COLOR", "TERM", "CI", "COLUMNS", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
"""Environment names that others have given a meaning."""


@dataclass(frozen=True, slots=True)
class Surface:
    """`commands`: `health check` to its options; "" is the root. `exit_codes` in order of precedence."""

    commands: Mapping[str, tuple[str, ...]]
    exit_codes: Mapping[int, str]
    environment: tuple[str, ...]


def surface() -> Surface:
    """Everything, by loading every command's declaration."""
    commands = {"": _options(typer.main.get_command(build()))}
    for entry in CATALOGUE:
        for name, command in _leaves(entry.name, load(entry)):
            commands[name] = _options(command)
    return Surface(commands, exits.MEANINGS, (*ENVIRONMENT, *HEEDED))


def _leaves(name: str, command: TyperCommand | TyperGroup) -> Iterator[tuple[str, object]]:
    if isinstance(command, TyperGroup):
        for inner, leaf in command.commands.items():
            yield f"{name} {inner}", leaf
    else:
        yield name, command


def _options(command: object) -> tuple[str, ...]:
    """Of a typer command, whose type is not public."""
    parameters = getattr(command, "params", ())
    return tuple(option for parameter in parameters for option in parameter.opts if option.startswith("-"))
