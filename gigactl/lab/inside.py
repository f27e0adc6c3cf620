"""The inside of a running host, reached from outside through its PID 1: what changes while it runs."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gigactl.errors import LabError
from gigactl.lab.layers import LIBRARY, library_directory
from gigactl.lab.tree import remove

STATE = "run/nvidia-lab/state"
KERNEL_LOG = "dev/kmsg"
_BUSY = 16  # labhost's exit code for a root that somebody writes to


class Inside:
    """Valid as long as the host's PID 1 lives. Paths are relative to the host's root."""

    def __init__(self, pid: int, labhost: Path) -> None:
        self._pid = pid
        self._labhost = labhost
        self._root = Path(f"/proc/{pid}/root")

    def replace(self, path: str, content: str) -> None:
        """A file's content in one step."""
        target = self._root / path
        partial = target.with_name(f".{target.name}.new")
        partial.write_text(content, encoding="utf-8")
        partial.rename(target)

    def overwrite(self, directory: str, files: Mapping[str, bytes]) -> None:
        """Files' contents in place, as a device's attributes change."""
        for name, content in files.items():
            (self._root / directory / name).write_bytes(content)

    def append(self, path: str, text: str) -> None:
        """More at the end of a file."""
        descriptor = os.open(self._root / path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def remove(self, path: str) -> None:
        """A file, link or directory and all below it."""
        remove(self._root / path)

    def install_library(self, library: Path, version: str) -> None:
        """Another version of libnvidia-ml in place of the one there, as a package upgrade leaves it."""
        directory = self._root / library_directory()
        target, link = directory / f"{LIBRARY}.{version}", directory / f"{LIBRARY}.1"
        if target.exists():
            return
        partial = directory / f".{target.name}.new"
        try:
            partial.write_bytes(library.read_bytes())
            partial.rename(target)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        old = os.readlink(link)
        link.unlink()
        link.symlink_to(target.name)
        (directory / old).unlink()

    def fill(self, path: str) -> None:
        """A file that takes every byte that is left."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as file:
            for step in (1 << 20, 1 << 12):
                _grow(file.fileno(), step)

    def graft(self, source: Path, target: str) -> None:
        """Show a mount of the supervisor inside the host."""
        if not (self._root / target.lstrip("/")).is_mount():
            self._labhost_does("graft", str(source), target)

    def make_readonly(self) -> bool:
        """The root file system takes no writes any more; False where a process has a file open for writing."""
        return self._labhost_does("readonly") == 0

    def _labhost_does(self, verb: str, *arguments: str) -> int:
        command = [str(self._labhost), verb, str(self._pid), *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode not in {0, _BUSY}:
            raise LabError(f"{verb}: {done.stderr.strip()}")
        return done.returncode


def _grow(descriptor: int, step: int) -> None:
    """Until there is no space for `step` bytes more."""
    try:
        while True:
            os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, step)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
