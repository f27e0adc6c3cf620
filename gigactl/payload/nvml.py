"""Reads NVML through pynvml: one process, one init, GPU by GPU; every reading a value or a reason. Runs only in a
watched child.

Only this module and nvml_calls import pynvml. The newest binding on an older driver is safe for functions (a missing
one says so when called) but not for field ids: 199-200 and 251-273 changed their meaning between drivers (nvml.h of 550
to 595), so the first are never read and the second only where the driver is 580.82 or newer.
"""

import os
import re
import struct
import time

import pynvml as nv

from gigactl.payload import nvml_links
from gigactl.payload.kernel_lines import pci_address
from gigactl.payload.nvml_calls import GROUPS, MODES, Missing
from gigactl.payload.nvml_fields import (
    C2C_FIELDS,
    FIELDS,
    LANE_ERRORS,
    LANES,
    LATE_FIELDS,
    LINK_COUNTS,
    LINK_FIELDS,
    REASON_TIMES,
    REASON_TIMES_SINCE,
    reason,
    text,
    version,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Dict, List, Sequence, Tuple

    from gigactl.payload.watch import Begin, Report

    Group = Sequence[Tuple[Sequence[str], Callable[[Any], Sequence[Any]]]]

HANDLE_SECONDS = 5.0  # without persistence mode the first handle initialises its GPU: 1 to 3 s each on HGX boards
LOST, INVALID_ARGUMENT = 15, 2
MAX_LINKS = 36
# nvmlFieldValue_t: ids and times, the value's kind, how it went, the value (nvmlValue_t, by nvmlValueType_t). Read as
# it lies there: through pynvml's attributes a host's 2700 answers take twice as long
_ANSWER = struct.Struct("=24xII8s")
_VALUES = tuple(struct.Struct("=" + kind) for kind in "dIQQqiH")


def work(begin: "Begin", report: "Report", closed: "Collection[int]", seconds: float, init_seconds: float) -> None:
    """Everything in order: init, then each GPU: handle, identity, readings.

    `closed`: indexes an earlier reader finished or died in. Reports `driver`, `gpu` (identity), `readings` and
    `closed`.
    """
    begin("init", init_seconds)
    started = time.monotonic()
    try:
        nv.nvmlInit()
    except nv.NVMLError as error:
        report(
            "driver",
            {"nvml_error": error.value, "library": library(), "nvml_version": _quiet(nv.nvmlSystemGetNVMLVersion)},
        )
        return
    took = time.monotonic() - started
    count = nv.nvmlDeviceGetCount()
    driver = text(nv.nvmlSystemGetDriverVersion())
    report(
        "driver",
        {
            "nvml_error": 0,
            "library": library(),
            "driver_version": driver,
            "nvml_version": text(nv.nvmlSystemGetNVMLVersion()),
            "cuda_version": _cuda_version(),
            "gpu_count": count,
            "init_s": round(took, 4),
        },
    )
    for index in range(count):
        if index not in closed:
            # all of one GPU before the next: one that hangs for good then costs only those behind it
            begin("%d handle" % index, max(seconds, HANDLE_SECONDS))
            handle = _opened(index, begin, report, seconds)
            if handle is not None:
                _Gpu(index, handle, version(driver), begin, report, seconds).read()
            report("closed", index)


def library() -> str:
    """The version in the name of the library in use (`580.95.05` of libnvidia-ml.so.580.95.05); empty where it has
    none."""
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split(None, 5)[5].strip() for line in maps if "libnvidia-ml.so" in line}
    except OSError:
        return ""
    for path in paths:
        match = re.search(r"libnvidia-ml\.so\.(\d+\.\d+[.\d]*)", os.path.realpath(path))
        if match:
            return match.group(1)
    return ""


def _quiet(call: "Callable[..., Any]") -> str:
    try:
        return text(call())
    except nv.NVMLError:
        return ""


