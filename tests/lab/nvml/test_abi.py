"""NVML's calling conventions: versions of structures, sizes, handles, numbers that changed their meaning, threads."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from tests.lab.nvml.lab_host import make

OPEN = "nv.nvmlInit(); h = nv.nvmlDeviceGetHandleByIndex(0)\n"
CODE = OPEN + (
    "def code(call, *given):\n"
    "    try: call(*given)\n"
    "    except nv.NVMLError as error: return error.value\n"
    "    return 0\n"
)


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("c_nvmlGpuFabricInfo_v3_t", "nvmlDeviceGetGpuFabricInfoV"),
        ("c_nvmlEccSramErrorStatus_v1_t", "nvmlDeviceGetSramEccErrorStatus"),
        ("c_nvmlPlatformInfo_v2_t", "nvmlDeviceGetPlatformInfo"),
        ("c_nvmlEccSramUniqueUncorrectedErrorCounts_v1_t", "nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts"),
    ],
)
def test_a_structure_of_another_version_is_refused(kind: str, call: str, tmp_path: Path) -> None:
    host = make(tmp_path, "b200", "590.48.01", gpus=1)
    code = f"s = nv.{kind}()\nprint(code(nv.{call}, h, ctypes.byref(s)))\ns.version = 0x7000001\n"
    assert host.python(CODE + code + f"print(code(nv.{call}, h, ctypes.byref(s)))").split() == ["0", "25"]


@pytest.mark.parametrize(
    "name",
    [
        "TemperatureV",
        "MarginTemperature",
        "RepairStatus",
        "UnrepairableMemoryFlag_v1",
        "AddressingMode",
        "MemoryInfo_v2",
    ],
)
def test_a_version_word_of_zero_is_refused(name: str, tmp_path: Path) -> None:
    """By the C interface itself: pynvml fills in the versions of these."""
    host = make(tmp_path, "b200", "590.48.01", gpus=1)
    library = "lib = ctypes.CDLL('libnvidia-ml.so.1')\nroom = (ctypes.c_ulonglong * 16)()\n"
    assert host.python(OPEN + library + f"print(lib.nvmlDeviceGet{name}(h, room))").split() == ["25"]


def test_the_third_fabric_form_came_with_580_65(tmp_path: Path) -> None:
    ask = CODE + "".join(
        f"s = nv.c_nvmlGpuFabricInfo_v{form}_t()\ns.version = {word}\n"
        "print(code(nv.nvmlDeviceGetGpuFabricInfoV, h, ctypes.byref(s)))\n"
        for form, word in ((2, 0x2000024), (3, 0x3000028))
    )
    assert make(tmp_path / "old", driver="570.211.01", gpus=1).python(ask).split() == ["0", "25"]
    assert make(tmp_path / "new", driver="580.65.06", gpus=1).python(ask).split() == ["0", "0"]


def test_field_numbers_mean_what_the_drivers_header_says(tmp_path: Path) -> None:
    """251 and 269 by driver: power smoothing or event-reason times, INVALID_ARGUMENT where the number is not known."""
    fields = (
        "print([v.nvmlReturn or v.value.ullVal for v in nv.nvmlDeviceGetFieldValues(h, [251, 256, 269, 199, 200])])"
    )
    lines = {"gpu.*.reason.sw_thermal": "777", "gpu.*.smoothing.0": "42", "gpu.*.smoothing.13": "13",
             "gpu.*.mig.query": "5", "gpu.*.nvlink.lowpower.max": "6"}  # fmt: skip
    read = {
        driver: make(tmp_path / driver, "b200", driver, 1, lines).python(OPEN + fields).strip()
        for driver in ("550.163.01", "560.35.05", "570.211.01", "580.65.06", "580.126.20")
    }
    assert read == {
        "550.163.01": "[2, 2, 2, 5, 2]",
        "560.35.05": "[2, 2, 2, 6, 5]",
        "570.211.01": "[42, 90, 2, 5, 6]",
        "580.65.06": "[777, 42, 13, 5, 6]",
        "580.126.20": "[42, 90, 777, 5, 6]",
    }


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    library = "lib = ctypes.CDLL('libnvidia-ml.so.1')\nsmall, n = ctypes.create_string_buffer(4), ctypes.c_uint(0)\n"
    ask = (
        "print(lib.nvmlDeviceGetUUID(h, small, 4), small.raw == bytes(4))\n"
        "print(lib.nvmlDeviceGetComputeRunningProcesses_v3(h, ctypes.byref(n), None), n.value)\n"
        "print(lib.nvmlDeviceGetName(None, small, 4), lib.nvmlDeviceGetName(ctypes.c_void_p(64), small, 4))\n"
        "print(lib.nvmlDeviceGetTemperature(h, 0, None), lib.nvmlDeviceGetCount_v2(None))\n"
    )
    found = make(tmp_path, gpus=1, overrides={"gpu.0.procs": "1:1 2:2"}).python(OPEN + library + ask)
    assert found.splitlines() == ["7 True", "7 2", "2 2", "2 2"]


def test_nothing_is_answered_before_init_and_after_shutdown(tmp_path: Path) -> None:
    ask = (
        CODE
        + "nv.nvmlShutdown()\nprint(code(nv.nvmlDeviceGetCount), code(nv.nvmlDeviceGetName, h), code(nv.nvmlShutdown))"
    )
    assert make(tmp_path).python(ask).split() == ["1", "1", "1"]


def test_a_gpu_is_found_by_uuid_serial_and_address(tmp_path: Path) -> None:
    ask = (
        "nv.nvmlInit(); h = nv.nvmlDeviceGetHandleByIndex(5)\n"
        "found = [nv.nvmlDeviceGetHandleByUUID(nv.nvmlDeviceGetUUID(h)),\n"
        "         nv.nvmlDeviceGetHandleBySerial(nv.nvmlDeviceGetSerial(h)),\n"
        "         nv.nvmlDeviceGetHandleByPciBusId('0000:ab:00.0')]\n"
        "print([nv.nvmlDeviceGetIndex(one) for one in found])\n"
    )
    assert make(tmp_path).python(ask).strip() == "[5, 5, 5]"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_sram_details_are_roots(tmp_path: Path) -> None:
    """nvml.h: NVML_ERROR_NO_PERMISSION unless root; all else reads as before."""
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        host = make(Path(open_to_all) / "host", gpus=1)
        host.directory.chmod(0o755)
        become = "import os\nos.setgid(65534); os.setuid(65534)\ns = nv.c_nvmlEccSramErrorStatus_v1_t()\n"
        ask = (
            CODE
            + become
            + "print(code(nv.nvmlDeviceGetSramEccErrorStatus, h, ctypes.byref(s)), nv.nvmlDeviceGetName(h))"
        )
        assert host.python(ask).strip() == "4 NVIDIA H200"


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"\n\n# nothing\n",
        b"driver 580.126.20",
        b"driver 580.126.20\ngpus many\n",
        b"driver 580.126.20\ngpus 999999999999\ngpu.*.temp 1e9\ngpu.*.name " + b"x" * 5000 + b"\n",
        b"driver 580.126.20\ngpus 1\ngpu.0.pci nowhere\ngpu.0.temp \xff\xfe\ngpu.0.procs a:b 1:2:3 ::\n",
        b"driver 580.126.20\ngpus 1\n" + b"gpu.0.temp !\ngpu.0.nvlink.count 4000000000\n" * 3,
        b"driver 580.126.20\ngpus -3\n\0\0\0",
        b"key" * 100_000,
    ],
)
def test_no_state_brings_a_program_down(state: bytes, tmp_path: Path) -> None:
    host = make(tmp_path)
    host.state.write_bytes(state)
    assert host.run([sys.executable, "-m", "tests.lab.nvml.every_call"]).returncode == 0


def test_many_threads_while_the_state_changes(tmp_path: Path) -> None:
    """Every value is one that stood in the file, whole; the file is replaced all the while."""
    host = make(tmp_path, gpus=1, overrides={"frozen": "1", "gpu.0.temp": "40", "gpu.0.name": "a" * 60})
    code = OPEN + (
        "import os, threading, pathlib\n"
        "path = pathlib.Path(os.environ['NVIDIA_LAB_STATE']); text = path.read_text()\n"
        "versions = [text, text.replace('gpu.0.temp 40', 'gpu.0.temp 50').replace('a' * 60, 'b' * 50)]\n"
        "seen, stop = set(), threading.Event()\n"
        "def read():\n"
        "    for _ in range(300): seen.add(str(nv.nvmlDeviceGetTemperature(h, 0))); seen.add(nv.nvmlDeviceGetName(h))\n"
        "threads = [threading.Thread(target=read) for _ in range(8)]\n"
        "[one.start() for one in threads]\n"
        "number = 0\n"
        "while any(one.is_alive() for one in threads):\n"
        "    new = path.with_name('new'); new.write_text(versions[number % 2]); new.rename(path); number += 1\n"
        "[one.join() for one in threads]\n"
        "print(number > 2, seen <= {'40', '50', 'a' * 60, 'b' * 50})\n"
    )
    assert host.python(code).strip() == "True True"
