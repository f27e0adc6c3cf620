"""The two works of a probe, as plans to be watched: facts with the kernel log, and NVML. They turn what is heard into
lines."""

import os

from gigactl.payload import facts, kernel_log, spawn, tree
from gigactl.payload.reader_lock import READER_NAME, READING, READING_GRACE, START_GRACE, STARTING
from gigactl.payload.watch import GRACE, TIME_UP, Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Dict, List, Optional, Set

    from gigactl.payload.reader_lock import ReaderLock
    from gigactl.payload.watch import Begin, Report

    Read = Callable[[Begin, Report, Collection[int], float, float], None]

KERNEL_SECONDS = 15.0  # the journal of a host that is up for months
NVML_STATES = {9: "not-loaded", 12: "no-library", 18: "mismatch"}


class FactsPlan(Plan):
    """Facts section by section, the driver as the kernel sees it, then the kernel log."""

    name = "gigactl-facts"

    def __init__(self, root: str, request: "Dict[str, Any]", emit: "Callable[[Dict[str, Any]], None]") -> None:
        self._root, self._request, self._emit = root, request, emit
        self._facts = facts.empty()
        self._seen: "Set[str]" = set()
        self._told = False
        self.module: "Optional[Dict[str, str]]" = None
        self.kernel_told = False

    def work(self, begin: "Begin", report: "Report") -> None:
        seconds = self._request["reading_deadline_s"]
        if not self._told:
            facts.read(self._root, lambda name: begin(name, seconds), report, self._seen)
            report("facts", None)
        if self.module is None:
            begin("module", seconds)
            report("module", module_versions(self._root))
        begin("kernel", max(seconds, KERNEL_SECONDS))
        boot_id = tree.read(self._root, "/proc/sys/kernel/random/boot_id")
        request = self._request
        report(
            "kernel",
            kernel_log.read(
                self._root,
                boot_id,
                request["kernel_cursor"],
                int(request["kernel_limit_bytes"]),
                max(seconds, KERNEL_SECONDS) - 1,
            ),
        )

    def heard(self, kind: str, value: "Any") -> None:
        if kind == "facts":
            self._tell()
        elif kind == "module":
            self.module = value
        elif kind == "kernel":
            self.kernel_told = True
            self._emit(value)
        elif kind == "!":
            self._seen.add(value["name"])
            self._facts["unread"][value["name"]] = value["reason"]
        else:
            self._section(kind, value)

    def _section(self, name: str, value: "Any") -> None:
        self._seen.add(name)
        if name == "identity":
            self._facts.update(value)
        elif name.startswith("mounts "):
            self._facts["mounts"].append(value)
        else:
            self._facts[name] = value

    def interrupted(self, step: str, why: str) -> bool:
        if step == "kernel":
            self._no_kernel(why)
            return False
        if step == "module":
            self.module = {}
        elif step:
            self._seen.add(step)
            self._facts["unread"][step] = why
        return bool(step)

    def stuck(self, step: str, pid: int) -> None:
        self.interrupted(step, "timed-out: process %d cannot be killed" % pid)

    def over(self) -> None:
        self._tell()
        if not self.kernel_told:
            self._no_kernel("timed-out")

    def pci_addresses(self) -> "List[str]":
        """Addresses of NVIDIA's GPUs on the bus, in order, as far as they are known."""
        return [gpu["address"] for gpu in self._facts["pci_gpus"] if gpu["vendor"] == "10de"]

    def persistent(self) -> bool:
        """Whether the persistence daemon is known to run: then the driver is warm, and starts and ends at once."""
        return any(
            service["name"] == "nvidia-persistenced" and service["active"] == "active"
            for service in self._facts["services"]
        )

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            for name, _ in facts.SECTIONS:
                if name not in self._seen:
                    self._facts["unread"][name] = "timed-out"
            self._emit(self._facts)

    def _no_kernel(self, why: str) -> None:
        self.kernel_told = True
        self._emit(_unread_kernel(why, self._request["kernel_cursor"]))


