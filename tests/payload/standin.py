"""A probe in a process of its own, whose NVML reader is a stand-in that behaves as told: python3 -m
tests.payload.standin.

Arguments: what the reader does, a recorded root, the directory of the lock, the request as JSON.
"""

import json
import os
import signal
import sys
import time

from gigactl.payload import child
from gigactl.payload.probe import CutError, Probe
from gigactl.payload.reader_lock import ReaderLock


def gpu(report, index, unread=None):
    pci = "" if unread else ("0000:19:00.0", "0000:4e:00.0", "0000:5d:00.0")[index]
    names = {"uuid": "GPU-%d" % index, "serial": str(index), "name": "H200", "pci": pci}
    report("gpu", dict(names, index=index, unread=unread or {}))


def inited(report, count=3):
    versions = {"library": "580.1", "driver_version": "580.1", "nvml_version": "13.580.1", "cuda_version": "13.0"}
    report("driver", dict(versions, nvml_error=0, gpu_count=count, init_s=0.01))


def each(begin, report, closed, seconds, bad=(), what=None):
    """Three GPUs, `what()` happens in a reading of those in `bad`."""
    begin("init", 5.0)
    inited(report)
    for index in range(3):
        if index not in closed:
            one(begin, report, index, seconds, what if index in bad else None)


def one(begin, report, index, seconds, what):
    """All of one GPU."""
    begin("%d handle" % index, 5.0)
    gpu(report, index)
    begin("%d temperature.core" % index, seconds)
    report("readings", {"index": index, "values": {"temperature.core": 30 + index}, "unread": {}, "processes": []})
    begin("%d remap.pending" % index, seconds)
    if what:
        what()
    report("readings", {"index": index, "values": {"remap.pending": False}, "unread": {}, "processes": []})
    report("closed", index)


def lost(begin, report, closed, seconds, init_seconds):
    inited(report, 2)
    gpu(report, 0)
    report("closed", 0)
    gpu(report, 1, {"*": "lost"})
    report("closed", 1)


def hang():
    time.sleep(60)


def spin():
    while True:
        pass


def crash():
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def told_to_go():
    os.kill(os.getpid(), signal.SIGTERM)


def stumble():
    raise KeyError("nobody expected this")


def refused(code):
    def read(begin, report, closed, seconds, init_seconds):
        begin("init", 5.0)
        report("driver", {"nvml_error": code, "library": "580.1", "nvml_version": "13.580.1"})

    return read


def init_hangs(begin, report, closed, seconds, init_seconds):
    begin("init", seconds)
    hang()


def init_slow_to_die(begin, report, closed, seconds, init_seconds):
    begin("init", 0.5)
    hang()


def kill_late(seconds):
    """What SIGKILL does to one that waits where no signal reaches it: nothing at first."""

    def kill(pid):
        if os.fork() == 0:
            time.sleep(seconds)
            child.kill(pid)
            os._exit(0)

    return kill


def handle_hangs(begin, report, closed, seconds, init_seconds):
    begin("init", 5.0)
    inited(report)
    for index in range(3):
        if index not in closed:
            begin("%d handle" % index, seconds)
            if index == 0:
                hang()
            gpu(report, index)
            report("closed", index)


def says(values):
    """Three GPUs, of which the second has these values only."""

    def read(begin, report, closed, seconds, init_seconds):
        begin("init", 5.0)
        inited(report)
        for index in range(3):
            if index in closed:
                continue
            if index == 1:
                begin("1 handle", 5.0)
                gpu(report, 1)
                report("readings", values)
                begin("1 remap.pending", seconds)
                report("closed", 1)
                time.sleep(0.3)  # the next one only once this was heard
            else:
                one(begin, report, index, seconds, None)

    return read


def readings(**values):
    return {"index": 1, "values": values, "unread": {}, "processes": []}


def slow(begin, report, closed, seconds, init_seconds):
    time.sleep(0.7)
    each(begin, report, closed, seconds)


def struck(bad, what):
    def read(begin, report, closed, seconds, init_seconds):
        each(begin, report, closed, seconds, bad, what)

    return read


READERS = {
    "healthy": struck((), hang),
    "slow": slow,
    "hangs": struck((1,), hang),
    "all-hang": struck((0, 1, 2), hang),
    "crashes": struck((1,), crash),
    "killed": struck((1,), killed),
    "told-to-go": struck((1,), told_to_go),
    "stumbles": struck((1,), stumble),
    "spins": struck((1,), spin),
    "unkillable": struck((1,), hang),
    "lost": lost,
    "endless": says(readings(x="y" * (1 << 20))),
    "not-a-number": says(readings(x=float("nan"))),
    "shapeless": says({"index": 1}),
    "init-slow-to-die": init_slow_to_die,
    "init-hangs": init_hangs,
    "handle-hangs": handle_hangs,
    "not-loaded": refused(9),
    "mismatch": refused(18),
    "no-library": refused(12),
    "unknown": refused(999),
}


def write(data):
    while data:
        data = data[os.write(1, data) :]


def main(reader, root, place, request):
    probe = Probe(
        json.loads(request),
        time.monotonic(),
        write,
        read=READERS[reader],
        root=root,
        lock=ReaderLock((place,)),
        kill={"unkillable": lambda pid: None, "init-slow-to-die": kill_late(2.5)}.get(reader, child.kill),
    )
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, probe.told_to_go)
    try:
        probe.run("")
    except CutError:
        sys.exit(1)
    finally:
        probe.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
