"""What each reading is asked of NVML with: a call that answers one or several names at once, in the order they are
asked."""

import ctypes

import pynvml as nv

from gigactl.payload.nvml_fields import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence

FUNCTION_NOT_FOUND, VERSION_MISMATCH = 13, 25
SRAM, DRAM = 7, 2


class Missing:
    """Stands in a call's answer for a part this driver's form of it does not have."""

    def __init__(self, why: str) -> None:
        self.reason = why


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


def _sram_status(handle: "Any") -> "Sequence[Any]":
    """The threshold, uncorrected errors by how they were found, and (of all time only) by where."""
    status = nv.c_nvmlEccSramErrorStatus_v1_t()
    nv.nvmlDeviceGetSramEccErrorStatus(handle, ctypes.byref(status))
    return (bool(status.bThresholdExceeded), status.volatileUncParity, status.volatileUncSecDed,
            status.aggregateUncParity, status.aggregateUncSecDed, status.aggregateUncBucketL2,
            status.aggregateUncBucketSm, status.aggregateUncBucketPcie, status.aggregateUncBucketMcu,
            status.aggregateUncBucketOther)  # fmt: skip


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
    numbers = (info.slotNumber, info.trayIndex, info.hostId, info.peerType)
    return [text(info.chassisSerialNumber), *(ord(number) for number in numbers)]


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
    (("mode.addressing",), _one(nv.nvmlDeviceGetAddressingMode)),
)
GROUPS = (
    (
        (("part_number",), _texts(nv.nvmlDeviceGetBoardPartNumber)),
        (("vbios",), _texts(nv.nvmlDeviceGetVbiosVersion)),
        (("inforom",), _texts(nv.nvmlDeviceGetInforomImageVersion)),
        (("inforom.checksum",), _one(nv.nvmlDeviceGetInforomConfigurationChecksum)),
        (("gsp_firmware",), _texts(nv.nvmlDeviceGetGspFirmwareVersion)),
        (("architecture",), _one(nv.nvmlDeviceGetArchitecture)),
        (("compute_capability",), _capability),
        (("module_id",), lambda handle: (nv.nvmlDeviceGetModuleId(handle),)),
        (("platform.chassis_serial", "platform.slot", "platform.tray", "platform.host", "platform.peer_type"),
         _platform),
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
        (("ecc.sram.volatile.corrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 0, 0, SRAM)),
        (("ecc.sram.aggregate.corrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 0, 1, SRAM)),
        (("ecc.dram.volatile.corrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 0, 0, DRAM)),
        (("ecc.dram.aggregate.corrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 0, 1, DRAM)),
        (("ecc.sram.volatile.uncorrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 1, 0, SRAM)),
        (("ecc.sram.aggregate.uncorrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 1, 1, SRAM)),
        (("ecc.dram.volatile.uncorrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 1, 0, DRAM)),
        (("ecc.dram.aggregate.uncorrected",), _one(nv.nvmlDeviceGetMemoryErrorCounter, 1, 1, DRAM)),
        (("ecc.sram.threshold_exceeded", "ecc.sram.volatile.parity", "ecc.sram.volatile.secded",
          "ecc.sram.aggregate.parity", "ecc.sram.aggregate.secded", "ecc.sram.aggregate.l2", "ecc.sram.aggregate.sm",
          "ecc.sram.aggregate.pcie", "ecc.sram.aggregate.mcu", "ecc.sram.aggregate.other"),
         _sram_status),
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
