"""Reads NVML through pynvml: one process, one init, GPU by GPU; every reading a value or a reason. Runs only in a watched child.

The only module that imports pynvml. The newest binding on an older driver is safe for functions (a missing one says so when
called) but not for field ids: 199-200 and 251-273 changed their meaning between drivers (nvml.h of 550 to 595), so the first
are never read and the second only where the driver is 580.82 or newer.
"""

import ctypes
import os
import re
import time

import pynvml as N

from gigactl.payload.kernel_lines import pci_address
from gigactl.payload.nvml_fields import FIELDS, LINK_FIELDS, REASON_TIMES, REASON_TIMES_SINCE

HANDLE_SECONDS = 10.0  # without persistence mode the first handle initialises its GPU: 1 to 3 s each on HGX boards
REASONS = {3: "not-supported", 4: "no-permission", 10: "timed-out", 13: "driver-too-old", 15: "lost", 16: "reset-required",
           25: "driver-too-old", 26: "not-supported"}  # fmt: skip
LOST, NOT_SUPPORTED, FUNCTION_NOT_FOUND, VERSION_MISMATCH, INVALID_ARGUMENT = 15, 3, 13, 25, 2
SRAM, DRAM = 7, 2
MAX_LINKS = 36
# what the driver answers NOT_SUPPORTED while MIG is on, though the hardware has it (nvml.h: RemappedRows, UtilizationRates)
_HIDDEN_BY_MIG = ("remap.", "utilisation.")


def reason(code, name="", mig=False):
    """The reason for a reading NVML refused with `code`."""
    if code == NOT_SUPPORTED and mig and name.startswith(_HIDDEN_BY_MIG):
        return "not-read: MIG is on"
    return REASONS.get(code, "failed: NVML error %d" % code)


def version(text):
    """`580.82.07` as (580, 82, 7); empty where it is no version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def text(value):
    """NVML's strings come as bytes or text depending on binding and function."""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip("\0 \n")


def work(begin, report, closed, seconds, init_seconds):
    """Everything in order: init, the handle and identity of each GPU, then each one's readings.

    `closed`: indexes an earlier reader finished or died in. Reports `driver`, `gpu` (identity), `readings` and `closed`.
    """
    begin("init", init_seconds)
    started = time.monotonic()
    try:
        N.nvmlInit()
    except N.NVMLError as error:
        report(
            "driver",
            {"nvml_error": error.value, "library": library(), "nvml_version": _quiet(N.nvmlSystemGetNVMLVersion)},
        )
        return
    took = time.monotonic() - started
    count = N.nvmlDeviceGetCount()
    driver = text(N.nvmlSystemGetDriverVersion())
    report(
        "driver",
        {
            "nvml_error": 0,
            "library": library(),
            "driver_version": driver,
            "nvml_version": text(N.nvmlSystemGetNVMLVersion()),
            "cuda_version": _cuda_version(),
            "gpu_count": count,
            "init_s": round(took, 4),
        },
    )
    handles = []
    for index in range(count):
        if index not in closed:
            begin("%d handle" % index, max(seconds, HANDLE_SECONDS))
            handle = _opened(index, begin, report, seconds)
            if handle is not None:
                handles.append((index, handle))
    for index, handle in handles:
        _Gpu(index, handle, version(driver), begin, report, seconds).read()
        report("closed", index)


def library():
    """The version in the name of the library in use (`580.95.05` of libnvidia-ml.so.580.95.05); empty where it has none."""
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


def _quiet(call):
    try:
        return text(call())
    except N.NVMLError:
        return ""


