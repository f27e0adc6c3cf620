"""A file system on which writers hang in the kernel and cannot be killed, until it is released: a frozen ext4 image.

Stands in for a driver that no longer answers: the process is in state D, SIGKILL waits with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from gigactl.lab.tools import run

_FIFREEZE, _FITHAW = 0xC0045877, 0xC0045878  # linux/fs.h
_BYTES = 1 << 20
IMAGE = "stuck.img"  # this name below a lab's directory marks a loop device as the lab's
FILE = "calls"


class StuckFileSystem:
    """One image, mounted below a host's directory. Every method may be called in any state, again and again."""

    def __init__(self, directory: Path) -> None:
        self.image = directory / IMAGE
        self.mountpoint = directory / "stuck"

    def make(self) -> None:
        """Make and mount it, with an empty file in it, and freeze it."""
        self.mountpoint.mkdir(exist_ok=True)
        with self.image.open("wb") as file:
            file.truncate(_BYTES)
        run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", str(self.image)])
        run(["mount", "-o", "loop,noatime", str(self.image), str(self.mountpoint)])
        (self.mountpoint / FILE).touch()

    def freeze(self) -> None:
        """From now on writers hang."""
        _control(self.mountpoint, _FIFREEZE)

    def thaw(self) -> None:
        """Writers go on."""
        if self.mountpoint.is_mount():
            _control(self.mountpoint, _FITHAW)

    def remove(self) -> None:
        """Unmount and delete it; whoever sits in it must be gone."""
        self.thaw()
        if self.mountpoint.is_mount():
            run(["umount", str(self.mountpoint)])
        self.image.unlink(missing_ok=True)


def _control(path: Path, request: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, request, 0)
    except OSError as error:
        # already frozen, or not frozen: what was asked for holds
        if error.errno not in {errno.EBUSY, errno.EINVAL}:
            raise
    finally:
        os.close(descriptor)


def thaw_device(device: str, mountpoint: Path) -> None:
    """Release a frozen image whose every mount has gone: mounted once more it is the same file system, and can be thawed."""
    mountpoint.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "ext4", device, str(mountpoint)])
    try:
        _control(mountpoint, _FITHAW)
    finally:
        run(["umount", str(mountpoint)])
        mountpoint.rmdir()
