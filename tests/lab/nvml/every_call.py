"""Asks the unmodified pynvml for every reading there is, in a process of its own, and prints the answers as JSON.

`python -m tests.lab.nvml.every_call`: `{"init": code, "count": n, "gpus": [{source: answer}]}`; an answer is a value or
`{"error": code}`. The sources are those of `gigactl.payload.readings`; fields of a link are asked of link 0.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from typing import Any

import pynvml as nv

FIELDS = (74, 75, 82, 83, 91, 95, 142, 143, 144, 145, 147, 161, 162, 163, 164, 165, *range(169, 184), 185, 186, 191,
          *range(193, 197), *range(206, 216), *range(219, 223), *range(230, 235), 269, 270, 271,
          *range(301, 308))  # fmt: skip


def _struct(kind: Any, call: Any) -> Callable[[Any], Any]:
    """A call that fills the caller's structure, as a dict."""

    def ask(handle: Any) -> Any:
        filled = kind()
        call(handle, ctypes.byref(filled))
        return _plain(filled)

    return ask


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, ctypes.Structure):
        return {name: _plain(_member(value, name)) for name, *_ in value._fields_}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, ctypes.Array | list | tuple):
        return [_plain(one) for one in value]
    return _plain(vars(value)) if isinstance(value, nv.nvmlFriendlyObject) else value


def _member(value: ctypes.Structure, name: str) -> Any:
    try:
        return getattr(value, name)
    except UnicodeDecodeError:  # pynvml takes every char array for text; a GUID is none
        return None


def _fabric(handle: Any) -> Any:
    try:
        return _struct(nv.c_nvmlGpuFabricInfo_v3_t, nv.nvmlDeviceGetGpuFabricInfoV)(handle)
    except nv.NVMLError as error:
        if error.value != nv.NVML_ERROR_ARGUMENT_VERSION_MISMATCH:
            raise
    return _struct(nv.c_nvmlGpuFabricInfo_v2_t, nv.nvmlDeviceGetGpuFabricInfoV)(handle)


CALLS: dict[str, Callable[[Any], Any]] = {
    "nvmlDeviceGetName": nv.nvmlDeviceGetName,
    "nvmlDeviceGetUUID": nv.nvmlDeviceGetUUID,
    "nvmlDeviceGetSerial": nv.nvmlDeviceGetSerial,
    "nvmlDeviceGetPciInfo": nv.nvmlDeviceGetPciInfo,
    "nvmlDeviceGetBoardPartNumber": nv.nvmlDeviceGetBoardPartNumber,
    "nvmlDeviceGetVbiosVersion": nv.nvmlDeviceGetVbiosVersion,
    "nvmlDeviceGetInforomImageVersion": nv.nvmlDeviceGetInforomImageVersion,
    "nvmlDeviceGetInforomConfigurationChecksum": nv.nvmlDeviceGetInforomConfigurationChecksum,
    "nvmlDeviceGetGspFirmwareVersion": nv.nvmlDeviceGetGspFirmwareVersion,
    "nvmlDeviceGetArchitecture": nv.nvmlDeviceGetArchitecture,
    "nvmlDeviceGetCudaComputeCapability": nv.nvmlDeviceGetCudaComputeCapability,
    "nvmlDeviceGetModuleId": nv.nvmlDeviceGetModuleId,
    "nvmlDeviceGetPlatformInfo": _struct(nv.c_nvmlPlatformInfo_v2_t, nv.nvmlDeviceGetPlatformInfo),
    "nvmlDeviceGetTemperature": lambda handle: nv.nvmlDeviceGetTemperature(handle, 0),
    "nvmlDeviceGetTemperatureV": lambda handle: nv.nvmlDeviceGetTemperatureV(handle, 0),
    "nvmlDeviceGetMarginTemperature": nv.nvmlDeviceGetMarginTemperature,
    "nvmlDeviceGetTemperatureThreshold": lambda handle: [
        nv.nvmlDeviceGetTemperatureThreshold(handle, one) for one in range(4)
    ],
    "nvmlDeviceGetPowerUsage": nv.nvmlDeviceGetPowerUsage,
    "nvmlDeviceGetEnforcedPowerLimit": nv.nvmlDeviceGetEnforcedPowerLimit,
    "nvmlDeviceGetPowerManagementDefaultLimit": nv.nvmlDeviceGetPowerManagementDefaultLimit,
    "nvmlDeviceGetPowerManagementLimitConstraints": nv.nvmlDeviceGetPowerManagementLimitConstraints,
    "nvmlDeviceGetTotalEnergyConsumption": nv.nvmlDeviceGetTotalEnergyConsumption,
    "nvmlDeviceGetClockInfo": lambda handle: [nv.nvmlDeviceGetClockInfo(handle, one) for one in range(3)],
    "nvmlDeviceGetMaxClockInfo": lambda handle: [nv.nvmlDeviceGetMaxClockInfo(handle, one) for one in range(3)],
    "nvmlDeviceGetCurrentClocksEventReasons": nv.nvmlDeviceGetCurrentClocksEventReasons,
    "nvmlDeviceGetCurrentClocksThrottleReasons": nv.nvmlDeviceGetCurrentClocksThrottleReasons,
    "nvmlDeviceGetPerformanceState": nv.nvmlDeviceGetPerformanceState,
    "nvmlDeviceGetUtilizationRates": nv.nvmlDeviceGetUtilizationRates,
    "nvmlDeviceGetMemoryInfo": lambda handle: nv.nvmlDeviceGetMemoryInfo(handle, nv.nvmlMemory_v2),
    "nvmlDeviceGetMemoryInfo, first form": nv.nvmlDeviceGetMemoryInfo,
    "nvmlDeviceGetBAR1MemoryInfo": nv.nvmlDeviceGetBAR1MemoryInfo,
    "nvmlDeviceGetPersistenceMode": nv.nvmlDeviceGetPersistenceMode,
    "nvmlDeviceGetComputeMode": nv.nvmlDeviceGetComputeMode,
    "nvmlDeviceGetMigMode": nv.nvmlDeviceGetMigMode,
    "nvmlDeviceGetAddressingMode": nv.nvmlDeviceGetAddressingMode,
    "nvmlDeviceGetEccMode": nv.nvmlDeviceGetEccMode,
    "nvmlDeviceGetTotalEccErrors": lambda handle: [
        nv.nvmlDeviceGetTotalEccErrors(handle, kind, counter) for kind in (0, 1) for counter in (0, 1)
    ],
    "nvmlDeviceGetMemoryErrorCounter": lambda handle: [
        nv.nvmlDeviceGetMemoryErrorCounter(handle, 1, counter, place) for counter in (0, 1) for place in (7, 2)
    ],
    "nvmlDeviceGetSramEccErrorStatus": _struct(nv.c_nvmlEccSramErrorStatus_v1_t, nv.nvmlDeviceGetSramEccErrorStatus),
    "nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts": lambda handle: _unique(handle),
    "nvmlDeviceGetRemappedRows": nv.nvmlDeviceGetRemappedRows,
    "nvmlDeviceGetRowRemapperHistogram": nv.nvmlDeviceGetRowRemapperHistogram,
    "nvmlDeviceGetRepairStatus": nv.nvmlDeviceGetRepairStatus,
    "nvmlDeviceGetUnrepairableMemoryFlag_v1": nv.nvmlDeviceGetUnrepairableMemoryFlag_v1,
    "nvmlDeviceGetRetiredPages": lambda handle: [nv.nvmlDeviceGetRetiredPages(handle, cause) for cause in (0, 1)],
    "nvmlDeviceGetRetiredPagesPendingStatus": nv.nvmlDeviceGetRetiredPagesPendingStatus,
    "nvmlDeviceGetCurrPcieLinkGeneration": nv.nvmlDeviceGetCurrPcieLinkGeneration,
    "nvmlDeviceGetMaxPcieLinkGeneration": nv.nvmlDeviceGetMaxPcieLinkGeneration,
    "nvmlDeviceGetCurrPcieLinkWidth": nv.nvmlDeviceGetCurrPcieLinkWidth,
    "nvmlDeviceGetMaxPcieLinkWidth": nv.nvmlDeviceGetMaxPcieLinkWidth,
    "nvmlDeviceGetPcieReplayCounter": nv.nvmlDeviceGetPcieReplayCounter,
    "nvmlDeviceGetPcieThroughput": lambda handle: [nv.nvmlDeviceGetPcieThroughput(handle, one) for one in (0, 1)],
    "nvmlDeviceGetNvLinkState": lambda handle: nv.nvmlDeviceGetNvLinkState(handle, 0),
    "nvmlDeviceGetGpuFabricInfo": _struct(nv.c_nvmlGpuFabricInfo_t, nv.nvmlDeviceGetGpuFabricInfo),
    "nvmlDeviceGetGpuFabricInfoV": _fabric,
    "nvmlDeviceGetComputeRunningProcesses": nv.nvmlDeviceGetComputeRunningProcesses_v3,
    "nvmlDeviceGetGraphicsRunningProcesses": nv.nvmlDeviceGetGraphicsRunningProcesses_v3,
}


