"""Who may read NVML: one at a time, never beside one that has been killed and is still there."""

import os
import shutil
import tempfile
import unittest

from gigactl.payload.reader_lock import READING, STARTING, ReaderLock

STATUS = "Name:\tgigactl-nvml\nState:\tD (disk sleep)\nPPid:\t%d\nSigPnd:\t%016x\nShdPnd:\t%016x\n"
KILLED = 1 << 8


class Lock(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="gigactl-lock-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.place, self.proc = self.directory + "/run", self.directory + "/proc"
        os.makedirs(self.proc)
        self.now = 100.0

    def lock(self, *places):
        lock = ReaderLock(places or (self.place,), self.proc, lambda: self.now)
        self.addCleanup(lock.close)
        return lock

    def held(self, where=STARTING):
        holder = self.lock()
        self.assertTrue(holder.try_take())
        os.pwrite(holder.fd, b"4711 4700 %d" % where, 0)
        return holder

    def process(self, pid, parent, pending=0, shared=0, comm="gigactl-nvml"):
        os.makedirs("%s/%d" % (self.proc, pid), exist_ok=True)
        for name, text in (("status", STATUS % (parent, pending, shared)), ("comm", comm + "\n")):
            with open("%s/%d/%s" % (self.proc, pid, name), "w") as file:
                file.write(text)

    def test_one_at_a_time(self):
        first, second = self.held(), self.lock()
        self.assertFalse(second.try_take())
        self.assertEqual(second.holder, 4711)
        first.close()
        self.assertTrue(second.try_take())

    def test_a_healthy_reader_is_waited_for(self):
        self.held()
        self.process(4711, parent=4700)
        lock = self.lock()
        for _ in range(5):
            self.assertFalse(lock.try_take())
            self.now += 10
        self.assertEqual(lock.stuck, 0)

    def looks(self, lock, seconds):
        """What `stuck` says after looking for so long, every second."""
        for _ in range(seconds):
            self.now += 1.0
            self.assertFalse(lock.try_take())
        return lock.stuck

    def test_a_killed_reader_is_given_the_time_a_cold_driver_takes_to_end_and_is_then_stuck(self):
        for mark in ({"pending": KILLED}, {"shared": KILLED}):
            holder = self.held()
            self.process(4711, parent=4700, **mark)
            lock = self.lock()
            self.assertEqual(self.looks(lock, 25), 0)
            self.assertTrue(lock.ending)
            self.assertEqual(self.looks(lock, 10), 4711)
            holder.close()

    def test_one_that_no_signal_reaches_in_a_call_on_a_gpu_is_stuck_sooner(self):
        self.held(READING)
        self.process(4711, parent=4700, pending=KILLED)
        self.assertEqual(self.looks(self.lock(), 8), 0)
        self.assertEqual(self.looks(self.lock(), 5), 4711)

    def test_a_reader_whose_probe_is_gone_has_been_killed(self):
        self.held(READING)
        self.process(4711, parent=1)
        lock = self.lock()
        self.assertEqual(self.looks(lock, 25), 0)
        self.assertEqual(self.looks(lock, 10), 4711)

    def test_who_kills_a_reader_tells_the_probes_after_it(self):
        self.held()
        self.lock().doom(4711)
        self.now += 31.0
        self.process(4711, parent=4700, pending=KILLED)
        self.assertEqual(self.looks(self.lock(), 1), 4711)

    def test_what_was_written_of_another_reader_does_not_count(self):
        self.held()
        self.lock().doom(4712)
        self.now += 31.0
        self.process(4711, parent=4700, pending=KILLED)
        self.assertEqual(self.looks(self.lock(), 5), 0)

    def test_a_short_record_leaves_nothing_of_a_longer_one(self):
        holder = self.held(READING)
        holder.say(99, STARTING)
        lock = self.lock()
        self.assertFalse(lock.try_take())
        self.assertEqual(lock.holder, 99)
        with open(self.place + "/reader") as file:
            self.assertEqual(file.read().split(), ["99", str(os.getppid()), str(STARTING)])

    def test_a_reader_that_went_in_time_is_not_held_against_the_next(self):
        self.held()
        self.process(4711, parent=4700, pending=KILLED)
        lock = self.lock()
        self.assertFalse(lock.try_take())
        self.process(4711, parent=4700)
        self.assertEqual(self.looks(lock, 60), 0)
        self.assertFalse(lock.ending)

    def test_a_place_that_others_own_is_passed_over(self):
        if os.geteuid() != 0:
            self.skipTest("needs a file of another user")
        os.makedirs(self.place)
        os.chown(self.place, 12345, 12345)
        second = self.directory + "/shm"
        self.assertTrue(self.lock(self.place, second).try_take())
        self.assertEqual(os.listdir(self.place), [])
        self.assertEqual(os.listdir(second), ["reader"])

    def test_in_a_directory_open_to_all_the_file_carries_our_number(self):
        os.makedirs(self.place)
        os.chmod(self.place, 0o1777)
        self.assertTrue(self.lock().try_take())
        self.assertEqual(os.listdir(self.place), ["gigactl-reader-%d" % os.geteuid()])

    def test_a_link_in_its_place_is_not_followed(self):
        os.makedirs(self.place)
        os.chmod(self.place, 0o1777)
        victim = self.directory + "/victim"
        os.symlink(victim, self.place + "/gigactl-reader-%d" % os.geteuid())
        self.assertEqual(self.lock().fd, -1)
        self.assertFalse(os.path.exists(victim))

    def test_without_a_place_readers_are_looked_for_by_name(self):
        lock = self.lock("/proc/nonexistent")
        self.assertTrue(lock.try_take())
        self.process(4712, parent=4700, comm="bash")
        self.assertTrue(lock.try_take())
        self.process(4711, parent=4700, pending=KILLED)
        self.assertEqual(self.looks(lock, 32), 4711)
