"""The rehearsal fleet's verbs: up, status, fault, clear, freeze, down. Each is one call; the fleet lives on without the
caller.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

import gigactl
from gigactl.errors import LabError, LabMisuse
from gigactl.lab import boards, nvidia_smi, nvml_build, record, tools, traces
from gigactl.lab.control import Reply, Request, answers, ask
from gigactl.lab.models import MODELS
from gigactl.lab.options import HostStatus, LabOptions, LabStatus
from gigactl.lab.record import MARK, RECORD, Layout, Record

__all__ = ["LabOptions", "LabStatus", "clear", "down", "fault", "freeze", "status", "up"]

_RECORD_VERSION = 1
_UP_S = 300.0
_ANSWER_S = 10.0
_END_S = 60.0


def up(options: LabOptions, cache: Path | None = None) -> LabStatus:
    """Make a fleet and wait until every host answers. Needs root. What was half made is taken away again when it fails.

    `cache`: where compiled and fetched things are kept between labs; the user's cache directory unless given.

    Raises LabMisuse: not root, a tool missing (with its package), the directory in use, a lab already up there;
    LabError: it did not come up.
    """
    options = _settled(options)
    tools.check_machine()
    layout = Layout(options.dir)
    _refuse_what_is_there(layout)
    made = _prepare(options, cache or tools.cache_directory())
    try:
        layout.dir.mkdir(parents=True, exist_ok=True)
        layout.dir.chmod(0o755)
        record.write(layout, made)
        _start(layout)
        found = status(layout.dir)
        _check_answers(layout, found.hosts)
    except BaseException:
        down(layout.dir)
        raise
    return found


def status(directory: Path) -> LabStatus:
    """How the fleet in this directory is; LabMisuse where there is none."""
    layout = _layout(directory)
    made = record.read(layout)
    reply = ask(layout, Request("status"))
    return LabStatus(
        dir=layout.dir,
        inventory=layout.inventory,
        port=made.options.port,
        supervisor=reply.supervisor,
        model=made.options.model,
        board=made.options.board,
        gpus=made.options.gpus,
        driver=made.options.driver,
        frozen=reply.frozen,
        nvidia_smi=bool(made.nvidia_smi),
        nvidia_smi_reason=made.nvidia_smi_reason,
        hosts=reply.hosts,
    )


def fault(directory: Path, names: Sequence[str], kind: str, options: Mapping[str, str]) -> None:
    """Give these hosts a fault (`gigactl.lab.faults.KINDS`) more; it shows when this returns. On all of them or on
    none.
    """
    ask(_layout(directory), Request("fault", tuple(names), kind, dict(options)))


def clear(directory: Path, names: Sequence[str]) -> None:
    """Take all faults from these hosts and boot them; one without faults is left alone."""
    ask(_layout(directory), Request("clear", tuple(names)))


def freeze(directory: Path, on: bool) -> None:
    """Whether readings stand still on every host: no jitter, counters do not move."""
    ask(_layout(directory), Request("freeze", on=on))


def down(directory: Path) -> None:
    """Take the fleet away: no process, mount, loop device or file is left, whatever state it was in."""
    tools.require_root()
    layout = _layout(directory)
    if not record.claims(layout.dir):
        raise LabMisuse(f"{layout.dir} is no lab: it has no {RECORD}", hint="nothing was touched")
    with suppress(LabError):  # nobody answers, or it failed on the way: what is left is found below
        supervisor = ask(layout, Request("status"), _ANSWER_S).supervisor
        ask(layout, Request("down"), _END_S)
        _wait_for_end(supervisor)
    traces.remove(layout.dir)
    traces.delete(layout.dir)


# --- coming up


def _layout(directory: Path) -> Layout:
    return Layout(directory.expanduser().resolve())


def _settled(options: LabOptions) -> LabOptions:
    """Options with every default filled in and checked."""
    if options.model not in MODELS:
        raise LabMisuse(f"no model is called {options.model}; there are: {', '.join(MODELS)}")
    options = replace(options, dir=_layout(options.dir).dir, board=options.board or MODELS[options.model].board)
    options.check()
    known = boards.load()
    if options.board not in known:
        raise LabMisuse(f"no board is called {options.board}; there are: {', '.join(known)}")
    return options


def _refuse_what_is_there(layout: Layout) -> None:
    hint = f"take it away first: gigactl lab down --dir {layout.dir}"
    if answers(layout):
        raise LabMisuse(f"a lab is up in {layout.dir}", hint=hint)
    if layout.record.exists() or traces.find(layout.dir):
        raise LabMisuse(f"a lab that is no longer up has left traces in {layout.dir}", hint=hint)
    if layout.dir.exists() and (not layout.dir.is_dir() or any(layout.dir.iterdir())):
        raise LabMisuse(f"{layout.dir} exists and is not empty", hint="choose another directory with --dir")


def _prepare(options: LabOptions, cache: Path) -> Record:
    """Compile and fetch what the fleet needs, before anything of it exists."""
    labhost = tools.build_labhost(cache)
    library = nvml_build.build(options.driver, cache)
    try:
        binary, reason = str(nvidia_smi.fetch(cache)), ""
    except LabError as error:
        binary, reason = "", error.detail
    return Record(_RECORD_VERSION, options, labhost, library, cache, binary, reason, tools.masked_paths(options.dir))


def _start(layout: Layout) -> None:
    """Start the supervisor and wait for its word."""
    reading, writing = os.pipe()
    module = [sys.executable, "-m", "gigactl.lab.supervisor", str(layout.dir), str(writing)]
    environment = {
        MARK: str(layout.dir),
        "PATH": tools.SYSTEM_PATH,
        "PYTHONPATH": str(Path(gigactl.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
    }
    with os.fdopen(reading, "rb") as answer, layout.log.open("ab") as log:
        try:
            process = subprocess.Popen(
                [tools.find("unshare"), "--mount", "--propagation", "private", *module],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                start_new_session=True,
                cwd="/",
                env=environment,
            )
        finally:
            os.close(writing)
        ready, _, _ = select.select([answer], [], [], _UP_S)
        data = answer.read() if ready else b""
    process.returncode = 0  # it outlives us on purpose: Popen need not watch over it
    if not data:
        raise LabError(f"the supervisor did not come up: {_last_words(layout)}")
    reply = msgspec.json.decode(data, type=Reply)
    if reply.error:
        raise reply.failure()


def _last_words(layout: Layout) -> str:
    lines = layout.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " ".join(lines[-3:])[-400:] or f"it said nothing within {_UP_S:.0f} s"


def _check_answers(layout: Layout, hosts: Sequence[HostStatus]) -> None:
    """Every host accepts a connection, and the first lets us in with the lab's key."""
    for host in hosts:
        try:
            socket.create_connection((host.address, host.port), timeout=_ANSWER_S).close()
        except OSError as error:
            raise LabError(f"{host.name} does not answer on {host.address}:{host.port}: {error}") from error
    first = hosts[0]
    options = [
        f"UserKnownHostsFile={layout.known_hosts}",
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        "IdentitiesOnly=yes",
    ]
    command = [tools.find("ssh"), "-F", "none", "-i", str(layout.identity), "-p", str(first.port)]
    command += [part for option in options for part in ("-o", option)]
    command += [f"root@{first.address}", "hostname"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ANSWER_S * 3, check=False
    )
    if done.stdout.strip() != first.name:
        raise LabError(f"{first.name} answers but does not let us in: {done.stderr.strip() or done.stdout.strip()}")


def _wait_for_end(pid: int) -> None:
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            select.select([descriptor], [], [], _END_S)
        finally:
            os.close(descriptor)
    with suppress(ChildProcessError):  # ours only where `up` was called in this very process
        os.waitpid(pid, os.WNOHANG)
