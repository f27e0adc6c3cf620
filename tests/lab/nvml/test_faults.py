"""What a broken host answers, from init to a single call, also while a program has NVML open."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.nvml.lab_host import LIMIT_S, LabHost, make

LIBRARY_NOT_FOUND, LIB_RM_VERSION_MISMATCH, DRIVER_NOT_LOADED, GPU_IS_LOST = 12, 18, 9, 15
QUIET_S = 0.4  # so long nothing must come


@pytest.mark.parametrize(
    ("line", "code"),
    [({"driver": "580.95.05"}, 18), ({"driver": "none"}, 9), ({"init": "!999"}, 999), ({"init": "!4"}, 4)],
)
def test_init_says_what_is_wrong_with_the_driver(line: dict[str, str], code: int, tmp_path: Path) -> None:
    assert make(tmp_path, overrides=line).everything() == {"init": code}


def test_without_a_state_there_is_no_driver(tmp_path: Path) -> None:
    host = make(tmp_path)
    host.state.unlink()
    assert host.everything() == {"init": DRIVER_NOT_LOADED}


def test_without_a_library_pynvml_finds_none(tmp_path: Path) -> None:
    host = make(tmp_path)
    (tmp_path / "libnvidia-ml.so.1").unlink()
    if host.run([sys.executable, "-c", "import ctypes; ctypes.CDLL('libnvidia-ml.so.1')"]).returncode == 0:
        pytest.skip("this machine has an NVIDIA driver of its own")
    assert host.everything() == {"init": LIBRARY_NOT_FOUND}


def test_a_lost_gpu_is_counted_and_answers_nothing(tmp_path: Path) -> None:
    found = make(tmp_path, overrides={"gpu.3.lost": "1"}).everything()
    assert (found["init"], found["count"]) == (0, 8)
    assert found["gpus"][3] == {"handle": {"error": GPU_IS_LOST}}
    assert all("nvmlDeviceGetUUID" in gpu for index, gpu in enumerate(found["gpus"]) if index != 3)


def test_a_missing_gpu_is_not_counted(tmp_path: Path) -> None:
    assert make(tmp_path, gpus=7).everything()["count"] == 7


def test_one_call_fails_and_the_others_answer(tmp_path: Path) -> None:
    first, second = make(tmp_path, gpus=2, overrides={"gpu.1.power": "!999"}).everything()["gpus"]
    assert second["nvmlDeviceGetPowerUsage"] == {"error": 999}
    assert second["nvmlDeviceGetTemperature"] > 0
    assert first["nvmlDeviceGetPowerUsage"] > 0


def test_memory_errors_show_in_every_view_of_them(tmp_path: Path) -> None:
    lines = {"gpu.0.ecc.1.0.7": "2", "gpu.0.ecc.1.1.7": "5", "gpu.0.ecc.1.1.2": "1", "gpu.0.sram.parity.1": "3",
             "gpu.0.remap.pending": "1", "gpu.0.remap.cor": "1", "gpu.0.sram.threshold": "1"}  # fmt: skip
    gpu, healthy = make(tmp_path, gpus=2, overrides=lines).everything()["gpus"]
    status = gpu["nvmlDeviceGetSramEccErrorStatus"]
    assert gpu["nvmlDeviceGetTotalEccErrors"] == [0, 0, 2, 6]
    assert gpu["nvmlDeviceGetMemoryErrorCounter"] == [2, 0, 5, 1]
    assert (status["volatileUncSecDed"], status["aggregateUncParity"], status["aggregateUncSecDed"]) == (2, 3, 2)
    assert (status["aggregateUncBucketL2"], status["bThresholdExceeded"]) == (5, 1)
    assert gpu["nvmlDeviceGetRemappedRows"] == [1, 0, 1, 0]
    assert (gpu["field 142"], gpu["field 144"]) == (1, 1)
    assert healthy["nvmlDeviceGetTotalEccErrors"] == [0, 0, 0, 0]


def test_links_processes_and_mig(tmp_path: Path) -> None:
    lines = {
        "gpu.0.nvlink.0.state": "0",
        "gpu.0.procs": "4242:1024 77:8",
        "gpu.0.mig.mode": "1",
        "gpu.0.mig.pending": "1",
    }
    gpu, healthy = make(tmp_path, gpus=2, overrides=lines).everything()["gpus"]
    assert (gpu["nvmlDeviceGetNvLinkState"], gpu["field 165"]) == (0, 0)
    assert (healthy["nvmlDeviceGetNvLinkState"], healthy["field 165"], healthy["field 164"]) == (1, 1, 26562)
    pids = [(process["pid"], process["usedGpuMemory"]) for process in gpu["nvmlDeviceGetComputeRunningProcesses"]]
    assert pids == [(4242, 1024 << 20), (77, 8 << 20)]
    assert gpu["nvmlDeviceGetRemappedRows"] == {"error": 3}  # nvml.h: not while the GPU is cut into instances
    assert gpu["nvmlDeviceGetMigMode"] == [1, 1]


# --- while a program has it open


class Watcher:
    """A process of `watching`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout

    def ask(self) -> None:
        self._to.write("\n")
        self._to.flush()

    def answer(self) -> str:
        return self._from.readline().strip()

    def silent(self) -> bool:
        return not select.select([self._from], [], [], QUIET_S)[0]


@contextmanager
def watching(host: LabHost) -> Iterator[Watcher]:
    command = [sys.executable, "-m", "tests.lab.nvml.watching"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=host.environment, cwd=host.directory
    ) as process:
        try:
            watcher = Watcher(process)
            assert watcher.answer() == "ready"
            yield watcher
        finally:
            process.kill()


def test_a_fault_begins_and_ends_while_a_program_reads(tmp_path: Path) -> None:
    host = make(tmp_path, overrides={"frozen": "1", "gpu.0.temp": "41"})
    with watching(host) as watcher:
        answers = []
        for change in ({}, {"gpu.0.temp": "88"}, {"gpu.0.lost": "1"}, {"gpu.0.lost": None}, {"driver": "none"}):
            host.change(change)
            watcher.ask()
            answers.append(watcher.answer())
    assert answers == ["41", "88", "error 15", "88", "error 9"]


def test_a_hanging_gpu_holds_the_caller_until_it_is_released(tmp_path: Path) -> None:
    host = make(tmp_path, overrides={"gpu.0.temp": "41", "frozen": "1"})
    with watching(host) as watcher:
        host.change({"gpu.0.hang": "0"})
        watcher.ask()
        assert watcher.silent()
        host.change({"gpu.0.hang": None})
        assert watcher.answer() == "41"


def test_a_hanging_gpu_can_be_killed_out_of(tmp_path: Path) -> None:
    host = make(tmp_path)
    with watching(host) as watcher:
        host.change({"gpu.0.hang": "0"})
        watcher.ask()
        assert watcher.silent()
        watcher.process.kill()
        assert watcher.process.wait(LIMIT_S) == -signal.SIGKILL


def test_a_hang_ends_by_itself_when_it_has_a_length(tmp_path: Path) -> None:
    host = make(tmp_path, overrides={"gpu.0.temp": "41", "frozen": "1"})
    with watching(host) as watcher:
        host.change({"gpu.0.hang": "1"})
        watcher.ask()
        assert watcher.silent()
        assert watcher.answer() == "41"


def test_every_call_on_a_blocked_gpu_writes_first(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.touch()
    host = make(tmp_path, overrides={"gpu.0.block": str(calls)})
    with watching(host) as watcher:
        before = calls.stat().st_size
        watcher.ask()
        watcher.answer()
    assert before > 0  # the handle
    assert calls.stat().st_size == before + 1
