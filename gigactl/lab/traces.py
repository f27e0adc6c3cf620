"""Everything a lab may have left on this machine, found by its directory alone, and taken away.

Works without the supervisor's help: after kill -9 of everything, after an `up` that was cut in the middle. Nothing is
touched that does not carry the lab's directory: in a process's environment, in a mount it sees, in a loop device's
backing file.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gigactl.errors import LabError
from gigactl.lab.image import SUFFIX, thaw_device
from gigactl.lab.record import MARK
from gigactl.lab.tools import run

_PATIENCE_S = 20.0
_TURN_S = 0.1


@dataclass(frozen=True, slots=True)
class Traces:
    """What is there of a lab: processes, loop devices, mounts in our own namespace (deepest first)."""

    processes: tuple[int, ...]
    loops: tuple[str, ...]
    mounts: tuple[Path, ...]

    def __bool__(self) -> bool:
        return bool(self.processes or self.loops or self.mounts)

    def __str__(self) -> str:
        parts = {"processes": self.processes, "loop devices": self.loops, "mounts": self.mounts}
        return "; ".join(f"{name} {', '.join(map(str, found))}" for name, found in parts.items() if found)


def find(lab: Path) -> Traces:
    """What the lab in this directory (absolute, links resolved) has left."""
    return Traces(tuple(_processes(lab)), tuple(_loops(lab)), tuple(_mounts(lab)))


def remove(lab: Path) -> None:
    """Take everything away; LabError naming what would not go."""
    until = time.monotonic() + _PATIENCE_S
    while left := find(lab):
        if time.monotonic() > until:
            raise LabError(f"could not be taken away: {left}")
        for loop in left.loops:
            _release(loop, lab)
        for pid in left.processes:
            _kill(pid)
        for mount in left.mounts:
            run(["umount", "--lazy", str(mount)])
        if not left.processes:
            for loop in left.loops:
                _detach(loop)
        _wait(left.processes)


def _processes(lab: Path) -> Iterator[int]:
    own = os.getpid()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != own and _belongs(entry, lab):
            yield int(entry.name)


def _belongs(process: Path, lab: Path) -> bool:
    """By its environment, or, for what runs inside a host, by the overlay it has as root."""
    mark = f"{MARK}={lab}".encode()
    with suppress(OSError):
        if mark in (process / "environ").read_bytes().split(b"\0"):
            return True
    with suppress(OSError):
        return f"upperdir={lab}/hosts/" in (process / "mountinfo").read_text(encoding="utf-8", errors="replace")
    return False


def _loops(lab: Path) -> Iterator[str]:
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):
            file = backing.read_text(encoding="utf-8").strip().removesuffix(" (deleted)")
            if file.startswith(f"{lab}/") and file.endswith(SUFFIX):
                yield f"/dev/{backing.parts[3]}"


def _mounts(lab: Path) -> list[Path]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = line.split(" ")[4]
        if point.startswith(f"{lab}/"):
            found.append(Path(point))
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def _release(loop: str, lab: Path) -> None:
    """Whoever hangs in a frozen file system goes on, and so can be ended."""
    with suppress(LabError):  # no file system on it, or it went away by itself
        thaw_device(loop, lab / "thaw")


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _detach(loop: str) -> None:
    with suppress(LabError):  # released by the kernel with its last user
        run(["losetup", "--detach", loop])


def _wait(processes: tuple[int, ...]) -> None:
    """Until they are gone, or a turn is over."""
    until = time.monotonic() + _TURN_S
    for pid in processes:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
            finally:
                os.close(descriptor)


def delete(lab: Path) -> None:
    """The directory with all its files; nothing may be mounted in it."""
    if lab.exists():
        shutil.rmtree(lab)
