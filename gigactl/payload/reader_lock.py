"""One NVML reader per host at a time, and never a second beside one that cannot be killed.

The lock is a flock on a file whose descriptor the reader inherits: it lasts exactly as long as the process does, a
stuck one included, and no file has to be cleaned up.
"""

import fcntl
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, Tuple

PLACES = ("/run/gigactl", "/dev/shm")
READER_NAME = "gigactl-nvml"
_KILL_BIT = 1 << 8  # SIGKILL in the masks of /proc/PID/status
GRACE = 1.0  # seconds a killed reader may take to be gone


class ReaderLock:
    """`try_take()` until it says True, or until `stuck` names the process that will not go away."""

    def __init__(
        self, places: "Iterable[str]" = PLACES, proc: str = "/proc", clock: "Callable[[], float]" = time.monotonic
    ) -> None:
        self._proc = proc
        self._clock = clock
        self._doomed = (0, 0.0)  # a reader that has been killed, and since when we know
        self.fd = _opened(places)
        self.stuck = 0
        self.holder = 0

    def try_take(self) -> bool:
        """Take it if it is free. Otherwise `holder` is who has it, and `stuck` is set once that one can only be dead
        already."""
        if self.fd < 0:
            return self._scan()
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.holder, parent = self._written()
            self._judge(self.holder, parent)
            return False
        os.ftruncate(self.fd, 0)
        return True

    def say(self, pid: int) -> None:
        """The reader writes down who it is and whose child, for the next probe to look at."""
        if self.fd >= 0:
            os.pwrite(self.fd, ("%d %d" % (pid, os.getppid())).encode(), 0)

    def close(self) -> None:
        """Let go of it; a reader that lives on still holds it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _written(self) -> "Tuple[int, int]":
        try:
            numbers = [int(part) for part in os.pread(self.fd, 32, 0).split()]
        except ValueError:
            numbers = []
        return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)

    def _scan(self) -> bool:
        """Without a place for the file: look for a reader by its name. None found is as good as taken."""
        for name in os.listdir(self._proc):
            if name.isdigit() and int(name) != os.getpid() and _line(self._proc, name, "comm") == READER_NAME:
                self.holder = int(name)
                self._judge(self.holder, 0)
                return False
        return True

    def _judge(self, pid: int, parent: int) -> None:
        """Set `stuck` when SIGKILL has been sent and not taken: it is pending, or the parent whose end sends it is
        gone.

        A process that hangs while it exits shows no pending signal, hence the second sign. `parent` 0: not known.
        """
        status = dict(line.partition(":")[::2] for line in _line(self._proc, pid, "status").splitlines())
        try:
            pending = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
            orphan = parent != 0 and int(status["PPid"]) != parent
        except (KeyError, ValueError):
            return
        now = self._clock()
        if not (orphan or pending & _KILL_BIT):
            self._doomed = (0, 0.0)
        elif self._doomed[0] != pid:
            self._doomed = (pid, now)
        elif now - self._doomed[1] > GRACE:
            self.stuck = pid


def _line(proc: str, pid: object, name: str) -> str:
    try:
        with open("%s/%s/%s" % (proc, pid, name), "rb") as file:
            return file.read(65536).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _opened(places: "Iterable[str]") -> int:
    """A descriptor on the lock file in the first place that is ours alone; -1 with none. Others cannot hold us up:
    the file must be our own, and in a directory open to all it carries our user's number."""
    for place in places:
        try:
            if not os.path.isdir(place):
                os.mkdir(place, 0o700)
            mode = os.stat(place)
            shared = bool(mode.st_mode & 0o022)
            if not shared and mode.st_uid != os.geteuid():
                continue
            path = "%s/%s" % (place, "gigactl-reader-%d" % os.geteuid() if shared else "reader")
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError:
            continue
        made = os.fstat(fd)
        if made.st_uid == os.geteuid() and stat.S_ISREG(made.st_mode):
            return fd
        os.close(fd)
    return -1
