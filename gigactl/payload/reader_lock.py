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
    from typing import Callable, Iterable, List

PLACES = ("/run/gigactl", "/dev/shm")
READER_NAME = "gigactl-nvml"
_KILL_BIT = 1 << 8  # SIGKILL in the masks of /proc/PID/status
# Seconds after SIGKILL until a reader cannot be killed. Without persistence mode a driver that starts or stops its GPUs
# waits where no signal reaches it: 1 to 3 s for each of an HGX board's eight, when NVML starts and when its last user
# ends. One that the signal has not even reached in a call on a single GPU has less to wait for.
START_GRACE = 30.0
READING_GRACE = 10.0
STARTING, READING = 0, 1
_RECORD = 64  # bytes: the reader writes who it is into the first, who kills it writes that into the second


class ReaderLock:
    """`try_take()` until it says True, or until `stuck` names the process that will not go away."""

    def __init__(
        self, places: "Iterable[str]" = PLACES, proc: str = "/proc", clock: "Callable[[], float]" = time.monotonic
    ) -> None:
        self._proc = proc
        self._clock = clock
        self.fd = _opened(places)
        self._doomed = (0, 0.0)  # a reader that has been killed, and since when we know
        self.stuck = 0
        self.holder = 0
        self.ending = False

    def try_take(self) -> bool:
        """Take it if it is free. Otherwise `holder` is who has it, `ending` whether that one has been killed, and
        `stuck` is set once it should long be gone."""
        if self.fd < 0:
            return self._scan()
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.holder, parent, where = self._written(0, 3)
            self._judge(self.holder, parent, where)
            return False
        os.ftruncate(self.fd, 0)
        return True

    def say(self, pid: int, where: int) -> None:
        """The reader writes down who it is, whose child, and whether it is STARTING or READING, for the next probe to
        look at."""
        self._write(0, "%d %d %d" % (pid, os.getppid(), where))

    def doom(self, pid: int) -> None:
        """Whoever kills a reader, or finds it killed, writes down when, for the probes after it."""
        if self._written(_RECORD, 2)[0] != pid:
            self._write(_RECORD, "%d %d" % (pid, self._clock()))

    def _write(self, at: int, text: str) -> None:
        try:
            if self.fd >= 0:
                os.pwrite(self.fd, text.ljust(_RECORD).encode(), at)
        except OSError:
            pass  # full: then the next probe only sees that the lock is held

    def close(self) -> None:
        """Let go of it; a reader that lives on still holds it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _written(self, at: int, count: int) -> "List[int]":
        """The numbers of one record; zeros where it is not whole."""
        if self.fd < 0:
            return [0] * count
        try:
            numbers = [int(part) for part in os.pread(self.fd, _RECORD, at).replace(b"\0", b" ").split()]
        except ValueError:
            numbers = []
        return numbers if len(numbers) == count else [0] * count

    def _scan(self) -> bool:
        """Without a place for the file: look for a reader by its name. None found is as good as taken."""
        for name in os.listdir(self._proc):
            if name.isdigit() and int(name) != os.getpid() and _line(self._proc, name, "comm") == READER_NAME:
                self.holder = int(name)
                self._judge(self.holder, 0, STARTING)
                return False
        return True

    def _judge(self, pid: int, parent: int, where: int) -> None:
        """Set `stuck` when SIGKILL has been sent long ago: it is pending, or the parent whose end sends it is gone.

        A process that hangs while it exits shows no pending signal, hence the second sign. `parent` 0: not known.
        """
        status = dict(line.partition(":")[::2] for line in _line(self._proc, pid, "status").splitlines())
        try:
            pending = (int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)) & _KILL_BIT
            orphan = parent != 0 and int(status["PPid"]) != parent
        except (KeyError, ValueError):
            return
        self.ending = bool(pending) or orphan
        if not self.ending:
            self._doomed = (0, 0.0)
            return
        if self._doomed[0] != pid:
            self.doom(pid)
            told, since = self._written(_RECORD, 2)
            self._doomed = (pid, float(since) if told == pid else self._clock())
        grace = READING_GRACE if pending and where == READING else START_GRACE
        if self._clock() - self._doomed[1] > grace:
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
