"""The probe against a library with NVML's real C ABI: every board, old and new drivers, and GPUs that are sick."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pynvml
import pytest

from gigactl.inventory.model import Host
from gigactl.lab import boards, nvml_build, nvml_state
from gigactl.payload.nvml_fields import (
    C2C_FIELDS,
    FIELDS,
    GUARDED,
    LANE_ERRORS,
    LATE_FIELDS,
    LINK_COUNTS,
    LINK_FIELDS,
    NEVER,
    REASON_TIMES,
)
from gigactl.payload.readings import NOT_READ, READINGS
from gigactl.payload.schema import Driver, Gpu, Snapshot
from gigactl.remote.probe import Probe
from gigactl.transport.local import LocalTransport
from tests.remote.talking import connected, said

NEW, OLD = "580.126.20", "535.261.03"
BOARDS = boards.load()
GRACE = {"gpu.*.c2c.count": "2", "gpu.*.c2c.*.status": "1", "gpu.*.c2c.0.status": "0", "gpu.*.c2c.*.speed": "44712",
         "gpu.*.c2c.*.err0": "0", "gpu.*.c2c.*.err1": "7", "gpu.*.c2c.*.err2": "0",
         "gpu.*.c2c.*.power": "1"}  # fmt: skip
Look = Callable[..., Snapshot]


PLACE = f"gigactl-{os.getpid()}"
"""Where these tests keep the payload, and how their processes are told from others on this machine."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Libraries compiled and the bundle installed, once for all tests here."""
    return tmp_path_factory.mktemp("nvml")


@pytest.fixture
def look(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """A probe of this host with the library of a driver version, its GPUs as told."""

    def probe(
        board: str = "h200",
        library: str = NEW,
        changes: Mapping[str, str] | None = None,
        *,
        loaded: str = "",
        gpus: int = 8,
        reading_deadline_s: float = 5.0,
    ) -> Snapshot:
        libraries = tmp_path / library
        libraries.mkdir(exist_ok=True)
        link = libraries / "libnvidia-ml.so.1"
        if not link.exists():
            link.symlink_to(nvml_build.build(library, cache / "libraries"))
        state = tmp_path / "state"
        state.write_text(nvml_state.render(BOARDS[board], "gpu001", gpus, loaded or library, changes or {}))
        monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries))
        monkeypatch.setenv("NVIDIA_LAB_STATE", str(state))
        snapshot, _ = said(Probe(places=(str(cache / PLACE),), reading_deadline_s=reading_deadline_s), seconds=60)
        return snapshot

    return probe


def driver(snapshot: Snapshot) -> Driver:
    assert snapshot["driver"] is not None
    return snapshot["driver"]


def named(gpu: Gpu) -> set[str]:
    """Every reading that has a value or a reason, links under one name."""
    return {catalogued(name) for name in (*gpu["values"], *gpu["unread"])}


def catalogued(name: str) -> str:
    return re.sub(r"^(nvlink|c2c)\.\d+\.", r"\1.N.", name)


# told of a link only where it differs from the others, which `nvlink.links` speaks for
APART = {name % "N" for name, _, _ in LINK_COUNTS}


@pytest.mark.parametrize("board", sorted(BOARDS))
@pytest.mark.parametrize("library", [NEW, OLD])
def test_every_reading_of_every_board_is_a_value_or_a_reason(board: str, library: str, look: Look) -> None:
    snapshot = look(board, library, gpus=2)
    assert (driver(snapshot)["state"], driver(snapshot)["driver_version"]) == ("ok", library)
    assert driver(snapshot)["library"] == library
    assert len(snapshot["gpus"]) == 2
    assert len({gpu["uuid"] for gpu in snapshot["gpus"]}) == 2
    for gpu in snapshot["gpus"]:
        expected = set(READINGS) - APART
        absent = "c2c.N." if BOARDS[board].nvlinks else ("c2c.N.", "nvlink.N.")
        expected -= {name for name in READINGS if name.startswith(absent)}
        assert named(gpu) == expected
        assert re.fullmatch(r"0000:[0-9a-f]{2}:00\.0", gpu["pci"])
        assert gpu["name"] == BOARDS[board].name
        assert gpu["values"]["memory.total"] == BOARDS[board].memory_bytes
        assert gpu["values"]["pcie.width"] == BOARDS[board].pcie_width
        assert 10 < float(gpu["values"]["temperature.core"]) < 90
        assert 10 < float(gpu["values"]["power.average"]) < 1500
        assert "*" not in gpu["unread"]
        if BOARDS[board].nvlinks:
            assert gpu["values"]["nvlink.links.active"] == BOARDS[board].nvlinks
            assert gpu["values"][f"nvlink.{BOARDS[board].nvlinks - 1}.active"] is True


