"""Sees one kind of work through: starts its child, hears it, kills it when a step takes too long, starts the next one.

What may hang is the child's; nothing here blocks, and every wait of the probe is one poll over all its children.
"""

import signal
import time

from gigactl.payload import child as children
from gigactl.payload.protocol import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Optional, Sequence

    Begin = Callable[[str, float], None]
    Report = Callable[[str, Any], None]
    Work = Callable[[Begin, Report], None]

GRACE = 1.0  # seconds a killed child may take to be gone; past it, it sits in the kernel and cannot be killed
SPIN = 2.0  # seconds of CPU beyond a step's time that no reader at work uses: all of a host of 8 GPUs takes 0.1
# what a library does to its process; any other signal came from outside, as when memory ran out, and says nothing of it
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE)
TIME_UP = "timed-out: the probe's time was up"
LOOK = 0.25  # seconds between two looks of ours that still count as watching; the probe means to look every 0.05


class Plan:
    """What is to be done, and what is made of it. A plan lives in the parent; only `work` runs in the child."""

    name = "gigactl"
    finished = False  # set by the plan when it turns out that there is nothing to do

    def ready(self) -> bool:
        """Whether a child may start now; called again until it may."""
        return True

    def keep(self) -> "Collection[int]":
        """File descriptors the child holds on to."""
        return ()

    def work(self, begin: "Begin", report: "Report") -> None:
        """In the child."""
        raise NotImplementedError

    def heard(self, kind: str, value: "Any") -> None:
        """A message of the child."""
        raise NotImplementedError

    def interrupted(self, step: str, why: str) -> bool:
        """The child ended in this step (`timed-out`, `timed-out: …` where it still had time, `failed: …`
        for a crash, `not-read: …` for what is not its doing). True: another child goes on with what is left."""
        raise NotImplementedError

    def grace(self, step: str) -> float:
        """Seconds a child killed in this step may take to be gone; past them it cannot be killed."""
        return GRACE

    def doomed(self, pid: int) -> None:
        """The child is about to be killed."""

    def stuck(self, step: str, pid: int) -> None:
        """The child cannot be killed. No other one is started."""
        raise NotImplementedError

    def over(self) -> None:
        """Nothing more will be heard."""


class Patience:
    """How long we have waited, fairly: a host without a CPU to spare is not a host that hangs.

    While we ourselves did not run (starved, or held up by a slow reader of our output) the child may have waited for
    us, so that time does not count.
    """

    def __init__(self, clock: "Callable[[], float]") -> None:
        self._clock = clock
        self._looked = clock()
        self._waited = 0.0

    def look(self) -> float:
        """Seconds waited until now."""
        now = self._clock()
        self._waited += min(now - self._looked, LOOK)
        self._looked = now
        return self._waited


