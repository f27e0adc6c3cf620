"""Sees one kind of work through: starts its child, hears it, kills it when a step takes too long, starts the next one.

What may hang is the child's; nothing here blocks, and every wait of the probe is one poll over all its children.
"""

import time

from gigactl.payload import child as children

GRACE = 1.0  # seconds a killed child may take to be gone; past it, it sits in the kernel and cannot be killed


class Plan:
    """What is to be done, and what is made of it. A plan lives in the parent; only `work` runs in the child."""

    name = "gigactl"
    finished = False  # set by the plan when it turns out that there is nothing to do

    def ready(self):
        """Whether a child may start now; called again until it may."""
        return True

    def keep(self):
        """File descriptors the child holds on to."""
        return ()

    def work(self, begin, report):
        """In the child."""
        raise NotImplementedError

    def heard(self, kind, value):
        """A message of the child."""
        raise NotImplementedError

    def interrupted(self, step, why):
        """The child ended in this step (`timed-out`, or `failed: …`). True: another child goes on with what is left."""
        raise NotImplementedError

    def stuck(self, step, pid):
        """The child cannot be killed. No other one is started."""
        raise NotImplementedError

    def over(self):
        """Nothing more will be heard."""


class Watch:
    """One plan being carried out. `kill` and `clock` are injected so that a test can have a child that does not die."""

    def __init__(self, plan, kill=children.kill, clock=time.monotonic):
        self._plan = plan
        self._kill = kill
        self._clock = clock
        self._child = None
        self._seen = (-1, 0.0)
        self._killed_at = None
        self.done = False

    def inlet(self):
        """What to poll for; -1 while there is no child."""
        return -1 if self._child is None else self._child.inlet

    def step(self):
        """Look once: hear, time, kill, reap, go on. Never blocks."""
        if self.done:
            return
        if self._child is None:
            if not self._plan.ready():
                if self._plan.finished:
                    self._finish()
                return
            self._child = children.Child(self._plan.work, self._plan.name, self._plan.keep())
            self._seen, self._killed_at = (-1, self._clock()), None
        ended = self._hear()
        if self._child is None:
            return
        if ended:
            self._settle()
        elif self._killed_at is not None:
            self._await_death()
        elif self._overdue():
            self._killed_at = self._clock()
            self._kill(self._child.pid)

    def _hear(self):
        """Take in messages; True when the child is through or its pipe is at its end."""
        messages, ended = self._child.messages()
        for kind, value in messages:
            if kind == "over":
                self._finish()
                return False
            if kind == "error":
                self._retire(value)
                return False
            self._plan.heard(kind, value)
        return ended and not self.done

    def _overdue(self):
        count, seconds, _ = self._child.progress()
        now = self._clock()
        if count != self._seen[0]:
            self._seen = (count, now)
        return count > 0 and now - self._seen[1] > seconds

    def _settle(self):
        """The pipe is closed without a last word: it was killed, by us or by a fault of its own."""
        if not self._child.reaped():
            if self._killed_at is None:
                self._killed_at = self._clock()
                self._kill(self._child.pid)
            self._await_death()
            return
        status = self._child.status
        ours = self._killed_at is not None
        self._retire("timed-out" if ours else "failed: the reader ended by signal %d" % (status & 127), ours)

    def _await_death(self):
        if self._child.reaped():
            self._settle()
        elif self._clock() - self._killed_at > GRACE:
            _, _, step = self._child.progress()
            self._plan.stuck(step, self._child.pid)
            self._finish()

    def _retire(self, why, ours=False):
        _, _, step = self._child.progress()
        self._drop()
        if not self._plan.interrupted(step, why if ours or why.startswith("failed") else "failed: " + why):
            self._finish()

    def _finish(self):
        self._drop()
        self.done = True
        self._plan.over()

    def _drop(self):
        if self._child is not None:
            if not self._child.reaped():
                _reap_soon(self._child)
            self._child.close()
            self._child = None

    def kill(self):
        """Kill the child, if there is one, without waiting for it."""
        if self._child is not None:
            self._kill(self._child.pid)

    def stop(self):
        """The probe's time is up: kill, give it its moment, and let the plan say what was left."""
        if self.done:
            return
        if self._child is not None:
            self._hear()
        if self._child is not None:
            _, _, step = self._child.progress()
            pid = self._child.pid
            self._kill(pid)
            end = self._clock() + GRACE
            while not self._child.reaped() and self._clock() < end:
                time.sleep(0.01)
            if self._child.reaped():
                self._plan.interrupted(step, "timed-out")
            else:
                self._plan.stuck(step, pid)
        self._finish()


def _reap_soon(child):
    """Wait for one that has said its last word; it only has to leave. Killed if it does not (20 ms)."""
    for _ in range(20):
        if child.reaped():
            return
        time.sleep(0.001)
    children.kill(child.pid)