@pytest.mark.parametrize("board", ["h200", "b200"])
def test_types_are_those_the_catalogue_names(board: str, look: Look) -> None:
    kinds = {"bool": bool, "text": str, "count": int, "code": int, "mask": int, "C": int, "W": float, "B": int,
             "ratio": float}  # fmt: skip
    for gpu in look(board, "615.10.01", GRACE, gpus=1)["gpus"]:
        for name, value in gpu["values"].items():
            unit = READINGS[catalogued(name)][0]
            assert type(value) is kinds.get(unit, type(value)), name


def test_an_old_driver_says_what_it_is_too_old_for(look: Look) -> None:
    gpu = look(library=OLD, gpus=1)["gpus"][0]
    for name, _, _ in REASON_TIMES:
        assert gpu["unread"][name] == "driver-too-old"
    assert gpu["unread"]["memory.unrepairable"] == "driver-too-old"
    assert gpu["unread"]["fabric.health_summary"] == "driver-too-old"
    assert gpu["values"]["fabric.state"] == 3


@pytest.mark.parametrize(
    ("library", "read"), [("575.57.08", False), ("580.65.06", False), ("580.82.07", True), ("590.48.01", True)]
)
def test_ids_that_changed_their_meaning_are_asked_only_where_it_is_known(library: str, read: bool, look: Look) -> None:
    gpu = look(library=library, gpus=1)["gpus"][0]
    for name, _, _ in REASON_TIMES:
        assert (name in gpu["values"]) is read


ASKED = {LANE_ERRORS, *(field for _, field, _ in (*FIELDS, *LATE_FIELDS, *LINK_FIELDS, *LINK_COUNTS, *C2C_FIELDS))}


def test_no_other_field_has_ever_changed_its_meaning() -> None:
    assert not ASKED & (NEVER | GUARDED)
    assert {field for _, field, _ in REASON_TIMES} <= GUARDED


def test_every_field_of_the_binding_is_read_or_said_why_not() -> None:
    known = {value for name, value in vars(pynvml).items() if name.startswith("NVML_FI_") and name != "NVML_FI_MAX"}
    read = ASKED | {field for _, field, _ in REASON_TIMES}
    skipped = [field for _, ids, _ in NOT_READ for first, last in ids for field in range(first, last + 1)]
    assert sorted(skipped) == sorted(known - read)
    assert {
        int(source.partition("field ")[2].partition(",")[0]) for _, source in READINGS.values() if "field " in source
    } == read
    assert all(what and why for what, _, why in NOT_READ)


def test_a_grace_host(look: Look) -> None:
    values = look("b200", changes=GRACE, gpus=1)["gpus"][0]["values"]
    assert (values["c2c.links"], values["c2c.links.active"]) == (2, 1)
    assert (values["c2c.0.active"], values["c2c.1.active"], values["c2c.1.speed"]) == (False, True, 44712)
    assert (values["c2c.0.replay_errors"], values["c2c.0.power_state"]) == (7, 1)


def test_what_only_the_newest_drivers_know(look: Look) -> None:
    changes = {"gpu.0.remap.inactive.0": "3", "gpu.0.remap.inactive.1": "0", "gpu.0.bank.0": "1", "gpu.0.bank.1": "0",
               "gpu.0.bank.2": "64", "gpu.0.bank.3": "0", "gpu.0.bank.4": "1"}  # fmt: skip
    new = look("b200", "615.10.01", changes, gpus=1)["gpus"][0]["values"]
    assert (new["remap.inactive.correctable"], new["bank_remap.active"], new["bank_remap.banks.max"]) == (3, 1, 64)
    assert new["bank_remap.pending"] is True
    old = look("b200", "610.43.02", changes, gpus=1)["gpus"][0]
    assert (old["values"]["remap.inactive.correctable"], old["unread"]["bank_remap.pending"]) == (3, "driver-too-old")
    assert look("b200", NEW, changes, gpus=1)["gpus"][0]["unread"]["remap.inactive.correctable"] == "driver-too-old"


