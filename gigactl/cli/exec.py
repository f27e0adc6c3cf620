"""`gigactl exec`: the command and its options; the work is in `running`."""

from __future__ import annotations

from typing import Annotated

import typer

from gigactl.cli.options import ON_HOSTS, AskPassword, PasswordFile, Timeout, command
from gigactl.cli.session import Session

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(
    app,
    takes=(*ON_HOSTS, "output", "dry_run", "yes"),
    context_settings={"allow_interspersed_args": False},
    short_help="Run a command on hosts; identical output is shown once.",
)
def exec(
    session: Session,
    /,
    words: Annotated[list[str], typer.Argument(metavar="[--] CMD...", help="The command.")],
    timeout: Timeout = None,
    become: Annotated[bool, typer.Option("--become", help="Run as root through sudo.")] = False,
    ask_become_password: AskPassword = False,
    become_password_file: PasswordFile = None,
    all_at_once: Annotated[
        int | None,
        typer.Option(
            "--all-at-once",
            metavar="N",
            help="Go on above max_at_once; N is the number of hosts selected.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Run a command on hosts; identical output is shown once.

    Needs --limit (`-l @all` is every host). One word is run by the host's shell (`-- 'df -h | tail -1'`), several words
    are run as they stand. With --become, or logged in as root, it counts as a change: the number of hosts is asked for.
    """
    from gigactl.cli import running

    return running.run(session, words, timeout, become, ask_become_password, become_password_file, all_at_once)
