"""Readings move as on a real host, and stand still where the state says frozen."""

from __future__ import annotations

from pathlib import Path

from tests.lab.nvml.lab_host import LabHost, make

OPEN = "import time\nnv.nvmlInit(); h = nv.nvmlDeviceGetHandleByIndex(0)\n"
ENERGY = "print(nv.nvmlDeviceGetTotalEnergyConsumption(h)); time.sleep(0.2)\n" * 2


def numbers(host: LabHost, code: str) -> list[int]:
    return [int(word) for word in host.python(OPEN + code).split()]


def test_energy_is_what_the_power_adds_up_to(tmp_path: Path) -> None:
    first, second = numbers(make(tmp_path, overrides={"gpu.0.power": "500000", "gpu.0.power.jitter": "0"}), ENERGY)
    assert second - first >= 500_000 * 0.2  # mJ: 500 W for at least so long
    assert first > 0


def test_a_frozen_host_reads_the_same_twice(tmp_path: Path) -> None:
    host = make(tmp_path, gpus=2, overrides={"frozen": "1"})
    first, second = host.everything(), host.everything()
    assert first == second


def test_a_frozen_energy_goes_on_from_where_it_was(tmp_path: Path) -> None:
    host = make(tmp_path, overrides={"gpu.0.power": "500000"})
    before = numbers(host, ENERGY)[-1]
    host.change({"frozen": "1"})
    frozen, again = numbers(host, ENERGY)
    assert frozen == again >= before


def test_readings_wobble_no_further_than_said(tmp_path: Path) -> None:
    lines = {"gpu.*.temp": "40", "gpu.*.temp.jitter": "3", "gpu.*.util.gpu": "99", "gpu.*.util.gpu.jitter": "20",
             "gpu.*.util.mem": "0", "gpu.*.util.mem.jitter": "20"}  # fmt: skip
    for number in range(8):
        lines[f"gpu.{number}.temp"] = "40"
    found = make(tmp_path, overrides=lines).everything()["gpus"]
    temperatures = [gpu["nvmlDeviceGetTemperature"] for gpu in found]
    assert all(37 <= one <= 43 for one in temperatures)
    assert len(set(temperatures)) > 1
    assert all(79 <= gpu["nvmlDeviceGetUtilizationRates"]["gpu"] <= 100 for gpu in found)
    assert all(gpu["nvmlDeviceGetUtilizationRates"]["memory"] == 0 for gpu in found)  # idle stays idle


def test_hosts_wobble_each_in_their_own_way(tmp_path: Path) -> None:
    lines = {"gpu.0.power": "400000", "gpu.0.power.jitter": "90000"}
    hosts = [make(tmp_path / name, gpus=1, overrides=lines, hostname=name) for name in ("gpu001", "gpu002", "gpu003")]
    assert len({host.everything()["gpus"][0]["nvmlDeviceGetPowerUsage"] for host in hosts}) == 3