class Watch:
    """One plan being carried out. `kill` and `clock` are injected so that a test can have a child that does not die."""

    def __init__(
        self, plan: Plan, kill: "Callable[[int], None]" = children.kill, clock: "Callable[[], float]" = time.monotonic
    ) -> None:
        self._plan = plan
        self._kill = kill
        self._clock = clock
        self._child: "Optional[children.Child]" = None
        self._seen = (-1, Patience(clock), 0.0)  # steps begun, how long we wait for this one, CPU used before it
        self._leaving: "Optional[Patience]" = None
        self._dying: "Optional[Patience]" = None
        self._late = True  # whether it was killed for overrunning a step's time
        self.done = False

    def inlet(self) -> int:
        """What to poll for; -1 while there is no child."""
        return -1 if self._child is None else self._child.inlet

    def step(self) -> None:
        """Look once: hear, time, kill, reap, go on. Never blocks."""
        if self.done:
            return
        child = self._child or self._started()
        if child is None:
            return
        ended = self._hear(child)
        if self._child is None:
            return
        if ended and (self._dying is not None or child.reaped()):
            self._await_death(child)
        elif ended:
            self._await_leave(child)
        elif self._dying is not None:
            self._await_death(child)
        elif self._overdue(child):
            self._end(child)

    def _started(self) -> "Optional[children.Child]":
        if not self._plan.ready():
            if self._plan.finished:
                self._finish()
            return None
        self._seen, self._leaving, self._dying = (-1, Patience(self._clock), 0.0), None, None
        self._child = children.Child(self._plan.work, self._plan.name, self._plan.keep())
        return self._child

    def _hear(self, child: "children.Child") -> bool:
        """Take in messages, the last word included; True when the pipe is at its end without one."""
        messages, ended = child.messages()
        for kind, value in messages:
            if kind == "over":
                self._finish()
                return False
            if kind == "error":
                self._retire(child, "not-read: %s" % value)
                return False
            try:
                self._plan.heard(kind, value)
            except OSError:  # of our own output: nobody reads it any more
                raise
            except Exception as error:  # whatever one child says, the rest of the probe is still to be told
                self._retire(child, "not-read: %s" % printable("%s: %s" % (type(error).__name__, error)))
                return False
        return ended

    def _overdue(self, child: "children.Child") -> bool:
        count, seconds, _ = child.progress()
        if count != self._seen[0]:
            self._seen = (count, Patience(self._clock), child.ran())
        waited = self._seen[1].look()
        # one that spins in its driver is always runnable, but it is not short of a CPU
        spins = child.ran() - self._seen[2] > seconds + SPIN
        return count > 0 and waited > seconds and (spins or waited - child.starved() > seconds)

    def _await_leave(self, child: "children.Child") -> None:
        """It closed its pipe without a last word: on its way out, most likely after a crash, or it has to be ended."""
        self._leaving = self._leaving or Patience(self._clock)
        if self._leaving.look() > GRACE:
            self._end(child)

    def _end(self, child: "children.Child") -> None:
        self._dying = Patience(self._clock)
        self._plan.doomed(child.pid)
        self._kill(child.pid)

    def _await_death(self, child: "children.Child") -> None:
        if child.reaped():
            self._retire(child, self._how_it_ended(child.signal()))
        elif self._will_not_die(child):
            _, _, step = child.progress()
            self._plan.stuck(step, child.pid)
            self._finish()

    def _will_not_die(self, child: "children.Child") -> bool:
        """Whether it was killed so long ago that it cannot be; one that only wants for a CPU is as good as gone."""
        if self._dying is None or child.runnable():
            return False
        return self._dying.look() > self._plan.grace(child.progress()[2])

    def _how_it_ended(self, number: int) -> str:
        if self._dying is not None and number == signal.SIGKILL:
            return "timed-out"
        if number in CRASHES:
            return "failed: the reader ended by signal %d" % number
        return "not-read: the reader was ended by signal %d" % number if number else "not-read: the reader just ended"

    def _retire(self, child: "children.Child", why: str) -> None:
        _, _, step = child.progress()
        self._drop()
        if not child.reaped():
            self._kill(child.pid)
        if not self._plan.interrupted(step, why):
            self._finish()

    def _finish(self) -> None:
        self._drop()
        self.done = True
        self._plan.over()

    def _drop(self) -> None:
        if self._child is not None:
            _reap_soon(self._child)
            self._child.close()
            self._child = None

    def kill(self) -> None:
        """Kill the child, if there is one, without waiting for it."""
        if self._child is not None:
            self._plan.doomed(self._child.pid)
            self._kill(self._child.pid)

    def give_up(self) -> None:
        """The probe's time is up: hear the child's last and kill it. `stop` does the rest."""
        if self._child is not None:
            child = self._child
            self._hear(child)
            if self._child is child and self._dying is None:
                self._late = self._overdue(child)
                self._end(child)

    def gone(self) -> bool:
        """Whether no child is left to wait for."""
        if self._dying is not None:
            self._dying.look()
        return self._child is None or self._child.reaped()

    def tell(self) -> None:
        """After `give_up`: let the plan say what was left."""
        child = self._child
        if self.done:
            return
        if child is not None:
            _, _, step = child.progress()
            if self._late and self._will_not_die(child):
                self._plan.stuck(step, child.pid)
            else:  # a step that still had its time did not hang, however long its end takes
                self._plan.interrupted(step, "timed-out" if self._late and child.reaped() else TIME_UP)
        self._finish()


def stop(watches: "Sequence[Watch]", clock: "Callable[[], float]" = time.monotonic) -> None:
    """The probe's time is up: end all works at once, with one grace for all, and let each plan say what was left."""
    for watch in watches:
        watch.give_up()
    grace = Patience(clock)
    waiting = list(watches)
    while waiting and grace.look() <= GRACE:
        waiting = [watch for watch in waiting if not watch.gone()]
        time.sleep(0.01 if waiting else 0)
    for watch in watches:
        watch.tell()


def _reap_soon(child: "children.Child") -> None:
    """Wait 20 ms for one that has said its last word; it only has to leave. It holds nothing of the caller's."""
    for _ in range(20):
        if child.reaped():
            return
        time.sleep(0.001)