def test_a_count_of_one_link_stands_beside_the_sum(look: Look) -> None:
    changes = {"gpu.0.nvlink.4.count.208": "5", "gpu.0.nvlink.9.count.208": "2", "gpu.0.nvlink.4.count.214": "1"}
    values = look("b200", changes=changes, gpus=1)["gpus"][0]["values"]
    told = {name: value for name, value in values.items() if name.endswith(".receive_errors")}
    assert told == {"nvlink.links.receive_errors": 7, "nvlink.4.receive_errors": 5, "nvlink.9.receive_errors": 2}
    assert (values["nvlink.links.malformed_packets"], values["nvlink.4.recovery_failed"]) == (0, 1)


def test_the_worst_error_rate_speaks_for_all_links(look: Look) -> None:
    """Mantissa above, exponent below: 0xF0C is 15e-12."""
    every, one = {"gpu.*.nvlink.*.count.222": "0xFFF"}, {"gpu.0.nvlink.4.count.222": "0xF0C"}
    values = look("b200", changes=every, gpus=1)["gpus"][0]["values"]
    assert {name: value for name, value in values.items() if "symbol_ber" in name} == {
        "nvlink.links.symbol_ber": 15e-255
    }
    values = look("b200", changes={**every, **one}, gpus=1)["gpus"][0]["values"]
    assert (values["nvlink.links.symbol_ber"], values["nvlink.4.symbol_ber"]) == (15e-12, 15e-12)
    assert values["nvlink.5.symbol_ber"] == 15e-255


def test_a_link_that_refuses_leaves_no_sum(look: Look) -> None:
    gpu = look("b200", changes={"gpu.0.nvlink.4.count.208": "!999", "gpu.0.nvlink.5.count.208": "2"}, gpus=1)["gpus"][0]
    refused = "failed: NVML error 999"
    assert (gpu["unread"]["nvlink.links.receive_errors"], gpu["unread"]["nvlink.4.receive_errors"]) == (
        refused,
        refused,
    )
    assert (gpu["values"]["nvlink.5.receive_errors"], gpu["values"]["nvlink.6.receive_errors"]) == (2, 0)


def test_links_that_are_down_do_not_decide_what_the_others_are_asked(look: Look) -> None:
    down = {f"gpu.0.nvlink.0.{what}": "!2" for what in ("speed", "count.221", "count.208")}
    gpu = look("b200", changes={"gpu.0.nvlink.0.state": "0", **down}, gpus=1)["gpus"][0]
    assert (gpu["values"]["nvlink.1.speed"], gpu["values"]["nvlink.17.symbol_errors"]) == (53125, 0)
    assert {"nvlink.0.speed", "nvlink.0.symbol_errors", "nvlink.0.receive_errors"} <= set(gpu["unread"])


def test_what_no_link_has_is_told_once(look: Look) -> None:
    unread = look("h200", gpus=1)["gpus"][0]["unread"]
    assert unread["nvlink.N.symbol_errors"] == unread["nvlink.links.receive_errors"] == "not-supported"
    assert [name for name in unread if re.match(r"nvlink\.\d", name)] == []


def test_errors_of_lanes_are_added_up(look: Look) -> None:
    gpu = look(changes={"gpu.0.pcie.lane.0": "1", "gpu.0.pcie.lane.15": "4"}, gpus=2)["gpus"]
    assert gpu[0]["values"]["pcie.lane_errors"] == 5
    assert gpu[1]["unread"]["pcie.lane_errors"] == "not-supported"


@pytest.mark.skipif(os.geteuid() != 0, reason="the details are root's")
def test_sram_errors_by_what_found_them_and_where(look: Look) -> None:
    changes = {"gpu.0.ecc.1.1.7": "6", "gpu.0.ecc.1.0.7": "2", "gpu.0.ecc.0.1.7": "9", "gpu.0.ecc.0.0.2": "4",
               "gpu.0.sram.parity.1": "5", "gpu.0.sram.bucket.1": "4", "gpu.0.sram.bucket.3": "2"}  # fmt: skip
    values = look(changes=changes, gpus=1)["gpus"][0]["values"]
    sram = {name[len("ecc.sram.") :]: value for name, value in values.items() if name.startswith("ecc.sram.")}
    assert {name: value for name, value in sram.items() if value} == {
        "aggregate.corrected": 9, "volatile.uncorrected": 2, "aggregate.uncorrected": 6, "volatile.secded": 2,
        "aggregate.parity": 5, "aggregate.secded": 1, "aggregate.sm": 4, "aggregate.mcu": 2,
    }  # fmt: skip
    assert (values["ecc.dram.volatile.corrected"], values["ecc.dram.aggregate.corrected"]) == (4, 0)


