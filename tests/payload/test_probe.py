"""A probe's whole life: what it says when its reader hangs, crashes, is lost or cannot be killed, and what it leaves
behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from gigactl.payload import plans, protocol
from gigactl.payload.reader_lock import STARTING, ReaderLock
from tests.payload.trees import Tree

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def alive(pid):
    """Whether a process is still there and not only waiting to be reaped."""
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


class Probing(unittest.TestCase):
    def setUp(self):
        self.tree = Tree("sr680a-v3")
        self.addCleanup(self.tree.close)
        self.place = tempfile.mkdtemp(prefix="gigactl-lock-")
        self.addCleanup(shutil.rmtree, self.place)

    def start(self, reader, deadline=10.0, stdout=subprocess.PIPE, reading=5.0):
        request = {
            "protocol": 1,
            "deadline_s": deadline,
            "reading_deadline_s": reading,
            "kernel_cursor": None,
            "kernel_limit_bytes": 1 << 20,
        }
        argv = [sys.executable, "-m", "tests.payload.standin", reader, self.tree.root, self.place, json.dumps(request)]
        process = subprocess.Popen(argv, cwd=HERE, stdout=stdout, start_new_session=True)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()

    def probe(self, reader, **options):
        output, _ = self.start(reader, **options).communicate()
        self.assertEqual(output[:1], b"\n")  # a greeting may not have ended its line
        return [json.loads(line) for line in output.decode("ascii").splitlines()[1:]]

    def pieces(self, lines):
        """(driver, gpus by index) of a whole reply."""
        self.assertEqual(lines[0]["type"], "hello")
        self.assertEqual(lines[-1]["type"], "end")
        self.assertEqual(len([line for line in lines if line["type"] in ("facts", "kernel", "driver")]), 3)
        return (
            next(line for line in lines if line["type"] == "driver"),
            {line["index"]: line for line in lines if line["type"] == "gpu"},
        )

    def reader(self):
        """Who wrote its name into the lock last."""
        with open(self.place + "/reader") as file:
            return int(file.read().split()[0])

    def test_healthy(self):
        lines = self.probe("healthy")
        driver, gpus = self.pieces(lines)
        self.assertEqual((driver["state"], driver["gpu_count"], driver["loaded"]), ("ok", 3, "580.126.20"))
        self.assertEqual(driver["flavour"], "open")
        self.assertEqual(gpus[2]["values"], {"temperature.core": 32, "remap.pending": False})
        self.assertEqual(gpus[2]["unread"], {})
        facts = next(line for line in lines if line["type"] == "facts")
        self.assertEqual(facts["dmi"]["machine_type"], "7DHE")
        self.assertEqual([gpu["address"] for gpu in facts["pci_gpus"]], ["0000:19:00.0", "0000:4e:00.0"])
        self.assertGreater(lines[-1]["cpu_s"], 0)
        self.assertFalse(alive(self.reader()))

    def test_one_gpu_hangs_and_the_others_are_read(self):
        driver, gpus = self.pieces(self.probe("hangs", reading=1.0))
        self.assertEqual(driver["state"], "ok")
        self.assertEqual(gpus[1]["values"], {"temperature.core": 31})
        self.assertEqual(gpus[1]["unread"]["remap.pending"], "timed-out")
        self.assertEqual(gpus[1]["unread"]["*"], "timed-out: NVML did not come back from remap.pending")
        for index in (0, 2):
            self.assertEqual(gpus[index]["values"]["remap.pending"], False)
        self.assertFalse(alive(self.reader()))

    def test_one_gpu_spins_and_the_others_are_read(self):
        _, gpus = self.pieces(self.probe("spins", reading=1.0, deadline=20.0))
        self.assertEqual(gpus[1]["unread"]["remap.pending"], "timed-out")
        self.assertEqual(gpus[2]["values"]["remap.pending"], False)
        self.assertFalse(alive(self.reader()))

    def test_a_handle_hangs(self):
        driver, gpus = self.pieces(self.probe("handle-hangs", reading=1.0))
        self.assertEqual(driver["state"], "ok")
        self.assertEqual(sorted(gpus), [0, 1, 2])
        self.assertTrue(gpus[0]["unread"]["*"].startswith("timed-out"))
        self.assertEqual(gpus[1]["unread"], {})

    def test_init_hangs(self):
        driver, gpus = self.pieces(self.probe("init-hangs", reading=1.0))
        self.assertEqual((driver["state"], gpus), ("timed-out", {}))
        self.assertFalse(alive(self.reader()))

    def test_a_start_that_is_slow_to_die_is_no_hang(self):
        for deadline in (6.0, 1.5):
            driver, gpus = self.pieces(self.probe("init-slow-to-die", deadline=deadline))
            self.assertEqual((driver["state"], driver["reader"], gpus), ("timed-out", 0, {}))

    def test_a_predecessor_that_is_slow_to_die_is_waited_for(self):
        holder = ReaderLock((self.place,))
        self.assertTrue(holder.try_take())
        reader = os.fork()
        if reader == 0:
            os.pwrite(holder.fd, b"%d 1 %d" % (os.getpid(), STARTING), 0)  # as if its probe were gone
            time.sleep(3)
            os._exit(0)
        holder.close()
        driver, gpus = self.pieces(self.probe("healthy"))
        os.waitpid(reader, 0)
        self.assertEqual((driver["state"], sorted(gpus)), ("ok", [0, 1, 2]))

    def test_the_deadline_passes(self):
        begun = time.monotonic()
        driver, gpus = self.pieces(self.probe("all-hang", deadline=2.5, reading=1.0))
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(driver["state"], "ok")
        self.assertEqual({gpu["unread"]["*"].split(":")[0] for gpu in gpus.values()}, {"timed-out"})
        self.assertEqual(sorted(gpus), [0, 1, 2])
        self.assertFalse(alive(self.reader()))

    def test_a_section_of_facts_hangs_and_the_others_are_read(self):
        self.tree.drop("/sys/class/dmi/id/sys_vendor")
        os.mkfifo(self.tree.root + "/sys/class/dmi/id/sys_vendor")  # to open it waits for a writer
        lines = self.probe("healthy", reading=1.0)
        self.pieces(lines)
        facts = next(line for line in lines if line["type"] == "facts")
        self.assertEqual(facts["unread"]["dmi"], "timed-out")
        self.assertEqual(facts["hostname"], "gpu001")
        self.assertEqual(len(facts["pci_gpus"]), 2)
        self.assertEqual(len(next(line for line in lines if line["type"] == "kernel")["events"]), 4)

    def test_the_kernel_log_hangs(self):
        self.tree.drop("/proc/sys/kernel/random/boot_id")
        os.mkfifo(self.tree.root + "/proc/sys/kernel/random/boot_id")
        lines = self.probe("healthy", deadline=4.0, reading=1.0)
        driver, gpus = self.pieces(lines)
        self.assertEqual((driver["state"], len(gpus)), ("ok", 3))
        facts = next(line for line in lines if line["type"] == "facts")
        self.assertEqual(facts["unread"]["identity"], "timed-out")
        kernel = next(line for line in lines if line["type"] == "kernel")
        self.assertEqual(kernel["unread"], "timed-out: the probe's time was up")

    def test_a_kernel_log_full_of_xids_costs_nothing_else(self):
        xid = "4,%d,%d,-;NVRM: Xid (PCI:0000:19:00): 13, pid=7, name=train, Graphics Exception: ESR 0x504730=0x124000e"
        self.tree.put("/dev/kmsg", "\n".join(xid % (number, number) for number in range(6000)))
        lines = self.probe("healthy")
        driver, gpus = self.pieces(lines)
        self.assertEqual((driver["state"], len(gpus)), ("ok", 3))
        kernel = next(line for line in lines if line["type"] == "kernel")
        self.assertEqual((kernel["unread"], kernel["cursor"]["usec"]), ("", 5999))
        self.assertIn("left out", kernel["gap_reason"])

    def test_a_gpu_that_cannot_be_told_costs_only_itself(self):
        for reader, why in (("endless", "line of"), ("not-a-number", "Out of range"), ("shapeless", "KeyError")):
            _, gpus = self.pieces(self.probe(reader))
            self.assertEqual(gpus[1]["values"], {}, reader)
            self.assertIn(why, gpus[1]["unread"]["*"])
            self.assertEqual(gpus[2]["unread"], {})

    def test_a_section_that_cannot_be_told_says_so(self):
        long = "x" * protocol.LINE_LIMIT
        kernel = plans.emptied({"type": "kernel", "events": [long]}, "not-read: long", {"boot_id": "b", "usec": 7})
        self.assertEqual((kernel["unread"], kernel["cursor"]), ("not-read: long", {"boot_id": "b", "usec": 7}))
        facts = plans.emptied({"type": "facts", "hostname": long}, "not-read: long", None)
        self.assertEqual((facts["hostname"], facts["unread"]["identity"]), ("", "not-read: long"))

    def test_a_reader_that_crashes_costs_one_gpu(self):
        _, gpus = self.pieces(self.probe("crashes"))
        self.assertEqual(gpus[1]["unread"]["*"], "failed: the reader ended by signal 11")
        self.assertEqual(gpus[2]["unread"], {})

    def test_a_reader_that_stumbles_costs_one_gpu(self):
        _, gpus = self.pieces(self.probe("stumbles"))
        self.assertEqual(gpus[1]["unread"]["*"], "not-read: KeyError: 'nobody expected this'")
        self.assertEqual(gpus[2]["unread"], {})

    def test_a_reader_ended_from_outside_says_nothing_of_its_gpu(self):
        for reader in ("killed", "told-to-go"):
            _, gpus = self.pieces(self.probe(reader))
            self.assertTrue(gpus[1]["unread"]["*"].startswith("not-read: the reader was ended by signal"), reader)
            self.assertEqual(gpus[2]["unread"], {})

    def test_a_lost_gpu_has_the_address_nobody_else_has(self):
        _, gpus = self.pieces(self.probe("lost"))
        self.assertEqual(gpus[1]["unread"], {"*": "lost"})
        self.assertEqual(gpus[1]["pci"], "0000:4e:00.0")

    def test_what_init_may_say(self):
        for reader, state, code in (
            ("not-loaded", "not-loaded", 9),
            ("mismatch", "mismatch", 18),
            ("no-library", "no-library", 12),
            ("unknown", "failed", 999),
        ):
            driver, gpus = self.pieces(self.probe(reader))
            self.assertEqual((driver["state"], driver["nvml_error"], gpus), (state, code, {}))
            self.assertEqual(driver["library"], "580.1")

    def test_a_reader_that_cannot_be_killed_is_not_joined_by_a_second(self):
        # alive while its parent lives: the stand-in kills nothing, and neither does the end of its parent reach it here
        first = self.start("unkillable", deadline=12.0, reading=1.0)
        assert first.stdout is not None
        lines = [json.loads(line) for line in first.stdout if line.strip()]
        driver, gpus = self.pieces(lines)
        self.assertEqual(driver["state"], "hung")
        self.assertEqual(driver["reader"], self.reader())
        self.assertEqual(gpus[0]["values"]["remap.pending"], False)
        self.assertEqual(gpus[1]["unread"]["remap.pending"], "timed-out")
        self.assertEqual(gpus[2]["unread"], {"*": "not-read: the NVML reader hangs"})

    def test_a_concurrent_probe_is_waited_for(self):
        first = self.start("slow")
        while not os.path.exists(self.place + "/reader") or os.path.getsize(self.place + "/reader") == 0:
            time.sleep(0.02)
        driver, gpus = self.pieces(self.probe("healthy"))
        self.assertEqual((driver["state"], sorted(gpus)), ("ok", [0, 1, 2]))
        output, _ = first.communicate()
        self.assertEqual(self.pieces([json.loads(line) for line in output.splitlines() if line])[0]["state"], "ok")

    def test_a_probe_that_waits_in_vain_says_for_whom(self):
        first = self.start("all-hang", reading=20.0, deadline=20.0)
        while not os.path.exists(self.place + "/reader") or os.path.getsize(self.place + "/reader") == 0:
            time.sleep(0.02)
        driver, gpus = self.pieces(self.probe("healthy", deadline=1.5))
        self.assertEqual((driver["state"], gpus), ("timed-out", {}))
        self.assertIn("(process %d)" % self.reader(), driver["detail"])
        self.end(first)

    def test_the_reader_dies_with_its_probe(self):
        first = self.start("hangs", reading=20.0, deadline=20.0)
        while not os.path.exists(self.place + "/reader") or os.path.getsize(self.place + "/reader") == 0:
            time.sleep(0.02)
        reader = self.reader()
        self.assertTrue(alive(reader))
        first.kill()
        self.gone(reader)

    def test_a_cut_session_ends_probe_and_reader(self):
        first = self.start("hangs", reading=20.0, deadline=20.0)
        while not os.path.exists(self.place + "/reader") or os.path.getsize(self.place + "/reader") == 0:
            time.sleep(0.02)
        reader = self.reader()
        assert first.stdout is not None
        first.stdout.close()
        self.assertNotEqual(first.wait(5), 0)
        self.gone(reader)

    def test_a_hang_up_ends_probe_and_reader(self):
        first = self.start("hangs", reading=20.0, deadline=20.0)
        while not os.path.exists(self.place + "/reader") or os.path.getsize(self.place + "/reader") == 0:
            time.sleep(0.02)
        reader = self.reader()
        first.send_signal(signal.SIGHUP)
        self.assertEqual(first.wait(5), 128 + signal.SIGHUP)
        self.gone(reader)

    def gone(self, pid):
        end = time.monotonic() + 5
        while alive(pid) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertFalse(alive(pid))


class Main(unittest.TestCase):
    """The entry itself, on this host."""

    def start(self, deadline, stdout, prepare=None):
        argv = [sys.executable, "-c", "import sys; from gigactl.payload import probe; sys.exit(probe.main())"]
        process = subprocess.Popen(argv, cwd=HERE, stdin=subprocess.PIPE, stdout=stdout, preexec_fn=prepare)
        self.addCleanup(Probing.end, process)
        request = {"protocol": 1, "deadline_s": deadline, "reading_deadline_s": 5.0, "kernel_cursor": None}
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(json.dumps(dict(request, kernel_limit_bytes=1 << 20)).encode() + b"\n")
        return process

    def test_a_caller_that_ignores_its_children_changes_nothing(self):
        process = self.start(20.0, subprocess.PIPE, lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        lines = [json.loads(line) for line in process.stdout if line.strip()]
        self.assertEqual((process.wait(20), lines[0]["type"], lines[-1]["type"]), (0, "hello", "end"))

    def test_one_that_cannot_write_is_ended_by_its_timer(self):
        inlet, outlet = os.pipe()
        self.addCleanup(os.close, inlet)
        os.set_blocking(outlet, False)
        try:
            while True:
                os.write(outlet, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(outlet, True)
        process = self.start(0.5, outlet)
        os.close(outlet)
        self.assertEqual(process.wait(20), 128 + signal.SIGALRM)
