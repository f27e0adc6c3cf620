"""The probe: one request on stdin, the snapshot as JSON lines on stdout, inside its deadline, with nothing left behind.

The process that talks to the controller touches nothing that can block: facts and NVML are read by children it watches.
"""

import os
import resource
import select
import signal
import sys
import time

from gigactl.payload import child, protocol
from gigactl.payload.plans import FactsPlan, NvmlPlan, emptied
from gigactl.payload.reader_lock import ReaderLock
from gigactl.payload.watch import Watch, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Dict, Optional

    from gigactl.payload.plans import Read
    from gigactl.payload.watch import Begin, Report

PROTOCOL = 1
TICK = 0.05  # seconds between looks at children that say nothing
ALARM_AFTER = 1.5  # seconds past the deadline at which a probe that cannot even write is ended by the kernel's timer


class CutError(Exception):
    """Nobody listens any more, or we were told to go."""


def main(place: str = "") -> int:
    """Serve one probe. The exit code says only whether the reply is whole; the reply says everything else."""
    started = time.monotonic()
    try:
        request = protocol.read_request(_stdin(), PROTOCOL)
    except protocol.RequestInvalidError as error:
        os.write(2, ("gigactl: %s\n" % error).encode("ascii", "replace"))
        return 3
    probe = Probe(request, started, _write)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, probe.told_to_go)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, as some daemons leave it, no child could be waited for
    signal.setitimer(signal.ITIMER_REAL, request["deadline_s"] + ALARM_AFTER)
    try:
        probe.run(place)
    except (CutError, OSError):
        return 1
    finally:
        probe.end()
    return 0


class Probe:
    """One look at this host. `write` takes bytes; `read` is what the NVML child runs; `root` and `lock` are injected
    by tests."""

    def __init__(
        self,
        request: "Dict[str, Any]",
        started: float,
        write: "Callable[[bytes], None]",
        read: "Optional[Read]" = None,
        root: str = "/",
        lock: "Optional[ReaderLock]" = None,
        kill: "Callable[[int], None]" = child.kill,
        listening: "Optional[Callable[[], bool]]" = None,
    ) -> None:
        self._started = started
        self._ends: "float" = started + request["deadline_s"]
        self._write = write
        self._listening = _listening if listening is None else listening
        self._lock = ReaderLock() if lock is None else lock
        self._cursor = request["kernel_cursor"]
        self._facts = FactsPlan(root, request, self._emit)
        self._nvml = NvmlPlan(request, self._lock, self._emit, self._facts, self._left, read or _read_nvml)
        self._watches = (Watch(self._facts, kill), Watch(self._nvml, kill))

    def run(self, place: str) -> None:
        """Say hello, see both works through, say the rest. Raises CutError when nobody listens."""
        python = ".".join(str(part) for part in sys.version_info[:3])
        hello = {
            "protocol": PROTOCOL,
            "version": protocol.VERSION,
            "python": python,
            "euid": os.geteuid(),
            "place": place,
        }
        self._write(b"\n")  # a greeting may not have ended its line
        self._emit(dict(hello, type="hello"))
        while not all(watch.done for watch in self._watches) and self._left() > 0:
            for watch in self._watches:
                watch.step()
            self._rest_a_moment()
        stop(self._watches)
        self._emit(dict(self._nvml.driver, **(self._facts.module or {})))
        self._nvml.tell_the_lost()
        self._emit({"type": "end", "seconds": round(time.monotonic() - self._started, 4), "cpu_s": _cpu_seconds()})

    def end(self) -> None:
        """Leave nothing that can be killed."""
        for watch in self._watches:
            watch.kill()
        self._lock.close()

    def told_to_go(self, number: int, frame: "Any") -> None:
        """A signal: the session is over, or the deadline passed while a write hung. Leaves at once."""
        self.end()
        os._exit(128 + number)

    def _left(self) -> float:
        return self._ends - time.monotonic()

    def _rest_a_moment(self) -> None:
        inlets = [watch.inlet() for watch in self._watches]
        poller = select.poll()
        for inlet in inlets:
            if inlet >= 0:
                poller.register(inlet, select.POLLIN)
        poller.poll(max(0.0, min(TICK, self._left())) * 1000)
        if not self._listening():
            raise CutError()

    def _emit(self, line: "Dict[str, Any]") -> None:
        try:
            data = protocol.encode(line)
        except (ValueError, TypeError) as error:  # one line that cannot be told must not cost the others
            data = protocol.encode(emptied(line, "not-read: %s" % protocol.printable(str(error)), self._cursor))
        self._write(data)


def _read_nvml(
    begin: "Begin", report: "Report", closed: "Collection[int]", seconds: float, init_seconds: float
) -> None:
    begin("load", seconds)
    from gigactl.payload import nvml  # only the child pays for it

    nvml.work(begin, report, closed, seconds, init_seconds)


def _stdin() -> bytes:
    parts, size = [], 0
    while size <= protocol.REQUEST_LIMIT:
        part = os.read(0, 65536)
        if not part:
            break
        parts.append(part)
        size += len(part)
        if part.endswith(b"\n"):
            break  # one line is one request: do not wait for an end the transport may never send
    return b"".join(parts)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _listening() -> bool:
    """Whether somebody still reads our stdout: a cut session shows as an error or hang-up there."""
    poller = select.poll()
    poller.register(1, 0)
    return not any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in poller.poll(0))


def _cpu_seconds() -> float:
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return round(sum(usage.ru_utime + usage.ru_stime for usage in usages), 4)
