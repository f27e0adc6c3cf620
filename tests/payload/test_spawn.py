"""Short commands and children: what they answer, and that nothing of them outlives us."""

import os
import subprocess
import sys
import tempfile
import time
import unittest

from gigactl.payload import spawn
from gigactl.payload.watch import Plan, Watch, stop

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def gone(pid):
    end = time.monotonic() + 5
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


class Forks(Plan):
    """A child that starts another and sits."""

    def __init__(self):
        self.pid = 0

    def work(self, begin, report):
        begin("fork", 30.0)
        pid = os.fork()
        if pid:
            report("pid", pid)
        time.sleep(60)

    def heard(self, kind, value):
        self.pid = value

    def interrupted(self, step, why):
        return False


class Commands(unittest.TestCase):
    def test_one_that_takes_its_time_to_end_has_answered(self):
        self.assertEqual(spawn.run(("/bin/sh", "-c", "echo yes; exec >&-; sleep 0.3; exit 3"), 10.0), (3, b"yes\n"))

    def test_one_that_never_ends_has_not(self):
        began = time.monotonic()
        self.assertEqual(spawn.run(("/bin/sh", "-c", "echo yes; exec >&-; exec sleep 60"), 0.3), (None, b"yes\n"))
        self.assertEqual(spawn.run(("/bin/sh", "-c", "echo yes; exec sleep 60"), 0.3), (None, b"yes\n"))
        self.assertLess(time.monotonic() - began, 5)

    def test_it_dies_with_its_caller(self):
        with tempfile.NamedTemporaryFile("r") as file:
            command = ("/bin/sh", "-c", "echo $$ > %s; exec sleep 60" % file.name)
            code = "from gigactl.payload import spawn; spawn.run(%r, 60)" % (command,)
            caller = subprocess.Popen([sys.executable, "-c", code], cwd=HERE)
            text = ""
            while not text.endswith("\n"):
                time.sleep(0.02)
                file.seek(0)
                text = file.read()
            caller.kill()
            caller.wait()
        self.assertTrue(gone(int(text)))

    def test_what_a_child_starts_is_killed_with_it(self):
        plan = Forks()
        watch = Watch(plan)
        end = time.monotonic() + 20.0
        while not plan.pid and time.monotonic() < end:
            watch.step()
            time.sleep(0.02)
        stop([watch])
        self.assertTrue(gone(plan.pid))