def _cuda_version() -> str:
    try:
        number = nv.nvmlSystemGetCudaDriverVersion_v2()
    except nv.NVMLError:
        return ""
    return "%d.%d" % (number // 1000, number % 1000 // 10)


def _opened(index: int, begin: "Begin", report: "Report", seconds: float) -> "Any":
    unread: "Dict[str, str]" = {}
    identity = {"index": index, "uuid": "", "serial": "", "pci": "", "name": "", "unread": unread}
    try:
        handle = nv.nvmlDeviceGetHandleByIndex(index)
    except nv.NVMLError as error:
        unread["*"] = reason(error.value)
        report("gpu", identity)
        return None
    begin("%d identity" % index, seconds)
    calls = (
        ("pci", lambda: pci_address(text(nv.nvmlDeviceGetPciInfo(handle).busId))),
        ("name", lambda: nv.nvmlDeviceGetName(handle)),
        ("uuid", lambda: nv.nvmlDeviceGetUUID(handle)),
        ("serial", lambda: nv.nvmlDeviceGetSerial(handle)),
    )
    for name, call in calls:
        try:
            identity[name] = text(call())
        except nv.NVMLError as error:
            unread[name] = reason(error.value)
    report("gpu", identity)
    return handle


class _LostError(Exception):
    """The GPU answers LOST: nothing more is asked of it."""


class _Gpu:
    """One GPU's readings."""

    def __init__(
        self, index: int, handle: "Any", driver: "Tuple[int, ...]", begin: "Begin", report: "Report", seconds: float
    ) -> None:
        self.index, self.handle, self.driver = index, handle, driver
        self._begin, self._report, self._seconds = begin, report, seconds
        self._mig = False

    def read(self) -> None:
        """All of them, reported in parts so that what was read before a hang is kept."""
        try:
            self._some(MODES)
            self._fields()
            for group in GROUPS:
                self._some(group)
            self._links()
            self._late()
            self._processes()
        except _LostError:
            self._tell({}, {"*": "lost"})

    def _tell(
        self, values: "Dict[str, Any]", unread: "Dict[str, str]", processes: "Sequence[Dict[str, Any]]" = ()
    ) -> None:
        self._report(
            "readings", {"index": self.index, "values": values, "unread": unread, "processes": list(processes)}
        )

    def _some(self, group: "Group") -> None:
        values: "Dict[str, Any]" = {}
        unread: "Dict[str, str]" = {}
        for names, call in group:
            self._begin("%d %s" % (self.index, names[0]), self._seconds)
            try:
                values.update(zip(names, call(self.handle)))
            except nv.NVMLError as error:
                if error.value == LOST:
                    self._tell(values, unread)
                    raise _LostError() from None
                unread.update((name, reason(error.value, name, self._mig)) for name in names)
        _split_missing(values, unread)
        if values.get("mode.mig"):
            self._mig = True
        self._tell(values, unread)

    def _fields(self) -> None:
        wanted = list(FIELDS) + (list(REASON_TIMES) if self.driver >= REASON_TIMES_SINCE else [])
        values, unread = self._field_values("fields", [(name, field, 0, convert) for name, field, convert in wanted])
        if self.driver < REASON_TIMES_SINCE:
            unread.update((name, "driver-too-old") for name, _, _ in REASON_TIMES)
        if "power.average" in unread:  # nvml.h: the same one-second average, on every driver
            values.update(
                self._single("power.average", lambda: nv.nvmlDeviceGetPowerUsage(self.handle) / 1000.0, unread)
            )
        self._tell(values, unread)
        self._count = values.get("nvlink.links")

    def _single(self, name: str, call: "Callable[..., Any]", unread: "Dict[str, str]") -> "Dict[str, Any]":
        try:
            value = {name: call()}
        except nv.NVMLError as error:
            unread[name] = reason(error.value)
            return {}
        del unread[name]
        return value

    def _field_values(self, step: str, wanted: "List[Any]") -> "Tuple[Dict[str, Any], Dict[str, str]]":
        self._begin("%d %s" % (self.index, step), self._seconds)
        values: "Dict[str, Any]" = {}
        unread: "Dict[str, str]" = {}
        try:
            answers = nv.nvmlDeviceGetFieldValues(self.handle, [(field, scope) for _, field, scope, _ in wanted])
        except nv.NVMLError as error:
            if error.value == LOST:
                raise _LostError() from None
            return values, {name: reason(error.value) for name, _, _, _ in wanted}
        for (name, _, _, convert), (kind, code, value) in zip(wanted, _ANSWER.iter_unpack(bytes(answers))):
            if code == INVALID_ARGUMENT:  # so says a driver that does not know this field yet
                unread[name] = "driver-too-old"
            elif code:
                unread[name] = reason(code, name, self._mig)
            else:
                values[name] = convert(_VALUES[kind].unpack_from(value)[0])
        return values, unread

    def _late(self) -> None:
        wanted = [(name, field, 0, convert) for name, field, convert in LATE_FIELDS]
        values, unread = self._field_values("late fields", wanted)
        lanes = [("pcie.lane.%d" % lane, LANE_ERRORS, lane, int) for lane in range(LANES)]
        errors, refused = self._field_values("pcie.lane_errors", lanes)
        if errors:  # a lane that the slot does not have refuses
            values["pcie.lane_errors"] = sum(errors.values())
        else:
            unread["pcie.lane_errors"] = refused[lanes[0][0]]
        links = range(min(values.get("c2c.links", 0), MAX_LINKS))
        if links:
            more, missing = nvml_links.each(C2C_FIELDS, links, self._field_values)
            values.update(more)
            unread.update(missing)
        if "c2c.links" in values:
            values["c2c.links.active"] = sum(bool(values.get("c2c.%d.active" % link)) for link in links)
        else:
            unread["c2c.links.active"] = unread["c2c.links"]
        self._tell(values, unread)

    def _links(self) -> None:
        states, refused = self._link_states()
        if not states:
            why = refused or "not-supported"
            self._tell({}, dict({name % "links": why for name, _, _ in LINK_COUNTS}, **{"nvlink.links.active": why}))
            return
        values: "Dict[str, Any]" = {"nvlink.links.active": sum(states)}
        values.update(("nvlink.%d.active" % link, state) for link, state in enumerate(states))
        self._tell(values, {})
        # a link that is down may have nothing to say: one in use goes first
        links = sorted(range(len(states)), key=lambda link: not states[link])
        said = nvml_links.each(LINK_FIELDS + LINK_COUNTS, links, self._field_values)
        nvml_links.together(LINK_COUNTS, links, said)
        self._tell(*said)

    def _link_states(self) -> "Tuple[List[bool], str]":
        count = MAX_LINKS if self._count is None else min(int(self._count), MAX_LINKS)
        states: "List[bool]" = []
        self._begin("%d nvlink.links.active" % self.index, self._seconds)
        for link in range(count):
            try:
                states.append(bool(nv.nvmlDeviceGetNvLinkState(self.handle, link)))
            except nv.NVMLError as error:
                if error.value == LOST:
                    raise _LostError() from None
                return states, reason(error.value)  # without a count the first refusal ends the row
        return states, ""

    def _processes(self) -> None:
        self._begin("%d processes" % self.index, self._seconds)
        found, unread = [], {}
        for kind, call in (("compute", nv.nvmlDeviceGetComputeRunningProcesses_v3),
                           ("graphics", nv.nvmlDeviceGetGraphicsRunningProcesses_v3)):  # fmt: skip
            try:
                for process in call(self.handle):
                    memory = process.usedGpuMemory
                    found.append({"pid": process.pid, "name": _process_name(process.pid), "kind": kind,
                                  "memory_bytes": -1 if memory is None else memory})  # fmt: skip
            except nv.NVMLError as error:
                unread["processes." + kind] = reason(error.value)
        self._tell({}, unread, found)


def _split_missing(values: "Dict[str, Any]", unread: "Dict[str, str]") -> None:
    for name in [name for name, value in values.items() if isinstance(value, Missing)]:
        unread[name] = values.pop(name).reason


def _process_name(pid: int) -> str:
    try:
        with open("/proc/%d/comm" % pid, "rb") as comm:
            return comm.read(64).decode("utf-8", "replace").strip()
    except OSError:
        return ""