def _cuda_version():
    try:
        number = N.nvmlSystemGetCudaDriverVersion_v2()
    except N.NVMLError:
        return ""
    return "%d.%d" % (number // 1000, number % 1000 // 10)


def _opened(index, begin, report, seconds):
    identity = {"index": index, "uuid": "", "serial": "", "pci": "", "name": "", "unread": {}}
    try:
        handle = N.nvmlDeviceGetHandleByIndex(index)
    except N.NVMLError as error:
        identity["unread"]["*"] = reason(error.value)
        report("gpu", identity)
        report("closed", index)
        return None
    begin("%d identity" % index, seconds)
    calls = (("pci", lambda: pci_address(text(N.nvmlDeviceGetPciInfo(handle).busId))), ("name", lambda: N.nvmlDeviceGetName(handle)),
             ("uuid", lambda: N.nvmlDeviceGetUUID(handle)), ("serial", lambda: N.nvmlDeviceGetSerial(handle)))  # fmt: skip
    for name, call in calls:
        try:
            identity[name] = text(call())
        except N.NVMLError as error:
            identity["unread"][name] = reason(error.value)
    report("gpu", identity)
    return handle


class _Lost(Exception):
    """The GPU answers LOST: nothing more is asked of it."""


class _Gpu:
    """One GPU's readings."""

    def __init__(self, index, handle, driver, begin, report, seconds):
        self.index, self.handle, self.driver = index, handle, driver
        self._begin, self._report, self._seconds = begin, report, seconds
        self._mig = False

    def read(self):
        """All of them, reported in parts so that what was read before a hang is kept."""
        try:
            self._some(MODES)
            self._fields()
            for group in GROUPS:
                self._some(group)
            self._links()
            self._processes()
        except _Lost:
            self._tell({}, {"*": "lost"})

    def _tell(self, values, unread, processes=()):
        self._report(
            "readings", {"index": self.index, "values": values, "unread": unread, "processes": list(processes)}
        )

    def _some(self, group):
        values, unread = {}, {}
        for names, call in group:
            self._begin("%d %s" % (self.index, names[0]), self._seconds)
            try:
                values.update(zip(names, call(self.handle)))
            except N.NVMLError as error:
                if error.value == LOST:
                    self._tell(values, unread)
                    raise _Lost()
                unread.update((name, reason(error.value, name, self._mig)) for name in names)
        _split_missing(values, unread)
        if values.get("mode.mig"):
            self._mig = True
        self._tell(values, unread)

    def _fields(self):
        wanted = list(FIELDS) + (list(REASON_TIMES) if self.driver >= REASON_TIMES_SINCE else [])
        values, unread = self._field_values("fields", [(name, field, 0, convert) for name, field, convert in wanted])
        if self.driver < REASON_TIMES_SINCE:
            unread.update((name, "driver-too-old") for name, _, _ in REASON_TIMES)
        if "power.average" in unread:  # nvml.h: the same one-second average, on every driver
            values.update(
                self._single("power.average", lambda: N.nvmlDeviceGetPowerUsage(self.handle) / 1000.0, unread)
            )
        self._tell(values, unread)
        self._count = values.get("nvlink.links")

    def _single(self, name, call, unread):
        try:
            value = {name: call()}
        except N.NVMLError as error:
            unread[name] = reason(error.value)
            return {}
        del unread[name]
        return value

    def _field_values(self, step, wanted):
        self._begin("%d %s" % (self.index, step), self._seconds)
        values, unread = {}, {}
        try:
            answers = N.nvmlDeviceGetFieldValues(self.handle, [(field, scope) for _, field, scope, _ in wanted])
        except N.NVMLError as error:
            if error.value == LOST:
                raise _Lost()
            return values, {name: reason(error.value) for name, _, _, _ in wanted}
        for (name, _, _, convert), answer in zip(wanted, answers):
            if answer.nvmlReturn == INVALID_ARGUMENT:  # so says a driver that does not know this field yet
                unread[name] = "driver-too-old"
            elif answer.nvmlReturn:
                unread[name] = reason(answer.nvmlReturn, name, self._mig)
            else:
                values[name] = convert(_field_value(answer))
        return values, unread

    def _links(self):
        if self._count is None:
            self._count = MAX_LINKS  # then the first refusal ends the row
        states, refused = [], ""
        self._begin("%d nvlink.links.active" % self.index, self._seconds)
        for link in range(min(int(self._count), MAX_LINKS)):
            try:
                states.append(bool(N.nvmlDeviceGetNvLinkState(self.handle, link)))
            except N.NVMLError as error:
                if error.value == LOST:
                    raise _Lost()
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

    def _processes(self):
        self._begin("%d processes" % self.index, self._seconds)
        found, unread = [], {}
        for kind, call in (("compute", N.nvmlDeviceGetComputeRunningProcesses_v3),
                           ("graphics", N.nvmlDeviceGetGraphicsRunningProcesses_v3)):  # fmt: skip
            try:
                for process in call(self.handle):
                    memory = process.usedGpuMemory
                    found.append({"pid": process.pid, "name": _process_name(process.pid), "kind": kind,
                                  "memory_bytes": -1 if memory is None else memory})  # fmt: skip
            except N.NVMLError as error:
                unread["processes." + kind] = reason(error.value)
        self._tell({}, unread, found)


def _split_missing(values, unread):
    for name in [name for name, value in values.items() if isinstance(value, Missing)]:
        unread[name] = values.pop(name).reason


class Missing:
    """Stands in a call's answer for a part this driver's form of it does not have."""

    def __init__(self, why):
        self.reason = why


def _field_value(answer):
    kinds = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
    return getattr(answer.value, kinds[answer.valueType])


def _process_name(pid):
    try:
        with open("/proc/%d/comm" % pid, "rb") as comm:
            return comm.read(64).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _watts(call):
    return lambda handle: (call(handle) / 1000.0,)


def _one(call, *args):
    return lambda handle: (call(handle, *args),)


def _texts(call):
    return lambda handle: (text(call(handle)),)


def _bools(call):
    return lambda handle: [bool(value) for value in call(handle)]


def _temperature(handle):
    try:
        return (N.nvmlDeviceGetTemperatureV(handle, 0),)
    except N.NVMLError as error:
        if error.value not in (FUNCTION_NOT_FOUND, VERSION_MISMATCH):
            raise
        return (N.nvmlDeviceGetTemperature(handle, 0),)


def _clock_reasons(handle):
    try:
        return (N.nvmlDeviceGetCurrentClocksEventReasons(handle),)
    except N.NVMLError as error:
        if error.value != FUNCTION_NOT_FOUND:
            raise
        return (N.nvmlDeviceGetCurrentClocksThrottleReasons(handle),)


def _memory(handle):
    try:
        memory = N.nvmlDeviceGetMemoryInfo(handle, N.nvmlMemory_v2)
        return memory.total, memory.used, memory.reserved
    except N.NVMLError as error:
        if error.value not in (FUNCTION_NOT_FOUND, VERSION_MISMATCH):
            raise
        memory = N.nvmlDeviceGetMemoryInfo(handle)
        return memory.total, memory.used, Missing("driver-too-old")


def _utilisation(handle):
    rates = N.nvmlDeviceGetUtilizationRates(handle)
    return rates.gpu, rates.memory


def _remapped(handle):
    corrected, uncorrected, pending, failed = N.nvmlDeviceGetRemappedRows(handle)[:4]
    return corrected, uncorrected, bool(pending), bool(failed)


def _banks(handle):
    banks = N.nvmlDeviceGetRowRemapperHistogram(handle)
    return banks.max, banks.high, banks.partial, banks.low, banks.none


def _sram_threshold(handle):
    status = N.c_nvmlEccSramErrorStatus_v1_t()
    N.nvmlDeviceGetSramEccErrorStatus(handle, ctypes.byref(status))
    return (bool(status.bThresholdExceeded),)


def _sram_unique(handle):
    counts = N.c_nvmlEccSramUniqueUncorrectedErrorCounts_v1_t()
    try:
        N.nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(handle, ctypes.byref(counts))
    except N.NVMLError as error:
        if error.value != N.NVML_ERROR_INSUFFICIENT_SIZE:
            raise
    if not counts.entryCount:
        return (0,)
    entries = (N.c_nvmlEccSramUniqueUncorrectedErrorEntry_v1_t * counts.entryCount)()
    counts.entries = ctypes.cast(entries, ctypes.POINTER(N.c_nvmlEccSramUniqueUncorrectedErrorEntry_v1_t))
    N.nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(handle, ctypes.byref(counts))
    return (sum(entry.count for entry in entries[: counts.entryCount]),)


def _fabric(handle):
    """state, status, clique, cluster, health mask, health summary; v3 where the driver has it, then v2, then the first form."""
    too_old = Missing("driver-too-old")
    for shape in (N.c_nvmlGpuFabricInfo_v3_t, N.c_nvmlGpuFabricInfo_v2_t, None):
        try:
            if shape is None:
                info = N.c_nvmlGpuFabricInfo_t()
                N.nvmlDeviceGetGpuFabricInfo(handle, ctypes.byref(info))
            else:
                info = shape()
                N.nvmlDeviceGetGpuFabricInfoV(handle, ctypes.byref(info))
            break
        except N.NVMLError as error:
            if shape is None or error.value not in (VERSION_MISMATCH, FUNCTION_NOT_FOUND):
                raise
    digits = "".join("%02x" % (byte & 255) for byte in bytearray(info.clusterUuid))
    cluster = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return (info.state, info.status, info.cliqueId, cluster, getattr(info, "healthMask", too_old),
            getattr(info, "healthSummary", too_old))  # fmt: skip


def _platform(handle):
    info = N.c_nvmlPlatformInfo_v2_t()
    N.nvmlDeviceGetPlatformInfo(handle, ctypes.byref(info))
    return text(info.chassisSerialNumber), ord(info.slotNumber), ord(info.trayIndex)


def _capability(handle):
    return ("%d.%d" % tuple(N.nvmlDeviceGetCudaComputeCapability(handle)),)


def _limits(handle):
    low, high = N.nvmlDeviceGetPowerManagementLimitConstraints(handle)
    return low / 1000.0, high / 1000.0


MODES = (
    (("mode.mig", "mode.mig.pending"), _bools(N.nvmlDeviceGetMigMode)),
    (("mode.persistence",), lambda handle: (bool(N.nvmlDeviceGetPersistenceMode(handle)),)),
    (("mode.compute",), _one(N.nvmlDeviceGetComputeMode)),
    (("mode.ecc", "mode.ecc.pending"), _bools(N.nvmlDeviceGetEccMode)),
)
GROUPS = (
    (
        (("part_number",), _texts(N.nvmlDeviceGetBoardPartNumber)),
        (("vbios",), _texts(N.nvmlDeviceGetVbiosVersion)),
        (("inforom",), _texts(N.nvmlDeviceGetInforomImageVersion)),
        (("gsp_firmware",), _texts(N.nvmlDeviceGetGspFirmwareVersion)),
        (("architecture",), _one(N.nvmlDeviceGetArchitecture)),
        (("compute_capability",), _capability),
        (("module_id",), lambda handle: (N.nvmlDeviceGetModuleId(handle),)),
        (("platform.chassis_serial", "platform.slot", "platform.tray"), _platform),
    ),
    (
        (("temperature.core",), _temperature),
        (("temperature.margin",), _one(N.nvmlDeviceGetMarginTemperature)),
        (("temperature.limit.shutdown",), _one(N.nvmlDeviceGetTemperatureThreshold, 0)),
        (("temperature.limit.slowdown",), _one(N.nvmlDeviceGetTemperatureThreshold, 1)),
        (("temperature.limit.memory",), _one(N.nvmlDeviceGetTemperatureThreshold, 2)),
        (("temperature.limit.gpu",), _one(N.nvmlDeviceGetTemperatureThreshold, 3)),
        (("power.limit",), _watts(N.nvmlDeviceGetEnforcedPowerLimit)),
        (("power.limit.default",), _watts(N.nvmlDeviceGetPowerManagementDefaultLimit)),
        (("power.limit.min", "power.limit.max"), _limits),
        (("energy",), _watts(N.nvmlDeviceGetTotalEnergyConsumption)),
        (("clock.graphics",), _one(N.nvmlDeviceGetClockInfo, 0)),
        (("clock.sm",), _one(N.nvmlDeviceGetClockInfo, 1)),
        (("clock.memory",), _one(N.nvmlDeviceGetClockInfo, 2)),
        (("clock.graphics.max",), _one(N.nvmlDeviceGetMaxClockInfo, 0)),
        (("clock.memory.max",), _one(N.nvmlDeviceGetMaxClockInfo, 2)),
        (("clock.reasons",), _clock_reasons),
        (("performance_state",), _one(N.nvmlDeviceGetPerformanceState)),
        (("utilisation.gpu", "utilisation.memory"), _utilisation),
        (("memory.total", "memory.used", "memory.reserved"), _memory),
        (("memory.bar1.used",), lambda handle: (N.nvmlDeviceGetBAR1MemoryInfo(handle).bar1Used,)),
    ),
    (
        (("ecc.volatile.corrected",), _one(N.nvmlDeviceGetTotalEccErrors, 0, 0)),
        (("ecc.volatile.uncorrected",), _one(N.nvmlDeviceGetTotalEccErrors, 1, 0)),
        (("ecc.aggregate.corrected",), _one(N.nvmlDeviceGetTotalEccErrors, 0, 1)),
        (("ecc.aggregate.uncorrected",), _one(N.nvmlDeviceGetTotalEccErrors, 1, 1)),
        (("ecc.sram.volatile.uncorrected",), _one(N.nvmlDeviceGetMemoryErrorCounter, 1, 0, SRAM)),
        (("ecc.sram.aggregate.uncorrected",), _one(N.nvmlDeviceGetMemoryErrorCounter, 1, 1, SRAM)),
        (("ecc.dram.volatile.uncorrected",), _one(N.nvmlDeviceGetMemoryErrorCounter, 1, 0, DRAM)),
        (("ecc.dram.aggregate.uncorrected",), _one(N.nvmlDeviceGetMemoryErrorCounter, 1, 1, DRAM)),
        (("ecc.sram.threshold_exceeded",), _sram_threshold),
        (("ecc.sram.unique_uncorrected",), _sram_unique),
        (("remap.correctable", "remap.uncorrectable", "remap.pending", "remap.failed"), _remapped),
        (("remap.banks.max", "remap.banks.high", "remap.banks.partial", "remap.banks.low", "remap.banks.none"), _banks),
        (("repair.channel_pending", "repair.tpc_pending"), _bools(N.nvmlDeviceGetRepairStatus)),
        (("memory.unrepairable",), lambda handle: (bool(N.nvmlDeviceGetUnrepairableMemoryFlag_v1(handle)),)),
        (("retired.single_bit",), lambda handle: (len(N.nvmlDeviceGetRetiredPages(handle, 0)),)),
        (("retired.double_bit",), lambda handle: (len(N.nvmlDeviceGetRetiredPages(handle, 1)),)),
        (("retired.pending",), lambda handle: (bool(N.nvmlDeviceGetRetiredPagesPendingStatus(handle)),)),
    ),
    (
        (("pcie.generation",), _one(N.nvmlDeviceGetCurrPcieLinkGeneration)),
        (("pcie.generation.max",), _one(N.nvmlDeviceGetMaxPcieLinkGeneration)),
        (("pcie.width",), _one(N.nvmlDeviceGetCurrPcieLinkWidth)),
        (("pcie.width.max",), _one(N.nvmlDeviceGetMaxPcieLinkWidth)),
        (("pcie.replays",), _one(N.nvmlDeviceGetPcieReplayCounter)),
        (("pcie.tx",), _one(N.nvmlDeviceGetPcieThroughput, 0)),
        (("pcie.rx",), _one(N.nvmlDeviceGetPcieThroughput, 1)),
    ),
    (
        (("fabric.state", "fabric.status", "fabric.clique", "fabric.cluster", "fabric.health_mask", "fabric.health_summary"),
         _fabric),
    ),
)  # fmt: skip