def emptied(line: "Dict[str, Any]", why: str, cursor: "Optional[Dict[str, Any]]") -> "Dict[str, Any]":
    """A line of the same type that says why its contents are not told. `cursor`: the request's, so that the next look
    at the kernel log begins where this one did."""
    if line["type"] == "kernel":
        return _unread_kernel(why, cursor)
    if line["type"] == "facts":
        return dict(facts.empty(), unread={name: why for name, _ in facts.SECTIONS})
    if line["type"] == "gpu":
        return dict(line, values={}, processes=[], unread={"*": why})
    return line


def _unread_kernel(why: str, cursor: "Optional[Dict[str, Any]]") -> "Dict[str, Any]":
    kept = {"boot_id": "", "usec": 0} if cursor is None else {name: cursor[name] for name in ("boot_id", "usec")}
    return {"type": "kernel", "source": "none", "gap": False, "gap_reason": "", "unread": why, "cursor": kept,
            "events": []}  # fmt: skip


def module_versions(root: str) -> "Dict[str, str]":
    """The kernel module as loaded and as it lies on disk: `loaded`, `flavour`, `on_disk`; empty where unknown."""
    banner = tree.read(root, "/proc/driver/nvidia/version", 4096)
    loaded = tree.read(root, "/sys/module/nvidia/version") or _version_in(banner)
    flavour = ""
    if banner:
        flavour = "open" if "Open Kernel Module" in banner else "proprietary"
    on_disk = ""
    if root == "/":
        try:
            code, data = spawn.run(("modinfo", "-F", "version", "nvidia"), 5.0)
            on_disk = data.decode("ascii", "replace").strip() if code == 0 else ""
        except OSError:
            on_disk = ""
    return {"loaded": loaded, "flavour": flavour, "on_disk": on_disk}


def _version_in(banner: str) -> str:
    for word in banner.split("\n", 1)[0].split():
        if word[:1].isdigit() and "." in word:
            return word
    return ""


