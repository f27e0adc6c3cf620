"""One forked child that may hang: it says which step it is in through shared memory, and what it found through a pipe.

Its parent can kill it at any time and loses only the step it was in. The child holds none of the caller's streams, so
that one that cannot be killed does not keep the session open, and it dies with its parent.
"""

import ctypes
import marshal
import mmap
import os
import select
import signal
import struct

from gigactl.payload import spawn
from gigactl.payload.protocol import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Collection, List, Optional, Tuple

    from gigactl.payload.watch import Work

_CELL = struct.Struct("<qd")  # how many steps were begun, seconds the current one may take
_NAME = 128
_HEAD = struct.Struct("<I")
MESSAGE_LIMIT = 8 << 20


class Child:
    """A child at work. `work(begin, report)` runs in it: `begin(step, seconds)` before each step, `report(kind,
    value)` for each thing found. `keep`: file descriptors it may hold on to."""

    def __init__(self, work: "Work", name: str, keep: "Collection[int]" = ()) -> None:
        self._cell = mmap.mmap(-1, _CELL.size + _NAME)
        self._pending = b""
        inlet, outlet = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(work, name, outlet, parent, keep)
        os.close(outlet)
        os.set_blocking(inlet, False)
        self.inlet = inlet
        self.status: "Optional[int]" = None

    def _run(self, work: "Work", name: str, outlet: int, parent: int, keep: "Collection[int]") -> None:
        try:
            os.setpgid(0, 0)  # what it starts is killed with it
            spawn.die_with_parent(parent)
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            _only(outlet, keep)
            ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)  # PR_SET_NAME
            work(self._begin, lambda kind, value: _send(outlet, (kind, value)))
            _send(outlet, ("over", None))
        except Exception as error:
            _send(outlet, ("error", printable("%s: %s" % (type(error).__name__, error))))
        finally:
            os._exit(0)

    def _begin(self, step: str, seconds: float) -> None:
        text = step.encode("utf-8", "replace")[:_NAME].ljust(_NAME, b"\0")
        self._cell[_CELL.size :] = text
        count, _ = _CELL.unpack_from(self._cell)
        _CELL.pack_into(self._cell, 0, count + 1, seconds)

    def progress(self) -> "Tuple[int, float, str]":
        """(steps begun so far, seconds the current one may take, its name)."""
        count, seconds = _CELL.unpack_from(self._cell)
        return count, seconds, self._cell[_CELL.size :].rstrip(b"\0").decode("utf-8", "replace")

    def messages(self) -> "Tuple[List[Any], bool]":
        """What came since the last call, and whether the pipe is at its end. What is no message of ours is an `error`:
        a library that writes where it should not may have written into the child's memory."""
        parts, ended = [self._pending], False
        while True:
            try:
                part = os.read(self.inlet, 65536)
            except BlockingIOError:
                break
            if not part:
                ended = True
                break
            parts.append(part)
        data, at, found = b"".join(parts), 0, []
        while len(data) - at >= _HEAD.size:
            size = _HEAD.unpack_from(data, at)[0]
            if size > MESSAGE_LIMIT:
                found.append(("error", "a message of %d bytes" % size))
                return found, ended
            if len(data) - at - _HEAD.size < size:
                break
            at += _HEAD.size
            found.append(_loaded(data[at : at + size]))
            at += size
        self._pending = data[at:]
        return found, ended

    def reaped(self) -> bool:
        """Whether it has ended (`status` is then its wait status)."""
        if self.status is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.status = status
        return self.status is not None

    def runnable(self) -> bool:
        """Whether it wants nothing but a CPU; False where that cannot be told."""
        return _of(self.pid, "stat").rpartition(")")[2].split()[:1] == ["R"]

    def starved(self) -> float:
        """Seconds it has waited for a CPU in all; without an end while it is runnable. 0 where the kernel does not
        tell."""
        if self.runnable():
            return float("inf")
        waits = _of(self.pid, "schedstat").split()
        return int(waits[1]) / 1e9 if len(waits) > 1 and waits[1].isdigit() else 0.0

    def ran(self) -> float:
        """Seconds of CPU it has used in all, a tenth of a second for a whole host; 0 where the kernel does not tell."""
        ran = _of(self.pid, "schedstat").split()[:1]
        return int(ran[0]) / 1e9 if ran and ran[0].isdigit() else 0.0

    def signal(self) -> int:
        """The number of the signal that ended it; 0 when it left by itself."""
        return 0 if self.status is None else self.status & 127

    def close(self) -> None:
        """Let go of the pipe and the shared memory."""
        if self.inlet >= 0:
            os.close(self.inlet)
            self.inlet = -1
            self._cell.close()


def _of(pid: int, name: str) -> str:
    """What the kernel says of a process; empty where it says nothing."""
    try:
        with open("/proc/%d/%s" % (pid, name)) as file:
            return file.read()
    except OSError:
        return ""


def kill(pid: int) -> None:
    """SIGKILL to a child and to all it started; one that has just ended is none of our business."""
    for send, target in ((os.killpg, pid), (os.kill, pid)):
        try:
            send(target, signal.SIGKILL)
        except OSError:
            pass


def _only(outlet: int, keep: "Collection[int]") -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    wanted = sorted(set(keep) | {outlet})
    low = 3
    for fd in wanted:
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 256)


def _loaded(data: bytes) -> "Any":
    try:
        kind, value = marshal.loads(data)
    except (EOFError, ValueError, TypeError):
        return "error", "a message that cannot be read"
    return kind, value


def _send(outlet: int, message: "Any") -> None:
    data = marshal.dumps(message)
    if len(data) > MESSAGE_LIMIT:
        raise ValueError("more than can be told: %d bytes" % len(data))
    data = _HEAD.pack(len(data)) + data
    while data:
        try:
            data = data[os.write(outlet, data) :]
        except BlockingIOError:
            select.select([], [outlet], [])
