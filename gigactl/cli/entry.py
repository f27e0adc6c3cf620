"""From argv to an exit code: every way a command can end is shown here and nowhere else."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer
from typer.core import TyperGroup

from gigactl import __version__
from gigactl.cli import exits
from gigactl.cli.log import Log, logging_to_file
from gigactl.cli.root import build
from gigactl.cli.session import ReaderGoneError, Session, shown
from gigactl.cli.world import World
from gigactl.errors import GigactlError, UsageError


def run(argv: Sequence[str], world: World) -> int:
    """Run one command; its exit code. Nothing is raised."""
    with logging_to_file(world) as log:
        code = _ended(argv, world, log)
        if log.place is not None and code != exits.BUG:
            Session(world).tell(f"gigactl: details are in {log.place}\n")
        return code


def _ended(argv: Sequence[str], world: World, log: Log) -> int:
    try:
        return _dispatch(argv, world, log)
    except typer.TyperException as wrong:
        return _fail(UsageError(wrong.format_message(), hint=_see(wrong)), world)
    except GigactlError as error:
        return _fail(error, world)
    except ReaderGoneError:
        _drop_stdout(world)
        return exits.of_signal(13)
    except (KeyboardInterrupt, typer.Abort):
        return exits.of_signal(2)
    except Exception as error:  # noqa: BLE001  # the last place: a bug is one line here, its traceback is kept in a file
        return _bug(error, argv, world, log)


def _dispatch(argv: Sequence[str], world: World, log: Log) -> int:
    root = typer.main.get_command(build())
    assert isinstance(root, TyperGroup)
    code = root.main(args=list(argv), prog_name="gigactl", standalone_mode=False, obj=Session(world, log=log))
    return int(code or 0)


def _see(wrong: typer.TyperException) -> str:
    context = getattr(wrong, "ctx", None)
    return f"see `{context.command_path} --help`" if context is not None else "see `gigactl --help`"


def _fail(error: GigactlError, world: World) -> int:
    Session(world).tell(shown(error))
    return error.exit_code


def _bug(error: Exception, argv: Sequence[str], world: World, log: Log) -> int:
    """The traceback goes to a file, its place and one line to the user."""
    text = f"gigactl {__version__}, Python {sys.version.split()[0]}, {world.now().isoformat()}\n"
    text += f"$ gigactl {' '.join(_kept(argv))}\n" + "".join(traceback.format_exception(error))
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        hint = f"the traceback is in {log.keep(text)}"
    except OSError as unwritable:
        Session(world).tell(text)
        hint = f"the traceback could not be kept: {unwritable}"
    return _fail(GigactlError(what, hint=hint), world)


def _kept(argv: Sequence[str]) -> Sequence[str]:
    """What of argv may be kept: no option carries a secret, but a command for hosts may, and only the parser, which may
    have failed, knows where it begins."""
    if "exec" not in argv:
        return argv
    after = argv.index("exec") + 1
    begins = argv.index("--", after) + 1 if "--" in argv[after:] else after
    return [*argv[:after], "…", "--", f"({len(argv) - begins} words)"]


def _drop_stdout(world: World) -> None:
    """Nobody reads any more: what is still buffered must not fail again when the interpreter closes the stream."""
    try:
        descriptor = world.stdout.fileno()
    except (OSError, ValueError):
        return
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, descriptor)
    os.close(devnull)
