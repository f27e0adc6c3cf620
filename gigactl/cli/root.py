"""The root command: the global options, and the groups that load on first use."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from gigactl import __version__
from gigactl.cli.lazy import LazyGroup
from gigactl.cli.options import GLOBALS, given
from gigactl.cli.session import Session

HELP = "Health of fleets of GPU servers, over SSH, with nothing installed on the hosts."

EPILOG = "Options may stand before a command or after it. Exit codes and settings: see the README."


def build() -> typer.Typer:
    """The program, nothing of it loaded but names and helps."""
    app = typer.Typer(
        name="gigactl",
        cls=LazyGroup,
        help=HELP,
        epilog=EPILOG,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def root(ctx: typer.Context, version: bool, **arguments: Any) -> None:
        session: Session = ctx.obj
        if version:
            session.write(f"gigactl {__version__}\n")
            raise typer.Exit
        if ctx.invoked_subcommand is None:
            session.write(ctx.get_help() + "\n")
            raise typer.Exit(2)
        ctx.obj = session.with_given(given(arguments))

    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        inspect.Parameter(
            "version",
            inspect.Parameter.KEYWORD_ONLY,
            default=typer.Option(False, "--version", help="Show the version and exit."),
            annotation=bool,
        ),
        *(option.parameter() for option in GLOBALS.values()),
    ]
    root.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect, not typed
    root.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app.callback()(root)
    return app
