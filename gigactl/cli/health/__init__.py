"""`gigactl health`: the commands and their options; the work is in the modules beside, loaded when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gigactl.cli.lazy import NearestGroup
from gigactl.cli.options import ON_HOSTS, AskPassword, PasswordFile, Timeout, command
from gigactl.cli.session import Session

app = typer.Typer(
    cls=NearestGroup,
    help="Check the health of hosts and explain findings.",
    add_completion=False,
    rich_markup_mode=None,
)

PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="Thresholds other than the built-in ones.", show_default=False),
]


@command(app, "check", takes=(*ON_HOSTS, "output"))
def check(
    session: Session,
    /,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="SEVERITY",
            help="Exit 8 from this on: info, warning, critical or never [critical].",
            show_default=False,
        ),
    ] = None,
    unreachable_ok: Annotated[
        str | None,
        typer.Option(
            "--unreachable-ok",
            metavar="N|P%",
            help="So many hosts may be unreachable or unknown [0].",
            show_default=False,
        ),
    ] = None,
    timeout: Timeout = None,
    policy: PolicyFile = None,
    ask_become_password: AskPassword = False,
    become_password_file: PasswordFile = None,
) -> int:
    """Check the health of hosts: one line per distinct problem, worst first.

    Looks at every host of the inventory, or those of --limit.
    """
    from gigactl.cli.health import work

    ask = work.Ask(timeout, policy, ask_become_password, become_password_file)
    return work.check(session, fail_on, unreachable_ok, ask)


@command(app, "show", takes=("inventory", "fanout", "transport", "output"))
def show(
    session: Session,
    /,
    hosts: Annotated[list[str], typer.Argument(metavar="HOST...", help="Hosts, or expressions as for --limit.")],
    timeout: Timeout = None,
    policy: PolicyFile = None,
    ask_become_password: AskPassword = False,
    become_password_file: PasswordFile = None,
) -> int:
    """Show one host or a few: facts, driver, every GPU, what was found and what to do."""
    from gigactl.cli.health import work

    ask = work.Ask(timeout, policy, ask_become_password, become_password_file)
    return work.show(session, hosts, ask)


@command(app, "explain", takes=("output",))
def explain(
    session: Session,
    /,
    finding: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]",
            help="A finding's id, or an Xid: XID-79, `xid 79`, 79. Else all are listed.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Explain a finding: what it means, what it rests on, what to do, where that is written."""
    from gigactl.cli.health import explaining

    return explaining.explain(session, " ".join(finding)) if finding else explaining.listing(session)
