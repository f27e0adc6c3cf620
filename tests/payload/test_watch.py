"""Waiting fairly: who only wants for a CPU, or was held up by us, does not hang; who sits still does."""

import os
import stat
import time
import unittest

from gigactl.payload.child import MESSAGE_LIMIT, kill
from gigactl.payload.probe import ALARM_AFTER
from gigactl.payload.watch import LOOK, Patience, Plan, Watch, stop


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Noted(Plan):
    """Runs `job` in the child and keeps what is heard of it."""

    def __init__(self, job):
        self.job = job
        self.got, self.broken, self.doomed_pids = [], [], []

    def work(self, begin, report):
        self.job(begin, report)

    def heard(self, kind, value):
        self.got.append((kind, value))

    def interrupted(self, step, why):
        self.broken.append((step, why))
        return False

    def doomed(self, pid):
        self.doomed_pids.append(pid)

    def stuck(self, step, pid):
        self.broken.append((step, "stuck"))


def spin(begin, report):
    begin("spin", 0.1)
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        pass
    report("spun", True)


def sit(begin, report):
    begin("sit", 0.3)
    time.sleep(60)


def dawdle(begin, report):
    begin("slow", 30.0)
    time.sleep(60)


def talk(begin, report):
    """More than a pipe holds, so that it waits for its reader in the middle of a step."""
    begin("talk", 0.3)
    for _ in range(40):
        report("said", b"x" * 10000)
    begin("rest", 5.0)
    report("said", b"all")


def outlet():
    """The one pipe a child has."""
    for number in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISFIFO(os.fstat(int(number)).st_mode):
                return int(number)
        except OSError:  # the directory's own
            pass
    raise AssertionError("no pipe")


def end_all(plans):
    for plan in plans:
        for pid in plan.doomed_pids:
            kill(pid)


def watched(plan, seconds, look=0.02):
    watch = Watch(plan)
    end = time.monotonic() + seconds
    while not watch.done and time.monotonic() < end:
        watch.step()
        time.sleep(look)
    return watch


class Fairness(unittest.TestCase):
    def test_time_in_which_nobody_looked_counts_little(self):
        clock = Clock()
        patience = Patience(clock)
        clock.now += 100.0
        self.assertAlmostEqual(patience.look(), LOOK)
        for _ in range(10):
            clock.now += 0.05
            waited = patience.look()
        self.assertAlmostEqual(waited, LOOK + 0.5)

    def test_a_child_at_work_on_a_cpu_is_not_overdue(self):
        plan = Noted(spin)
        watched(plan, 20.0)
        self.assertEqual((plan.got, plan.broken), ([("spun", True)], []))

    def test_a_child_that_sits_still_is(self):
        plan = Noted(sit)
        began = time.monotonic()
        watched(plan, 20.0)
        self.assertEqual(plan.broken, [("sit", "timed-out")])
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_a_child_held_up_by_us_is_not(self):
        plan = Noted(talk)
        watch = Watch(plan)
        watch.step()
        time.sleep(1.0)  # we are away for longer than its step may take
        end = time.monotonic() + 20.0
        while not watch.done and time.monotonic() < end:
            watch.step()
            time.sleep(0.02)
        self.assertEqual(plan.broken, [])
        self.assertEqual(plan.got[-1], ("said", b"all"))

    def test_the_end_of_the_probe_is_not_called_a_hang(self):
        plan = Noted(dawdle)
        watch = Watch(plan)
        for _ in range(5):
            watch.step()
            time.sleep(0.02)
        stop([watch])
        self.assertEqual(plan.broken, [("slow", "timed-out: the probe's time was up")])

    def test_a_child_that_says_too_much_ends_only_itself(self):
        def shout(begin, report):
            begin("shout", 5.0)
            report("said", b"x" * (MESSAGE_LIMIT + 1))

        plan = Noted(shout)
        self.assertTrue(watched(plan, 20.0).done)
        self.assertEqual((plan.got, [step for step, _ in plan.broken]), ([], ["shout"]))
        self.assertIn("more than can be told", plan.broken[0][1])

    def test_a_child_whose_memory_is_not_its_own_ends_only_itself(self):
        for data in (b"\xff" * 8, b"\x01\x00\x00\x00\x00", b"\x02\x00\x00\x00N."):

            def scribble(begin, report, data=data):
                begin("scribble", 5.0)
                os.write(outlet(), data)
                time.sleep(60)

            plan = Noted(scribble)
            self.assertTrue(watched(plan, 20.0).done)
            self.assertIn("a message", plan.broken[0][1])

    def test_what_a_child_computed_before_a_step_does_not_make_it_spin_there(self):
        def worked(begin, report):
            begin("work", 30.0)
            end = time.monotonic() + 2.6
            while time.monotonic() < end:
                pass
            spin(begin, report)

        plan = Noted(worked)
        watched(plan, 30.0)
        self.assertEqual((plan.got, plan.broken), ([("spun", True)], []))

    def test_all_that_cannot_be_killed_share_one_grace(self):
        plans = [Noted(sit), Noted(sit)]
        watches = [Watch(plan, kill=lambda pid: None) for plan in plans]
        self.addCleanup(end_all, plans)
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            for watch in watches:
                watch.step()
            time.sleep(0.02)
        began = time.monotonic()
        stop(watches)
        self.assertLess(time.monotonic() - began, ALARM_AFTER)
        self.assertEqual([plan.broken for plan in plans], [[("sit", "stuck")]] * 2)

    def test_nothing_is_left_of_a_child(self):
        plan = Noted(lambda begin, report: (report("pid", os.getpid()), sit(begin, report)))
        watch = Watch(plan)
        end = time.monotonic() + 20.0
        while not plan.got and time.monotonic() < end:
            watch.step()
            time.sleep(0.02)
        stop([watch])
        with self.assertRaises(ProcessLookupError):
            os.kill(plan.got[0][1], 0)


if __name__ == "__main__":
    unittest.main()
