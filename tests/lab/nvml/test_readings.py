"""Every reading, board by board, on old drivers and new ones: a value, NOT_SUPPORTED, or a call that is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gigactl.inventory.profiles import shipped
from gigactl.lab import boards
from gigactl.payload.readings import READINGS
from tests.lab.nvml.every_call import CALLS, FIELDS
from tests.lab.nvml.lab_host import make

INVALID_ARGUMENT, NOT_SUPPORTED, FUNCTION_NOT_FOUND = 2, 3, 13
OLD, NEW, NEWEST = "535.261.03", "580.126.20", "590.48.01"
A100, HOPPER, B200 = frozenset({"a100", "a100-pcie"}), frozenset({"h100", "h200"}), frozenset({"b200"})
EVERYWHERE = A100 | HOPPER | B200

# the driver that brought a call: first nvidia-ml-py with its name; SRAM status: 535.161
SINCE = {
    "nvmlDeviceGetGpuFabricInfoV": (545,),
    "nvmlDeviceGetTemperatureV": (570,),
    "nvmlDeviceGetMarginTemperature": (570,),
    "nvmlDeviceGetPlatformInfo": (570,),
    "nvmlDeviceGetRepairStatus": (580,),
    "nvmlDeviceGetAddressingMode": (580,),
    "nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts": (580,),
    "nvmlDeviceGetUnrepairableMemoryFlag_v1": (590,),
    **{f"field {field}": (560,) for field in (*range(206, 216), *range(219, 223))},
    "field 230": (570,),
    **{f"field {field}": (575,) for field in range(231, 235)},
    **{f"field {field}": (580, 82) for field in (269, 270, 271)},
    **{f"field {field}": (610,) for field in (301, 302)},
    **{f"field {field}": (615,) for field in range(303, 308)},
}
# the boards that have something, where not all do: nvml.h on architectures; without NVLink nothing of a link
HAVE = {
    "nvmlDeviceGetPlatformInfo": B200,
    "nvmlDeviceGetMarginTemperature": HOPPER | B200,
    "nvmlDeviceGetTemperatureThreshold": A100 | HOPPER,
    "nvmlDeviceGetGpuFabricInfo": HOPPER | B200,
    "nvmlDeviceGetGpuFabricInfoV": HOPPER | B200,
    "nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts": B200,
    "nvmlDeviceGetUnrepairableMemoryFlag_v1": HOPPER | B200,
    "nvmlDeviceGetRetiredPages": frozenset(),
    "nvmlDeviceGetRetiredPagesPendingStatus": frozenset(),
    "nvmlDeviceGetNvLinkState": EVERYWHERE - {"a100-pcie"},
    "field 147": EVERYWHERE - {"a100-pcie"},
    **{f"field {field}": HOPPER | {"a100"} for field in (161, 162, 163)},
    **{f"field {field}": EVERYWHERE - {"a100-pcie"} for field in (164, 165)},
    **{f"field {field}": frozenset() for field in (170, 171, 172, 183, *range(231, 235), *range(301, 308))},
    **{f"field {field}": HOPPER | B200 for field in range(193, 197)},
    **{f"field {field}": B200 for field in (*range(206, 216), *range(219, 223))},
    "field 230": HOPPER | B200,
}


def planned(source: str, board: str, driver: str) -> int:
    """The code that a real host of this kind answers."""
    version = tuple(int(part) for part in driver.split("."))
    if version < SINCE.get(source, (0,)):
        return INVALID_ARGUMENT if source.startswith("field") else FUNCTION_NOT_FOUND
    return 0 if board in HAVE.get(source, EVERYWHERE) else NOT_SUPPORTED


def code(answer: Any) -> int:
    return int(answer["error"]) if isinstance(answer, dict) and "error" in answer else 0


def test_every_source_of_the_readings_is_asked() -> None:
    sources = {source for _, said in READINGS.values() for source in said.split(", else ")}
    assert sources <= {*CALLS, *(f"field {field}" for field in FIELDS)}


@pytest.mark.parametrize("driver", [OLD, NEW, NEWEST])
@pytest.mark.parametrize("board", sorted(EVERYWHERE))
def test_each_board_has_what_its_hardware_and_driver_have(board: str, driver: str, tmp_path: Path) -> None:
    found = make(tmp_path, board, driver, gpus=2).everything()
    assert (found["init"], found["count"]) == (0, 2)
    for answers in found["gpus"]:
        codes = {source: code(answer) for source, answer in answers.items()}
        assert codes == {source: planned(source, board, driver) for source in codes}


@pytest.mark.parametrize("board", sorted(EVERYWHERE))
def test_a_healthy_host_reads_healthy(board: str, tmp_path: Path) -> None:
    profile = boards.load()[board]
    found = make(tmp_path, board).everything()
    assert found["driver"] == ["580.126.20", "13.580.126.20", 13000]
    assert len({gpu["nvmlDeviceGetUUID"] for gpu in found["gpus"]}) == 8
    assert len({gpu["nvmlDeviceGetSerial"] for gpu in found["gpus"]}) == 8
    for gpu in found["gpus"]:
        assert gpu["nvmlDeviceGetName"] == profile.name
        assert gpu["nvmlDeviceGetMemoryInfo"]["total"] == profile.memory_bytes
        assert gpu["nvmlDeviceGetTotalEccErrors"] == [0, 0, 0, 0]
        assert gpu["nvmlDeviceGetMemoryErrorCounter"] == [0, 0, 0, 0]
        assert gpu["nvmlDeviceGetRemappedRows"] == [0, 0, 0, 0]
        assert gpu["nvmlDeviceGetSramEccErrorStatus"]["bThresholdExceeded"] == 0
        assert gpu["nvmlDeviceGetCurrPcieLinkWidth"] == gpu["nvmlDeviceGetMaxPcieLinkWidth"] == profile.pcie_width
        assert gpu["nvmlDeviceGetCurrPcieLinkGeneration"] == profile.pcie_generation
        assert gpu["nvmlDeviceGetEccMode"] == [1, 1]
        assert gpu["nvmlDeviceGetMigMode"] == [0, 0]
        assert gpu["field 91"] == profile.nvlinks
        assert 20 <= gpu["nvmlDeviceGetTemperatureV"] <= 45
        assert 0 < gpu["field 186"] < profile.watts.limit * 1000
        assert gpu["nvmlDeviceGetComputeRunningProcesses"] == []


def test_gpus_stand_in_the_order_of_their_pci_addresses(tmp_path: Path) -> None:
    found = make(tmp_path).everything()
    addresses = [gpu["nvmlDeviceGetPciInfo"]["busId"] for gpu in found["gpus"]]
    assert addresses == sorted(addresses)
    assert addresses[0] == "00000000:18:00.0"
    assert found["gpus"][0]["nvmlDeviceGetPciInfo"]["pciDeviceId"] == 0x233510DE


def test_the_fabric_of_each_generation(tmp_path: Path) -> None:
    hopper = make(tmp_path / "h", "h100", gpus=1).everything()["gpus"][0]["nvmlDeviceGetGpuFabricInfoV"]
    blackwell = make(tmp_path / "b", "b200", gpus=1).everything()["gpus"][0]["nvmlDeviceGetGpuFabricInfoV"]
    assert (hopper["state"], hopper["status"], hopper["healthMask"], hopper["healthSummary"]) == (3, 0, 0, 0)
    assert (blackwell["state"], blackwell["healthMask"], blackwell["healthSummary"]) == (3, 0x1AA, 1)


@pytest.mark.parametrize("board", sorted(EVERYWHERE))
def test_the_lab_has_what_the_inventory_expects(board: str) -> None:
    profile, expected = boards.load()[board], shipped().boards[board]
    assert profile.name in expected.gpu_names
    assert f"10de:{profile.pci_device:04x}" in expected.pci_ids
    assert expected.nvlinks in {None, profile.nvlinks}
    assert (expected.pcie_width, expected.pcie_generation) == (profile.pcie_width, profile.pcie_generation)
    assert expected.fabric == profile.fabric