def _unique(handle: Any) -> Any:
    """The entries, by the two calls that the header prescribes: how many, then with room for them."""
    counts = nv.c_nvmlEccSramUniqueUncorrectedErrorCounts_v1_t()
    try:
        nv.nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(handle, ctypes.byref(counts))
    except nv.NVMLError as error:
        if error.value != nv.NVML_ERROR_INSUFFICIENT_SIZE:
            raise
    entries = (nv.c_nvmlEccSramUniqueUncorrectedErrorEntry_v1_t * max(counts.entryCount, 1))()
    counts.entries = ctypes.cast(entries, ctypes.POINTER(nv.c_nvmlEccSramUniqueUncorrectedErrorEntry_v1_t))
    nv.nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(handle, ctypes.byref(counts))
    return sum(entry.count for entry in entries[: counts.entryCount])


def _fields(handle: Any) -> dict[str, Any]:
    members = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal")
    answers = nv.nvmlDeviceGetFieldValues(handle, [(field, 0) for field in FIELDS])
    return {
        f"field {answer.fieldId}": {"error": answer.nvmlReturn}
        if answer.nvmlReturn
        else getattr(answer.value, members[answer.valueType])
        for answer in answers
    }


def ask(index: int) -> dict[str, Any]:
    """Every source of one GPU."""
    try:
        handle = nv.nvmlDeviceGetHandleByIndex(index)
    except nv.NVMLError as error:
        return {"handle": {"error": error.value}}
    answers: dict[str, Any] = {}
    for source, call in CALLS.items():
        try:
            answers[source] = _plain(call(handle))
        except nv.NVMLError as error:
            answers[source] = {"error": error.value}
    return {**answers, **_fields(handle)}


def main() -> None:
    """Ask and print."""
    try:
        nv.nvmlInit()
    except nv.NVMLError as error:
        print(json.dumps({"init": error.value}))
        return
    count = nv.nvmlDeviceGetCount()
    driver = [_plain(nv.nvmlSystemGetDriverVersion()), _plain(nv.nvmlSystemGetNVMLVersion()),
              nv.nvmlSystemGetCudaDriverVersion_v2()]  # fmt: skip
    print(json.dumps({"init": 0, "count": count, "driver": driver, "gpus": [ask(index) for index in range(count)]}))
    nv.nvmlShutdown()


if __name__ == "__main__":
    main()
