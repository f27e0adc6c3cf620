"""The global options: declared once, accepted before a command and after it, the one after it winning.

A command names those it understands. One that it does not, given before it, is refused rather than ignored: a `--limit`
that does nothing would be worse than an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gigactl.cli.session import Session
from gigactl.errors import UsageError


@dataclass(frozen=True, slots=True)
class Global:
    """One global option. `kind` is bool for a switch; not given is None or False."""

    name: str
    flags: tuple[str, ...]
    kind: type[str] | type[int] | type[bool]
    help: str
    metavar: str | None = None

    def parameter(self) -> inspect.Parameter:
        """As a parameter that typer reads."""
        option = typer.Option(*self.flags, help=self.help, metavar=self.metavar, show_default=False)
        kind: Any = bool if self.kind is bool else self.kind | None
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if self.kind is bool else None,
            annotation=Annotated[kind, option],
        )


GLOBALS = {
    option.name: option
    for option in (
        Global("inventory", ("--inventory", "-i"), str, "The inventory file.", "FILE"),
        Global("limit", ("--limit", "-l"), str, "Hosts, e.g. gpu[001-064], @training, @rack:r01!gpu003, @all.", "EXPR"),
        Global("fanout", ("--fanout", "-f"), int, "How many hosts at once.", "N"),
        Global("output", ("--output", "-o"), str, "table, json or jsonl.", "FORMAT"),
        Global("dry_run", ("--dry-run", "-n"), bool, "Say what would be done, on which hosts; do nothing."),
        Global("yes", ("--yes", "-y"), bool, "Do not ask."),
        Global("transport", ("--transport",), str, "Reach every host this way: ssh or local.", "NAME"),
        Global("state", ("--state",), str, "Where logs go, and the rehearsal fleet unless told.", "DIR"),
        Global("verbose", ("--verbose", "-v"), bool, "Show information and what was not measured."),
        Global("quiet", ("--quiet", "-q"), bool, "Print nothing but results that need attention."),
        Global("no_color", ("--no-color",), bool, "No colour."),
    )
}

EVERYWHERE = ("state", "verbose", "quiet", "no_color")
"""Every command understands these."""

ON_HOSTS = ("inventory", "limit", "fanout", "transport")
"""What a command that reaches hosts understands."""


Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="Time for one host in all [60].", show_default=False),
]
AskPassword = Annotated[bool, typer.Option("--ask-become-password", help="Ask for sudo's password on the terminal.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--become-password-file", metavar="FILE", help="Read sudo's password from a file.", show_default=False
    ),
]


Act = Callable[..., int]
"""A command's function: a session and its own arguments in, an exit code out."""


def command(
    app: typer.Typer, name: str | None = None, *, takes: tuple[str, ...], **settings: Any
) -> Callable[[Act], Act]:
    """Register a function as a command that also understands the global options named in `takes`."""
    options = [GLOBALS[option] for option in (*takes, *EVERYWHERE)]

    def register(act: Act) -> Act:
        own = list(inspect.signature(act, eval_str=True).parameters.values())[1:]

        def run(ctx: typer.Context, **arguments: Any) -> None:
            here = {option.name: arguments.pop(option.name) for option in options}
            outer: Session = ctx.obj
            _refuse_unknown(outer, ctx.command_path, {option.name for option in options})
            raise typer.Exit(act(outer.with_given(given(here)), **arguments))

        context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        parameters = [context, *keywords, *(option.parameter() for option in options)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect, not typed
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__doc__ = act.__doc__
        app.command(name, help=inspect.getdoc(act), **settings)(run)
        return act

    return register


def given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Only what was typed."""
    return {name: value for name, value in arguments.items() if value is not None and value is not False}


def _refuse_unknown(session: Session, path: str, understood: set[str]) -> None:
    for name in session.given:
        if name not in understood:
            raise UsageError(f"`{path}` takes no {GLOBALS[name].flags[0]}", hint=f"see `{path} --help`")
