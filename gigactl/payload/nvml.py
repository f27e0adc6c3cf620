"""Reads NVML through pynvml: one process, one init, GPU by GPU; every reading a value or a reason. Runs only in a
watched child.

The only module that imports pynvml. The newest binding on an older driver is safe for functions (a missing one says
so when called) but not for field ids: 199-200 and 251-273 changed their meaning between drivers (nvml.h of 550 to
595), so the first are never read and the second only where the driver is 580.82 or newer.
"""

import ctypes
import os
import re
import time

import pynvml as nv

from gigactl.payload.kernel_lines import pci_address
from gigactl.payload.nvml_fields import (
    FIELDS,
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
LOST, FUNCTION_NOT_FOUND, VERSION_MISMATCH, INVALID_ARGUMENT = 15, 13, 25, 2
SRAM, DRAM = 7, 2
MAX_LINKS = 36


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
        for (name, _, _, convert), answer in zip(wanted, answers):
            if answer.nvmlReturn == INVALID_ARGUMENT:  # so says a driver that does not know this field yet
                unread[name] = "driver-too-old"
            elif answer.nvmlReturn:
                unread[name] = reason(answer.nvmlReturn, name, self._mig)
            else:
                values[name] = convert(_field_value(answer))
        return values, unread

    def _links(self) -> None:
        if self._count is None:
            self._count = MAX_LINKS  # then the first refusal ends the row
        states, refused = [], ""
        self._begin("%d nvlink.links.active" % self.index, self._seconds)
        for link in range(min(int(self._count), MAX_LINKS)):
            try:
                states.append(bool(nv.nvmlDeviceGetNvLinkState(self.handle, link)))
            except nv.NVMLError as error:
                if error.value == LOST:
                    raise _LostError() from None
                refused = reason(error.value)
                break
        if not states:
            self._tell({}, {"nvlink.links.active": refused or "not-supported"})
            return
        values = {"nvlink.links.active": sum(states)}
        values.update(("nvlink.%d.active" % link, state) for link, state in enumerate(states))
        wanted = [
            (template % link, field, link, convert)
            for link in range(len(states))
            for template, field, convert in LINK_FIELDS
        ]
        more, unread = self._field_values("nvlink.N", wanted)
        values.update(more)
        self._tell(values, unread)

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


class Missing:
    """Stands in a call's answer for a part this driver's form of it does not have."""

    def __init__(self, why: str) -> None:
        self.reason = why


def _field_value(answer: "Any") -> "Any":
    kinds = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
    return getattr(answer.value, kinds[answer.valueType])


def _process_name(pid: int) -> str:
    try:
        with open("/proc/%d/comm" % pid, "rb") as comm:
            return comm.read(64).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _watts(call: "Callable[..., Any]") -> "Callable[[Any], Sequence[Any]]":
    return lambda handle: (call(handle) / 1000.0,)


def _one(call: "Callable[..., Any]", *args: "Any") -> "Callable[[Any], Sequence[Any]]":
    return lambda handle: (call(handle, *args),)


def _texts(call: "Callable[..., Any]") -> "Callable[[Any], Sequence[Any]]":
    return lambda handle: (text(call(handle)),)


def _bools(call: "Callable[..., Any]") -> "Callable[[Any], Sequence[Any]]":
    return lambda handle: [bool(value) for value in call(handle)]


def _temperature(handle: "Any") -> "Sequence[Any]":
    try:
        return (nv.nvmlDeviceGetTemperatureV(handle, 0),)
    except nv.NVMLError as error:
        if error.value not in (FUNCTION_NOT_FOUND, VERSION_MISMATCH):
            raise
        return (nv.nvmlDeviceGetTemperature(handle, 0),)


def _clock_reasons(handle: "Any") -> "Sequence[Any]":
    try:
        return (nv.nvmlDeviceGetCurrentClocksEventReasons(handle),)
    except nv.NVMLError as error:
        if error.value != FUNCTION_NOT_FOUND:
            raise
        return (nv.nvmlDeviceGetCurrentClocksThrottleReasons(handle),)


def _memory(handle: "Any") -> "Sequence[Any]":
    try:
        memory = nv.nvmlDeviceGetMemoryInfo(handle, nv.nvmlMemory_v2)
        return memory.total, memory.used, memory.reserved
    except nv.NVMLError as error:
        if error.value not in (FUNCTION_NOT_FOUND, VERSION_MISMATCH):
            raise
        memory = nv.nvmlDeviceGetMemoryInfo(handle)
        return memory.total, memory.used, Missing("driver-too-old")


def _utilisation(handle: "Any") -> "Sequence[Any]":
    rates = nv.nvmlDeviceGetUtilizationRates(handle)
    return rates.gpu, rates.memory


def _remapped(handle: "Any") -> "Sequence[Any]":
    corrected, uncorrected, pending, failed = nv.nvmlDeviceGetRemappedRows(handle)[:4]
    return corrected, uncorrected, bool(pending), bool(failed)


def _banks(handle: "Any") -> "Sequence[Any]":
    banks = nv.nvmlDeviceGetRowRemapperHistogram(handle)
    return banks.max, banks.high, banks.partial, banks.low, banks.none


def _sram_threshold(handle: "Any") -> "Sequence[Any]":
    status = nv.c_nvmlEccSramErrorStatus_v1_t()
    nv.nvmlDeviceGetSramEccErrorStatus(handle, ctypes.byref(status))
    return (bool(status.bThresholdExceeded),)


def _sram_unique(handle: "Any") -> "Sequence[Any]":
    counts = nv.c_nvmlEccSramUniqueUncorrectedErrorCounts_v1_t()
    try:
        nv.nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(handle, ctypes.byref(counts))
    except nv.NVMLError as error:
        if error.value != nv.NVML_ERROR_INSUFFICIENT_SIZE:
            raise
    if not counts.entryCount:
        return (0,)
    entries = (nv.c_nvmlEccSramUniqueUncorrectedErrorEntry_v1_t * counts.entryCount)()
    counts.entries = ctypes.cast(entries, ctypes.POINTER(nv.c_nvmlEccSramUniqueUncorrectedErrorEntry_v1_t))
    nv.nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(handle, ctypes.byref(counts))
    return (sum(entry.count for entry in entries[: counts.entryCount]),)


def _fabric(handle: "Any") -> "Sequence[Any]":
    """state, status, clique, cluster, health mask, health summary; v3 where the driver has it, then v2, then the
    first form."""
    too_old = Missing("driver-too-old")
    for shape in (nv.c_nvmlGpuFabricInfo_v3_t, nv.c_nvmlGpuFabricInfo_v2_t, None):
        try:
            if shape is None:
                info = nv.c_nvmlGpuFabricInfo_t()
                nv.nvmlDeviceGetGpuFabricInfo(handle, ctypes.byref(info))
            else:
                info = shape()
                nv.nvmlDeviceGetGpuFabricInfoV(handle, ctypes.byref(info))
            break
        except nv.NVMLError as error:
            if shape is None or error.value not in (VERSION_MISMATCH, FUNCTION_NOT_FOUND):
                raise
    digits = "".join("%02x" % (byte & 255) for byte in bytearray(info.clusterUuid))
    cluster = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return (info.state, info.status, info.cliqueId, cluster, getattr(info, "healthMask", too_old),
            getattr(info, "healthSummary", too_old))  # fmt: skip


def _platform(handle: "Any") -> "Sequence[Any]":
    info = nv.c_nvmlPlatformInfo_v2_t()
    nv.nvmlDeviceGetPlatformInfo(handle, ctypes.byref(info))
    return text(info.chassisSerialNumber), ord(info.slotNumber), ord(info.trayIndex)


def _capability(handle: "Any") -> "Sequence[Any]":
    return ("%d.%d" % tuple(nv.nvmlDeviceGetCudaComputeCapability(handle)),)


def _limits(handle: "Any") -> "Sequence[Any]":
    low, high = nv.nvmlDeviceGetPowerManagementLimitConstraints(handle)
    return low / 1000.0, high / 1000.0


MODES = (
    (("mode.mig", "mode.mig.pending"), _bools(nv.nvmlDeviceGetMigMode)),
    (("mode.persistence",), lambda handle: (bool(nv.nvmlDeviceGetPersistenceMode(handle)),)),
    (("mode.compute",), _one(nv.nvmlDeviceGetComputeMode)),
    (("mode.ecc", "mode.ecc.pending"), _bools(nv.nvmlDeviceGetEccMode)),
)
GROUPS = (
    (
        (("part_number",), _texts(nv.nvmlDeviceGetBoardPartNumber)),
        (("vbios",), _texts(nv.nvmlDeviceGetVbiosVersion)),
        (("inforom",), _texts(nv.nvmlDeviceGetInforomImageVersion)),
        (("gsp_firmware",), _texts(nv.nvmlDeviceGetGspFirmwareVersion)),
        (("architecture",), _one(nv.nvmlDeviceGetArchitecture)),
        (("compute_capability",), _capability),
        (("module_id",), lambda handle: (nv.nvmlDeviceGetModuleId(handle),)),
        (("platform.chassis_serial", "platform.slot", "platform.tray"), _platform),
    ),
    (
        (("temperature.core",), _temperature),
        (("temperature.margin",), _one(nv.nvmlDeviceGetMarginTemperature)),
        (("temperature.limit.shutdown",), _one(nv.nvmlDeviceGetTemperatureThreshold, 0)),
        (("temperature.limit.slowdown",), _one(nv.nvmlDeviceGetTemperatureThreshold, 1)),
        (("temperature.limit.memory",), _one(nv.nvmlDeviceGetTemperatureThreshold, 2)),
        (("temperature.limit.gpu",), _one(nv.nvmlDeviceGetTemperatureThreshold, 3)),
        (("power.limit",), _watts(nv.nvmlDeviceGetEnforcedPowerLimit)),
        (("power.limit.default",), _watts(nv.nvmlDeviceGetPowerManagementDefaultLimit)),
        (("power.limit.min", "power.limit.max"), _limits),
        (("energy",), _watts(nv.nvmlDeviceGetTotalEnergyConsumption)),
        (("clock.graphics",), _one(nv.nvmlDeviceGetClockInfo, 0)),
        (("clock.sm",), _one(nv.nvmlDeviceGetClockInfo, 1)),
        (("clock.memory",), _one(nv.nvmlDeviceGetClockInfo, 2)),
        (("clock.graphics.max",), _one(nv.nvmlDeviceGetMaxClockInfo, 0)),
        (("clock.memory.max",), _one(nv.nvmlDeviceGetMaxClockInfo, 2)),
        (("clock.reasons",), _clock_reasons),
        (("performance_state",), _one(nv.nvmlDeviceGetPerformanceState)),
        (("utilisation.gpu", "utilisation.memory"), _utilisation),
        (("memory.total", "memory.used", "memory.reserved"), _memory),
        (("memory.bar1.used",), lambda handle: (nv.nvmlDeviceGetBAR1MemoryInfo(handle).bar1Used,)),
    ),
    (
        (("ecc.volatile.corrected",), _one(nv.nvmlDeviceGetTotalEccErrors, 0, 0)),
        (("ecc.volatile.uncorrected",), _one(nv.nvmlDeviceGetTotalEccErrors, 1, 0)),
        (("ecc.aggregate.corrected",), _one(nv.nvmlDeviceGetTotalEccErrors, 0, 1)),
        (("ecc.aggregate.uncorrected",), _one(nv.nvmlDeviceGetTotalEccErrors, 1, 1)),
        (("ecc.sram.volatile.uncorrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 1, 0, SRAM)),
        (("ecc.sram.aggregate.uncorrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 1, 1, SRAM)),
        (("ecc.dram.volatile.uncorrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 1, 0, DRAM)),
        (("ecc.dram.aggregate.uncorrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 1, 1, DRAM)),
        (("ecc.sram.threshold_exceeded",), _sram_threshold),
        (("ecc.sram.unique_uncorrected",), _sram_unique),
        (("remap.correctable", "remap.uncorrectable", "remap.pending", "remap.failed"), _remapped),
        (("remap.banks.max", "remap.banks.high", "remap.banks.partial", "remap.banks.low", "remap.banks.none"), _banks),
        (("repair.channel_pending", "repair.tpc_pending"), _bools(nv.nvmlDeviceGetRepairStatus)),
        (("memory.unrepairable",), lambda handle: (bool(nv.nvmlDeviceGetUnrepairableMemoryFlag_v1(handle)),)),
        (("retired.single_bit",), lambda handle: (len(nv.nvmlDeviceGetRetiredPages(handle, 0)),)),
        (("retired.double_bit",), lambda handle: (len(nv.nvmlDeviceGetRetiredPages(handle, 1)),)),
        (("retired.pending",), lambda handle: (bool(nv.nvmlDeviceGetRetiredPagesPendingStatus(handle)),)),
    ),
    (
        (("pcie.generation",), _one(nv.nvmlDeviceGetCurrPcieLinkGeneration)),
        (("pcie.generation.max",), _one(nv.nvmlDeviceGetMaxPcieLinkGeneration)),
        (("pcie.width",), _one(nv.nvmlDeviceGetCurrPcieLinkWidth)),
        (("pcie.width.max",), _one(nv.nvmlDeviceGetMaxPcieLinkWidth)),
        (("pcie.replays",), _one(nv.nvmlDeviceGetPcieReplayCounter)),
        (("pcie.tx",), _one(nv.nvmlDeviceGetPcieThroughput, 0)),
        (("pcie.rx",), _one(nv.nvmlDeviceGetPcieThroughput, 1)),
    ),
    (
        (("fabric.state", "fabric.status", "fabric.clique", "fabric.cluster", "fabric.health_mask",
        "fabric.health_summary"),
         _fabric),
    ),
)  # fmt: skip