def test_limits_relative_to_the_point_of_slowing_down_and_the_place_in_the_rack(look: Look) -> None:
    values = look("b200", gpus=1)["gpus"][0]["values"]
    limits = [values[f"temperature.tlimit.{what}"] for what in ("shutdown", "slowdown", "memory", "gpu")]
    assert limits == [-7, -2, 0, 0]
    assert (values["platform.host"], values["platform.peer_type"], values["mode.addressing"]) == (1, 1, 0)
    assert values["nvlink.links.to_switch"] == 18
    assert isinstance(values["inforom.checksum"], int)


def test_a_lost_gpu(look: Look) -> None:
    snapshot = look(changes={"gpu.3.lost": "1"}, gpus=5)
    assert driver(snapshot)["state"] == "ok"
    assert [gpu["index"] for gpu in snapshot["gpus"]] == [0, 1, 2, 3, 4]
    assert snapshot["gpus"][3]["unread"] == {"*": "lost"}
    assert all("*" not in gpu["unread"] for gpu in snapshot["gpus"] if gpu["index"] != 3)


def test_a_gpu_that_is_lost_while_it_is_read(look: Look) -> None:
    snapshot = look(changes={"gpu.1.remap.pending": "!15"}, gpus=2)
    lost = snapshot["gpus"][1]
    assert (lost["unread"]["*"], lost["uuid"] != "", lost["values"]["mode.ecc"]) == ("lost", True, True)
    assert "remap.pending" not in lost["values"]
    assert snapshot["gpus"][0]["values"]["remap.pending"] is False


def test_errors_of_single_readings(look: Look) -> None:
    changes = {"gpu.0.temp": "!4", "gpu.0.power.enforced": "!999", "gpu.0.pcie.width": "!16", "gpu.0.vbios": "!3"}
    unread = look(changes=changes, gpus=1)["gpus"][0]["unread"]
    assert unread["temperature.core"] == "no-permission"
    assert unread["power.limit"] == "failed: NVML error 999"
    assert unread["pcie.width"] == "reset-required"
    assert unread["vbios"] == "not-supported"


def test_with_mig_on_what_is_hidden_is_a_gap_and_not_a_lack(look: Look) -> None:
    changes = {"gpu.*.mig.mode": "1", "gpu.*.remap.pending": "!3", "gpu.*.util.gpu": "!3"}
    gpu = look(changes=changes, gpus=1)["gpus"][0]
    assert gpu["values"]["mode.mig"] is True
    assert gpu["unread"]["remap.pending"] == "not-read: MIG is on"
    assert gpu["unread"]["retired.pending"] == "not-supported"


def test_a_gpu_that_hangs_is_left_and_the_others_are_read(look: Look) -> None:
    begun = time.monotonic()
    snapshot = look(changes={"gpu.1.hang": "0"}, gpus=3, reading_deadline_s=1.5)
    assert time.monotonic() - begun < 20
    assert snapshot["complete"]
    assert snapshot["gpus"][1]["unread"]["*"].startswith("timed-out: NVML did not come back from ")
    for index in (0, 2):
        assert "*" not in snapshot["gpus"][index]["unread"]
        assert "temperature.core" in snapshot["gpus"][index]["values"]
    assert no_reader_is_left()


@pytest.mark.parametrize(
    ("loaded", "changes", "state", "error"),
    [
        ("570.86.15", {}, "mismatch", 18),
        ("none", {}, "not-loaded", 9),
        (NEW, {"init": "!999"}, "failed", 999),
    ],
)
def test_an_nvml_that_does_not_start(
    loaded: str, changes: Mapping[str, str], state: str, error: int, look: Look
) -> None:
    snapshot = look(loaded=loaded, changes=changes)
    assert (driver(snapshot)["state"], driver(snapshot)["nvml_error"], snapshot["gpus"]) == (state, error, [])
    assert snapshot["complete"]
    assert snapshot["facts"] is not None


