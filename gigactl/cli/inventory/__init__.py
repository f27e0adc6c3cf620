"""`gigactl inventory`: the commands and their options; the work is in the modules beside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gigactl.cli.lazy import NearestGroup
from gigactl.cli.options import ON_HOSTS, AskPassword, PasswordFile, command
from gigactl.cli.session import Session

app = typer.Typer(
    cls=NearestGroup,
    help="Look at the inventory, check it, trust host keys.",
    add_completion=False,
    rich_markup_mode=None,
)


@command(app, "list", takes=("inventory", "limit", "output"))
def listing(session: Session, /) -> int:
    """List groups, models and labels with their hosts, folded."""
    from gigactl.cli.inventory import looking

    return looking.listing(session)


@command(app, "show", takes=("inventory", "output"))
def show(
    session: Session,
    /,
    hosts: Annotated[list[str], typer.Argument(metavar="HOST...", help="Hosts, or expressions as for --limit.")],
) -> int:
    """Show a host: every value, where it was said, and what is expected of it."""
    from gigactl.cli.inventory import looking

    return looking.show(session, hosts)


@command(app, "hosts", takes=("inventory", "output"))
def hosts(
    session: Session,
    /,
    expression: Annotated[str, typer.Argument(metavar="EXPR", help="As for --limit.")],
    fold: Annotated[bool, typer.Option("--fold", help="One folded line: gpu[001-064].")] = False,
) -> int:
    """Print the names of the hosts an expression selects, one per line."""
    from gigactl.cli.inventory import looking

    return looking.hosts(session, expression, fold)


@command(app, "validate", takes=("inventory", "output"))
def validate(
    session: Session,
    /,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="Else the inventory.", show_default=False)
    ] = None,
) -> int:
    """Check inventory files: every problem at once, with file and line."""
    from gigactl.cli.inventory import validating

    return validating.validate(session, files or [])


@command(app, "trust", takes=(*ON_HOSTS, "output", "dry_run", "yes"))
def trust(
    session: Session,
    /,
    fingerprints: Annotated[
        Path | None,
        typer.Option(
            "--fingerprints",
            metavar="FILE",
            help="`HOST SHA256:...` a line: trust what it names, without a question.",
            show_default=False,
        ),
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="KNOWN_HOSTS",
            help="Trust the keys of this known_hosts file, without a question.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also replace a key on record by the one shown now.")
    ] = False,
) -> int:
    """Record the host keys of hosts, after their fingerprints were shown."""
    from gigactl.cli.inventory import trusting

    return trusting.trust(session, fingerprints, known, replace)


@command(app, "clean", takes=(*ON_HOSTS, "dry_run", "yes"))
def clean(
    session: Session,
    /,
    ask_become_password: AskPassword = False,
    become_password_file: PasswordFile = None,
) -> int:
    """Remove every trace of gigactl from hosts. Needs --limit."""
    from gigactl.cli.inventory import cleaning

    return cleaning.clean(session, ask_become_password, become_password_file)
