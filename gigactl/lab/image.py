"""A small ext4 file system in a file: can be full to the last byte, or frozen so that writers hang and cannot be
killed.

A process that writes to a frozen file system is in state D, as one in a driver that no longer answers: SIGKILL waits
with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from gigactl.lab.tools import run

_FIFREEZE, _FITHAW = 0xC0045877, 0xC0045878  # linux/fs.h
SUFFIX = ".img"  # of the backing file; with the lab's directory it tells the lab's loop devices from others


class Image:
    """One image, mounted beside its file. Every method may be called in any state, again and again."""

    def __init__(self, directory: Path, name: str, size: int) -> None:
        self.file = directory / f"{name}{SUFFIX}"
        self.mountpoint = directory / name
        self._size = size

    def make(self) -> None:
        """Make it (sparse: it takes what is written) and mount it, unless it is mounted already."""
        if self.mountpoint.is_mount():
            return
        self.mountpoint.mkdir(exist_ok=True)
        with self.file.open("wb") as file:
            file.truncate(self._size)
        # no journal and no blocks kept for root: full is full
        run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-m", "0", "-E", "lazy_itable_init=0", str(self.file)])
        run(["mount", "-o", "loop,noatime", str(self.file), str(self.mountpoint)])

    def freeze(self) -> None:
        """From now on writers hang."""
        _control(self.mountpoint, _FIFREEZE)

    def thaw(self) -> None:
        """Writers go on."""
        if self.mountpoint.is_mount():
            _control(self.mountpoint, _FITHAW)

    def remove(self) -> None:
        """Unmount and delete it; whoever sits in it must be gone."""
        if self.mountpoint.is_mount():
            self.thaw()
            run(["umount", str(self.mountpoint)])
        self.file.unlink(missing_ok=True)


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
    """Release a frozen image whose every mount has gone: mounted once more it is the same file system, and can be
    thawed.
    """
    mountpoint.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "ext4", device, str(mountpoint)])
    try:
        _control(mountpoint, _FITHAW)
    finally:
        run(["umount", str(mountpoint)])
        mountpoint.rmdir()