def test_no_library(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if any(Path("/usr/lib").rglob("libnvidia-ml.so.1")):
        pytest.skip("this host has a real one")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    snapshot, _ = said(Probe(places=(str(cache / PLACE),)))
    assert (driver(snapshot)["state"], driver(snapshot)["nvml_error"]) == ("no-library", 12)


def no_reader_is_left() -> bool:
    """Whether every process that read NVML is gone, those still on their way out within 5 s."""
    end = time.monotonic() + 5
    while orphans() and time.monotonic() < end:
        time.sleep(0.02)
    return orphans() == []


def a_reader_is_seen() -> bool:
    """Whether one starts to read NVML within 20 s."""
    end = time.monotonic() + 20
    while not readers() and time.monotonic() < end:
        time.sleep(0.05)
    return readers() != []


def orphans() -> list[int]:
    """Processes of these tests that read NVML and have no parent of ours any more."""
    return [pid for pid in readers() if _parent(Path(f"/proc/{pid}")) == 1]


def readers() -> list[int]:
    """Processes of these tests that read NVML; a fleet on this machine has readers of its own, with another place."""
    processes = [directory for directory in Path("/proc").iterdir() if directory.name.isdigit()]
    return [int(one.name) for one in processes if _comm(one) == "gigactl-nvml" and PLACE in _words(one)]


def _comm(directory: Path) -> str:
    try:
        return (directory / "comm").read_text().strip()
    except OSError:
        return ""


def _words(directory: Path) -> str:
    try:
        return (directory / "cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _parent(directory: Path) -> int:
    try:
        return int((directory / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return -1


def test_a_cancelled_probe_leaves_no_reader(look: Look, cache: Path, tmp_path: Path) -> None:
    look(gpus=1)
    nvml_state.rewrite(tmp_path / "state", {"gpu.0.hang": "0"})
    probe = Probe(places=(str(cache / PLACE),), reading_deadline_s=60)
    host = Host("gpu001", "127.0.0.1", transport="local")

    async def cancelled() -> bool:
        async def speak() -> None:
            async with connected(LocalTransport(), host, 60) as (connection, deadline):
                async for _ in probe.speak(host, connection, deadline):
                    pass

        task = asyncio.create_task(speak())
        seen = await asyncio.to_thread(a_reader_is_seen)
        task.cancel()
        await asyncio.wait([task])
        return seen and task.cancelled()

    assert asyncio.run(cancelled())
    assert no_reader_is_left()


def test_processes_of_a_gpu(look: Look) -> None:
    snapshot = look(changes={"gpu.0.procs": f"{os.getpid()}:1024"}, gpus=1)
    (process,) = snapshot["gpus"][0]["processes"]
    assert (process["pid"], process["kind"], process["memory_bytes"]) == (os.getpid(), "compute", 1024 << 20)
    assert process["name"] == Path("/proc/self/comm").read_text().strip()


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """(a directory on a frozen file system, how to thaw it): who writes there hangs and cannot be killed."""
    image, directory = tmp_path / "image", tmp_path / "frozen"
    directory.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, directory], check=True)
    subprocess.run(["fsfreeze", "-f", directory], check=True)

    def thaw() -> None:
        subprocess.run(["fsfreeze", "-u", directory], check=False, capture_output=True)

    try:
        yield directory, thaw
    finally:
        thaw()
        subprocess.run(["umount", "-l", directory], check=True)


@pytest.mark.lab
@pytest.mark.slow
def test_a_reader_that_truly_cannot_be_killed(frozen: tuple[Path, Callable[[], None]], look: Look) -> None:
    directory, thaw = frozen
    sick = {"gpu.1.block": str(directory / "blocked")}
    first = look(changes=sick, gpus=3, reading_deadline_s=1.5)
    hung = driver(first)
    assert (hung["state"], first["complete"]) == ("hung", True)
    assert _comm(Path(f"/proc/{hung['reader']}")) == "gigactl-nvml"
    assert "temperature.core" in first["gpus"][0]["values"]
    assert first["gpus"][1]["unread"]["*"].startswith("timed-out")
    assert first["gpus"][2]["unread"]["*"].startswith("not-read")
    second = look(changes=sick, gpus=3, reading_deadline_s=1.5)
    assert (driver(second)["state"], driver(second)["reader"], second["gpus"]) == ("hung", hung["reader"], [])
    thaw()
    healed = look(gpus=3)
    assert (driver(healed)["state"], len(healed["gpus"])) == ("ok", 3)
    assert no_reader_is_left()
