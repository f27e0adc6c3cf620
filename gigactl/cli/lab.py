"""`gigactl lab`: the commands and their options; the work is in `rehearsing`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from gigactl.cli.lazy import NearestGroup
from gigactl.cli.options import command
from gigactl.cli.session import Session

app = typer.Typer(
    cls=NearestGroup,
    help="Rehearse on a fleet on this machine.",
    add_completion=False,
    rich_markup_mode=None,
)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir", metavar="DIR", help="Where the fleet lives [$XDG_STATE_HOME/gigactl/lab].", show_default=False
    ),
]


@command(app, "up", takes=("output",))
def up(
    session: Session,
    /,
    hosts: Annotated[int, typer.Option("--hosts", metavar="N", help="How many hosts.")] = 4,
    gpus: Annotated[int, typer.Option("--gpus", metavar="N", help="GPUs per host.")] = 8,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="Server model.")] = "sr680a-v3",
    board: Annotated[
        str | None,
        typer.Option(
            "--board", metavar="NAME", help="GPU board, e.g. h200, where the model has several.", show_default=False
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", metavar="N", help="Where sshd answers on every host.")] = 2222,
    directory: Folder = None,
) -> int:
    """Bring up a fleet: real sshd, the real NVML ABI, no GPU needed. Needs root."""
    from gigactl.cli import rehearsing

    return rehearsing.up(session, rehearsing.Wish(hosts, gpus, model, board, port), directory)


@command(app, "status", takes=("output",))
def status(session: Session, /, directory: Folder = None) -> int:
    """Say which hosts are up and what is broken on purpose."""
    from gigactl.cli import rehearsing

    return rehearsing.status(session, directory)


class Breaking(TyperCommand):
    """Its help lists every kind of fault, asked of the lab when the help is."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        from gigactl.lab.faults import KINDS

        rows = []
        for name, kind in KINDS.items():
            options = " ".join(f"{option}={default}" for option, default in kind.options.items())
            rows.append((name, f"{kind.summary}{f' [{options}]' if options else ''}: {kind.changes}"))
        with formatter.section("Kinds, [their options and defaults], what a host then shows"):
            formatter.write_dl([*rows, ("clear", "every fault is taken back; the host boots")])


@command(app, "fault", takes=(), cls=Breaking)
def fault(
    session: Session,
    /,
    hosts: Annotated[str, typer.Argument(metavar="HOSTS", help="Names or ranges: gpu003,gpu[007-009].")],
    kind: Annotated[str, typer.Argument(metavar="KIND|clear", help="What happens; `clear` takes it back.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="e.g. gpu=3 code=79.", show_default=False)
    ] = None,
    directory: Folder = None,
) -> int:
    """Break hosts on purpose, or clear what was broken."""
    from gigactl.cli import rehearsing

    return rehearsing.fault(session, hosts, kind, settings or [], directory)


@command(app, "freeze", takes=())
def freeze(
    session: Session,
    /,
    off: Annotated[bool, typer.Option("--off", help="Let readings move again.")] = False,
    directory: Folder = None,
) -> int:
    """Stop jitter and counters, so that two looks read the same."""
    from gigactl.cli import rehearsing

    return rehearsing.freeze(session, not off, directory)


@command(app, "down", takes=())
def down(session: Session, /, directory: Folder = None) -> int:
    """Take the fleet down: no process, mount or file is left."""
    from gigactl.cli import rehearsing

    return rehearsing.down(session, directory)