class NvmlPlan(Plan):
    """NVML, GPU by GPU. `read(begin, report, closed, seconds, init_seconds)` is what the child runs (nvml.work, or a
    test's)."""

    name = READER_NAME

    def __init__(
        self,
        request: "Dict[str, Any]",
        lock: "ReaderLock",
        emit: "Callable[[Dict[str, Any]], None]",
        host: "FactsPlan",
        left: "Callable[[], float]",
        read: "Read",
    ) -> None:
        self._seconds = request["reading_deadline_s"]
        self._lock, self._emit, self._host, self._left, self._read = lock, emit, host, left, read
        self._closed: "Set[int]" = set()
        self._gpus: "Dict[int, Dict[str, Any]]" = {}
        self._taken = False
        self.driver = _undriven()

    def ready(self) -> bool:
        if self._taken or self._lock.try_take():
            self._taken = True
            return True
        if self._lock.stuck:
            self.driver.update(
                state="hung", reader=self._lock.stuck, detail="a reader of an earlier probe cannot be killed"
            )
            self.finished = True
            return False
        what = "an earlier probe's reader (process %d) is still ending"
        if not self._lock.ending:
            what = "another probe's reader (process %d) was still at work"
        self.driver["detail"] = what % self._lock.holder
        return False

    def keep(self) -> "Collection[int]":
        return () if self._lock.fd < 0 else (self._lock.fd,)

    def work(self, begin: "Begin", report: "Report") -> None:
        at = [STARTING]
        self._lock.say(os.getpid(), STARTING)

        def note(step: str, seconds: float) -> None:
            where = STARTING if _starts(step) else READING
            if at[0] != where:
                at[0] = where
                self._lock.say(os.getpid(), where)
            begin(step, seconds)

        self._read(note, report, self._closed, self._seconds, max(self._left() - 2.0, self._seconds))

    def grace(self, step: str) -> float:
        if self._host.persistent():
            return GRACE
        if _starts(step):
            return START_GRACE
        return READING_GRACE if step.endswith(" handle") else GRACE

    def doomed(self, pid: int) -> None:
        self._lock.doom(pid)

    def heard(self, kind: str, value: "Any") -> None:
        if kind == "driver":
            self.driver.update(value, detail="")
            if not self.driver["library"]:  # a file named without its version; NVML's own has one number before it
                self.driver["library"] = value.get("nvml_version", "").partition(".")[2]
            error = value["nvml_error"]
            self.driver["state"] = NVML_STATES.get(error, "failed") if error else "ok"
        elif kind == "gpu":
            self._gpus[value["index"]] = {
                "type": "gpu", "index": value["index"], "uuid": value["uuid"], "serial": value["serial"], "pci":
                value["pci"], "name": value["name"], "values": {}, "unread": value["unread"], "processes": [],
            }  # fmt: skip
        elif kind == "readings":
            gpu = self._gpus[value["index"]]
            gpu["values"].update(value["values"])
            gpu["unread"].update(value["unread"])
            gpu["processes"].extend(value["processes"])
        elif kind == "closed":
            self._close(value)

    def _close(self, index: int) -> None:
        self._closed.add(index)
        gpu = self._gpus[index]
        if gpu["pci"]:
            self._emit(gpu)

    def interrupted(self, step: str, why: str) -> bool:
        index, _, name = step.partition(" ")
        if not index.isdigit():
            state, _, more = why.partition(":")
            # a step that still had time did not hang: its name must not come first
            detail = (
                "%s in %s" % (more.strip(), step or "start") if why == TIME_UP else "%s: %s" % (step or "start", why)
            )
            self.driver.update(state=state, detail=detail)
            return False
        self._give_up(int(index), why, name)
        return True

    def _give_up(self, index: int, why: str, name: str) -> None:
        gpu = self._gpus.setdefault(index, _unknown(index))
        mark = why if not name or ":" in why else "%s: NVML did not come back from %s" % (why, name)
        gpu["unread"]["*"] = mark
        if "." in name:
            gpu["unread"].setdefault(name, why)
        self._close(index)

    def stuck(self, step: str, pid: int) -> None:
        index, _, name = step.partition(" ")
        where = "%s of GPU %s" % (name, index) if index.isdigit() else step or "start"
        self.driver.update(state="hung", reader=pid, detail="the reader cannot be killed; it hangs in %s" % where)
        if index.isdigit():
            self._give_up(int(index), "timed-out", name)
        self._rest("not-read: the NVML reader hangs")

    def over(self) -> None:
        if self.driver["state"] != "hung":
            self._rest("timed-out")

    def tell_the_lost(self) -> None:
        """Emit the GPUs that could not even say their address. NVML counts GPUs in order of bus address, and who does
        not answer has an address that nobody else has: told once the bus is known as well."""
        lost = [gpu for _, gpu in sorted(self._gpus.items()) if not gpu["pci"]]
        claimed = {gpu["pci"] for gpu in self._gpus.values()}
        free = [address for address in self._host.pci_addresses() if address not in claimed]
        for at, gpu in enumerate(lost):
            if len(free) == len(lost):
                gpu["pci"] = free[at]
            self._emit(gpu)

    def _rest(self, why: str) -> None:
        for index in range(self.driver["gpu_count"]):
            if index not in self._closed:
                gpu = self._gpus.setdefault(index, _unknown(index))
                gpu["unread"].setdefault("*", why)
                self._close(index)


def _starts(step: str) -> bool:
    """Whether a reader in this step still loads or starts NVML, and does not ask a GPU yet."""
    return not step.partition(" ")[0].isdigit()


def _unknown(index: int) -> "Dict[str, Any]":
    return {"type": "gpu", "index": index, "uuid": "", "serial": "", "pci": "", "name": "", "values": {}, "unread": {},
            "processes": []}  # fmt: skip


def _undriven() -> "Dict[str, Any]":
    """A Driver line of which nothing is known yet."""
    line = dict.fromkeys(
        ("detail", "loaded", "flavour", "library", "on_disk", "driver_version", "nvml_version", "cuda_version"), ""
    )  # type: Dict[str, Any]
    return dict(line, type="driver", state="timed-out", nvml_error=0, gpu_count=0, init_s=0.0, reader=0)
