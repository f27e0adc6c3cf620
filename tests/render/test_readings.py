"""A reading is a value or a reason; never a 0 that was not read."""

from __future__ import annotations

import pytest

from gigactl.payload.schema import Gpu
from gigactl.render import readings
from gigactl.render.host import STATE
from tests.health.snapshots import BOARDS, gpu


@pytest.fixture
def whole() -> Gpu:
    return gpu(BOARDS["h200"], 0)


def unread(one: Gpu, reason: str) -> Gpu:
    return {**one, "values": {}, "unread": {"*": reason}}


def test_values_with_their_limits(whole: Gpu) -> None:
    whole["values"].update({"power.instant": 412.4, "memory.used": 70 << 30, "remap.pending": True})
    assert readings.power(whole) == "412/700"
    assert readings.memory(whole) == "70.0 GiB/140 GiB"
    assert readings.remap(whole) == "0/0 pending"
    assert readings.pcie(whole) == "1 x16"
    assert readings.nvlink(whole) == "18/18"
    assert readings.fabric(whole) == "completed"


@pytest.mark.parametrize(
    ("reason", "shown"), [("not-supported", "-"), ("lost: NVML error 15", "lost"), ("odd", "failed")]
)
def test_no_value_is_never_a_number(whole: Gpu, reason: str, shown: str) -> None:
    cells = {show(unread(whole, reason)) for title, show in STATE if title != "PROCESSES"}
    assert cells == {shown}


def test_power_falls_back_to_the_average(whole: Gpu) -> None:
    del whole["values"]["power.instant"]
    whole["unread"]["power.instant"] = "driver-too-old"
    assert readings.power(whole) == "76/700"


def test_processes_by_size(whole: Gpu) -> None:
    whole["processes"] = [
        {"pid": 1, "name": "small", "kind": "compute", "memory_bytes": 1},
        {"pid": 2, "name": "big", "kind": "compute", "memory_bytes": 9},
    ]
    assert readings.processes(whole) == "2 (big)"
