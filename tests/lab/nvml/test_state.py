"""The state's text: repeatable, different from host to host, altered line by line and replaced in one step."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.lab import boards, nvml_state
from gigactl.lab.hardware import identities

H200 = boards.load()["h200"]
BUSES = ["18", "2e", "41", "51", "9a", "ab", "bd", "d1"]  # NVIDIA k8s-launch-kit preset for SR680a V3 with H200
KEYS = st.sampled_from(["driver", "gpus", "gpu.0.temp", "gpu.3.lost", "gpu.*.name", "init"])
VALUES = st.sampled_from(["1", "!15", "NVIDIA H200"])


def render(hostname: str = "gpu001", gpus: int = 8, **overrides: str) -> str:
    return nvml_state.render(H200, hostname, gpus, "580.126.20", overrides)


def lines(state: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition(" ") for line in state.splitlines())}


def test_the_same_host_is_always_the_same() -> None:
    assert render() == render()
    assert len(lines(render())) == len(render().splitlines())  # no key twice


def test_no_two_gpus_of_a_fleet_share_a_serial_or_uuid() -> None:
    gpus = [gpu for number in range(200) for gpu in identities(render(f"gpu{number:03d}"))]
    assert len({gpu.uuid for gpu in gpus}) == len({gpu.serial for gpu in gpus}) == 1600
    assert all(re.fullmatch(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", gpu.uuid) for gpu in gpus)
    assert all(re.fullmatch(r"165\d{10}", gpu.serial) for gpu in gpus)


def test_gpus_stand_where_the_server_has_them() -> None:
    assert [gpu.pci for gpu in identities(render())] == [f"0000:{bus}:00.0" for bus in BUSES]


def test_overrides_stand_in_the_place_of_healthy_lines() -> None:
    changed = lines(nvml_state.render(H200, "gpu001", 8, "580.126.20", {"gpu.0.temp": "88", "gpu.2.lost": "1"}))
    healthy = lines(render())
    assert (changed.pop("gpu.0.temp"), changed.pop("gpu.2.lost")) == ("88", "1")
    assert changed == {key: value for key, value in healthy.items() if key != "gpu.0.temp"}


@given(st.dictionaries(KEYS, VALUES), st.dictionaries(KEYS, st.none() | VALUES))
@settings(max_examples=60)
def test_altering_sets_and_removes(first: dict[str, str], changes: dict[str, str | None]) -> None:
    state = nvml_state.alter("", first)
    assert lines(state) == first
    wanted = {**first, **changes}
    assert lines(nvml_state.alter(state, changes)) == {key: value for key, value in wanted.items() if value is not None}


def test_whoever_reads_a_rewritten_state_sees_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "host" / "state"
    path.parent.mkdir()
    path.write_text(render(), encoding="utf-8")
    whole = {nvml_state.alter(render(), {"frozen": one}) for one in ("0", "1")} | {render()}
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text(encoding="utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(50):
        nvml_state.rewrite(path, {"frozen": str(number % 2)})
    done.set()
    reader.join()
    assert seen <= whole
    assert [entry.name for entry in path.parent.iterdir()] == ["state"]


@pytest.mark.parametrize("key", sorted(boards.load()))
def test_every_reading_of_a_board_is_a_line_of_its_state(key: str) -> None:
    board = boards.load()[key]
    state = lines(nvml_state.render(board, "gpu001", 2, "580.126.20", {}))
    assert {f"gpu.*.{name}" for name in board.readings} <= set(state)
    assert state["gpu.*.name"] == board.name
    assert all("\n" not in value and value for value in state.values())
