"""Hosts without Python: nvidia-smi's XML, the shell script around it, and what becomes of error text."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.errors import ReplyInvalid
from gigactl.health.judge import judge
from gigactl.health.policy import DEFAULT_POLICY
from gigactl.inventory.model import Host
from gigactl.payload.readings import READINGS
from gigactl.payload.schema import Gpu, KernelCursor, Snapshot
from gigactl.remote import smi, smi_xml
from gigactl.remote.probe import Probe
from gigactl.results import Severity, Verdict
from gigactl.transport.base import Exit
from gigactl.transport.dialogue import CutShort
from gigactl.transport.local import LocalTransport
from gigactl.transport.simulated import Reply, Script, SimulatedTransport
from tests.health.snapshots import NOW, expectation
from tests.remote.talking import connected, said

DATA = Path(__file__).parent.parent / "data" / "nvidia_smi"
NEWER = (DATA / "names-of-570.xml").read_bytes()
HERE = Host("gpu001", "127.0.0.1", transport="local")


def checked(gpu: Gpu) -> Gpu:
    """The GPU, after a look at whether it fits the wire and the catalogue of readings."""
    assert msgspec.convert(gpu, Gpu, strict=True) == gpu
    known = {name.replace(".N.", ".") for name in READINGS}
    names = {".".join(part for part in name.split(".") if not part.isdigit()) for name in gpu["values"]}
    assert names <= known
    assert not set(gpu["values"]) & set(gpu["unread"])
    return gpu


def test_names_of_570() -> None:
    log = smi_xml.parse(NEWER)
    assert (log.driver_version, log.cuda_version, log.attached, log.whole) == ("570.158.01", "12.8", 2, True)
    first, second = (checked(gpu) for gpu in log.gpus)
    assert (first["pci"], first["serial"], first["name"]) == ("0000:19:00.0", "1651900001234", "NVIDIA H200")
    assert second["pci"] == "0000:3b:00.0"
    values = first["values"]
    expected = {
        "mode.persistence": True,
        "mode.mig": False,
        "mode.compute": 0,
        "recovery_action": 0,
        "pcie.width": 16,
        "pcie.generation": 5,
        "pcie.tx": 412,
        "performance_state": 0,
        "clock.reasons": 0x1 | 0x8 | 0x40,
        "memory.total": 143771 << 20,
        "utilisation.gpu": 37,
        "ecc.volatile.corrected": 1,
        "ecc.volatile.uncorrected": 0,
        "ecc.aggregate.uncorrected": 11,
        "ecc.sram.aggregate.uncorrected": 3,
        "ecc.sram.threshold_exceeded": False,
        "remap.uncorrectable": 2,
        "remap.pending": False,
        "remap.banks.high": 2,
        "temperature.core": 41,
        "temperature.margin": 45,
        "power.average": 121.43,
        "power.limit": 700.0,
        "clock.memory": 3201,
        "fabric.state": 3,
        "fabric.status": 0,
    }
    assert {name: values.get(name) for name in expected} == expected
    assert first["unread"]["pcie.rx"] == first["unread"]["utilisation.memory"] == "not-supported"
    assert first["unread"]["retired.pending"] == "not-supported"
    assert first["unread"]["*"] == smi_xml.NOT_SAID
    assert first["processes"] == [
        {"pid": 4711, "name": "/usr/bin/python3", "kind": "compute", "memory_bytes": 1024 << 20}
    ]
    assert (second["values"]["recovery_action"], second["values"]["pcie.width"]) == (1, 8)
    assert second["values"]["remap.pending"] is True


def test_names_before_535() -> None:
    older = (
        NEWER.replace(b"clocks_event_reason", b"clocks_throttle_reason")
        .replace(b"gpu_power_readings", b"power_readings")
        .replace(b"average_power_draw", b"power_draw")
        .replace(b"current_power_limit", b"power_limit")
        .replace(b"pending_retirement", b"pending_blacklist")
        .replace(b"sram_uncorrectable_parity", b"sram_uncorrectable")
        .replace(b"sram_uncorrectable_secded", b"gone")
    )
    values = checked(smi_xml.parse(older).gpus[0])["values"]
    assert values["clock.reasons"] == 0x49
    assert (values["power.average"], values["power.limit"]) == (121.43, 700.0)
    assert values["ecc.sram.aggregate.uncorrected"] == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("N/A", "not-supported"),
        ("[N/A]", "not-supported"),
        ("[Not Supported]", "not-supported"),
        ("GPU is lost", "lost"),
        ("[GPU requires reset]", "reset-required"),
        ("[Insufficient Permissions]", "no-permission"),
        ("Unknown Error", "failed: nvidia-smi says Unknown Error"),
        ("blue", "failed: nvidia-smi says 'blue'"),
    ],
)
def test_what_is_no_value_has_its_reason(text: str, reason: str) -> None:
    gpu = checked(smi_xml.parse(NEWER.replace(b"41 C", text.encode())).gpus[0])
    assert "temperature.core" not in gpu["values"]
    assert gpu["unread"]["temperature.core"] == reason


@pytest.mark.parametrize("path", sorted(DATA.glob("*.xml")), ids=lambda path: path.stem)
def test_everything_recorded_is_read(path: Path) -> None:
    log = smi_xml.parse(path.read_bytes())
    assert log.whole
    assert log.driver_version
    assert log.gpus
    for gpu in log.gpus:
        assert {"temperature.core", "pcie.width", "memory.total", "mode.mig"} <= set(checked(gpu)["values"])
        assert gpu["pci"]


def test_a_document_cut_in_the_middle_keeps_its_whole_gpus() -> None:
    cut = NEWER[: NEWER.rindex(b"<temperature>")]
    log = smi_xml.parse(cut)
    assert (len(log.gpus), log.whole) == (1, False)


def test_entities_are_never_expanded() -> None:
    bomb = b'<!DOCTYPE nvidia_smi_log [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(ord("b"), ord("k"))
    )
    document = bomb + b"]>\n<nvidia_smi_log><driver_version>&j;</driver_version></nvidia_smi_log>"
    begun = time.monotonic()
    log = smi_xml.parse(document)
    assert time.monotonic() - begun < 1
    assert (log.driver_version, log.whole) == ("", False)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(NEWER)), st.integers(0, 200))
def test_damage_never_raises_and_what_is_read_fits_the_wire(noise: bytes, at: int, dropped: int) -> None:
    for gpu in smi_xml.parse(NEWER[:at] + noise + NEWER[at + dropped :]).gpus:
        msgspec.convert(gpu, Gpu, strict=True)


def test_nvlinks() -> None:
    gpus = smi_xml.parse(NEWER).gpus
    smi_xml.add_links(
        gpus,
        "GPU 0: NVIDIA H200 (UUID: GPU-19)\n\t Link 0: 26.562 GB/s\n\t Link 1: <inactive>\n"
        "GPU 1: NVIDIA H200 (UUID: GPU-3B)\n\t Link 0: 26.562 GB/s\nGPU 7: unknown\n\t Link 0: 1 GB/s\n",
    )
    first, second = (checked(gpu)["values"] for gpu in gpus)
    assert (first["nvlink.links"], first["nvlink.links.active"]) == (2, 1)
    assert (first["nvlink.0.active"], first["nvlink.1.active"], first["nvlink.0.speed"]) == (True, False, 26562)
    assert second["nvlink.links.active"] == 1


def asked(cursor: KernelCursor | None = None) -> Snapshot:
    """The snapshot of this host as if it had no Python."""

    async def speak() -> Snapshot:
        async with connected(LocalTransport(), HERE, 40) as (connection, deadline):
            return await smi.without_python(connection, deadline, None, cursor)

    return asyncio.run(speak())


def stand_in(directory: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """An nvidia-smi first on the PATH."""
    directory.mkdir()
    (directory / "nvidia-smi").write_text(f"#!/bin/sh\n{text}\n")
    (directory / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


def test_the_script_on_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = "echo 'GPU 0: x'; echo '  Link 0: 25 GB/s'"
    stand_in(tmp_path / "bin", monkeypatch, f"case $1 in nvlink) {links};; *) cat {DATA}/names-of-570.xml;; esac")
    snapshot = asked()
    assert msgspec.convert(snapshot, Snapshot, strict=True) == snapshot
    assert (snapshot["source"], snapshot["complete"], len(snapshot["gpus"])) == ("nvidia-smi", True, 2)
    assert snapshot["driver"] is not None
    assert (snapshot["driver"]["state"], snapshot["driver"]["driver_version"]) == ("ok", "570.158.01")
    assert snapshot["gpus"][0]["values"]["nvlink.links.active"] == 1
    facts = snapshot["facts"]
    assert facts is not None
    assert facts["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert facts["uptime_s"] > 0
    assert facts["memory_bytes"] > facts["memory_available_bytes"] > 0
    root = next(mount for mount in facts["mounts"] if mount["path"] == "/")
    assert root["size"] > root["available"] > 0
    assert snapshot["kernel"] is not None
    assert snapshot["kernel"]["cursor"]["boot_id"] == facts["boot_id"]


@pytest.mark.parametrize(
    ("text", "state", "error"),
    [
        ('echo "NVIDIA-SMI has failed, it couldn\'t communicate with the NVIDIA driver."; exit 9', "not-loaded", 9),
        ('echo "NVIDIA-SMI couldn\'t find libnvidia-ml.so library in your system."; exit 12', "no-library", 12),
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "mismatch", 18),
        ("echo 'Failed to initialize NVML: Unknown Error'; exit 255", "failed", 999),
        ("exit 137", "timed-out", 999),
    ],
)
def test_what_nvidia_smi_says_instead(
    text: str, state: str, error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path / "bin", monkeypatch, text)
    snapshot = asked()
    assert snapshot["driver"] is not None
    assert (snapshot["driver"]["state"], snapshot["driver"]["nvml_error"], snapshot["gpus"]) == (state, error, [])
    assert snapshot["facts"] is not None


def test_without_nvidia_smi_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    snapshot = asked()
    assert snapshot["driver"] is not None
    assert (snapshot["driver"]["state"], snapshot["driver"]["detail"]) == ("no-library", "no nvidia-smi on the host")


def test_a_lost_gpu_and_the_others_asked_for_one_by_one() -> None:
    """As 535.261 does it: with GPU 3 lost only that is said, exit 15; asked for one GPU it answers."""
    addresses = [f"0000:{bus:02x}:00.0" for bus in (0x18, 0x2E, 0x41, 0x51)]
    lost = (DATA / "h200x8-gpu-lost.txt").read_text()
    sections = {
        "uptime": "1 1",
        "pci": "\n".join(f"{address} 0x030200 0x10de 0x2335 16 16 de103523 nvidia" for address in addresses),
        "smi": lost,
        "smi_exit": "15",
        "smi_2": (DATA / "h200x8-gpu-lost-i2.xml").read_text(),
        "links_2": "GPU 2: NVIDIA H200 (UUID: GPU-x)\n\t Link 0: 26.562 GB/s",
        "smi_3": lost,
        "end": "",
    }
    snapshot = smi.assemble(
        "".join(f"\n@@gigactl {name}\n{text}\n" for name, text in sections.items()).encode(), None, 1.0
    )
    assert msgspec.convert(snapshot, Snapshot, strict=True) == snapshot
    read, lost_one = (checked(gpu) for gpu in snapshot["gpus"])
    assert (read["index"], read["pci"], read["values"]["nvlink.links.active"]) == (2, addresses[2], 1)
    assert (lost_one["index"], lost_one["pci"], lost_one["unread"]) == (3, addresses[3], {"*": "lost"})
    assert snapshot["driver"] is not None
    assert (snapshot["driver"]["state"], snapshot["driver"]["gpu_count"]) == ("ok", 8)


def test_what_was_recorded_of_nvlinks() -> None:
    gpus = smi_xml.parse((DATA / "h200x8.xml").read_bytes()).gpus
    smi_xml.add_links(gpus, (DATA / "h200x8.nvlink.txt").read_text())
    assert [gpu["values"]["nvlink.links.active"] for gpu in gpus] == [18] * 8


@pytest.mark.parametrize(
    ("name", "code", "state"), [("driver-mismatch", 18, "mismatch"), ("driver-not-loaded", 9, "not-loaded")]
)
def test_what_was_recorded_of_drivers(name: str, code: int, state: str) -> None:
    text = (DATA / f"{name}.txt").read_text()
    sections = f"\n@@gigactl uptime\n1 1\n@@gigactl smi\n{text}\n@@gigactl smi_exit\n{code}\n@@gigactl end\n"
    driver = smi.assemble(sections.encode(), None, 1.0)["driver"]
    assert driver is not None
    assert (driver["state"], driver["nvml_error"]) == (state, code)


def test_a_host_that_has_no_python_is_asked_by_its_shell() -> None:
    said_first = {"uptime": "12.5 1", "boot_id": "boot", "smi": NEWER.decode(), "smi_exit": "0", "end": ""}
    answer = "".join(f"\n@@gigactl {name}\n{body}\n" for name, body in said_first.items())
    replies = [Reply(b'{"type":"no-python"}\n', exit=Exit(97)), Reply(answer.encode())]
    transport = SimulatedTransport(otherwise=Script(answer=lambda exec: replies.pop(0)))
    snapshot, execs = said(Probe(), transport)
    assert (snapshot["source"], snapshot["complete"], len(snapshot["gpus"]), execs) == ("nvidia-smi", True, 2, 2)


def test_a_host_that_says_nothing_at_all() -> None:
    with pytest.raises(ReplyInvalid):
        smi.assemble(b"command not found\n", None, 1.0)


def test_xids_are_read_without_python_too() -> None:
    kmsg = "6,0,0,-;Linux\n4,9,90,-;NVRM: Xid (PCI:0000:19:00): 79, GPU has fallen off the bus.\n6,10,99,-;later"
    snapshot = smi.assemble(
        f"\n@@gigactl uptime\n1 1\n@@gigactl boot_id\nboot\n@@gigactl kmsg\n{kmsg}\n@@gigactl end\n".encode(), None, 1.0
    )
    log = snapshot["kernel"]
    assert log is not None
    assert [(event["kind"], event["code"], event["pci"]) for event in log["events"]] == [("xid", 79, "0000:19:00.0")]
    assert (log["gap"], log["cursor"]) == (False, {"boot_id": "boot", "usec": 99})


def script_output(smi_said: str, code: int, *more: tuple[str, str]) -> bytes:
    """What the script says of a host with eight H200, nvidia-smi's part as given."""
    sections = (
        ("now", "1764000000"),
        ("euid", "0"),
        ("boot_id", "boot"),
        ("uptime", "86400.5 1"),
        ("mounts", "22 1 259:1 / / rw,relatime - ext4 /dev/nvme0n1p1 rw"),
        ("modules", "nvidia 535.261.03\nnvidia_uvm 535.261.03"),
        ("banner", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03"),
        ("pci", "\n".join(f"{address} 0x030200 0x10de 0x2335 16 16 de103523 nvidia" for address in EIGHT)),
        ("df", "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/nvme0n1p1 1000000 1 999999 1% /"),
        ("inodes", "Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/nvme0n1p1 100000 1 99999 1% /"),
        ("kmsg", "6,0,0,-;Linux\n6,10,99,-;later"),
        ("smi", smi_said),
        ("smi_exit", str(code)),
        *more,
        ("end", ""),
    )
    return "".join(f"\n@@gigactl {name}\n{text}\n" for name, text in sections).encode()


RECORDED = smi_xml.parse((DATA / "h200x8.xml").read_bytes())
EIGHT = [gpu["pci"] for gpu in RECORDED.gpus]
HEALTHY = script_output((DATA / "h200x8.xml").read_text(), 0, ("links", (DATA / "h200x8.nvlink.txt").read_text()))
FAILS = script_output("Failed to initialize NVML: Unknown Error", 255)
LOST = script_output(
    (DATA / "h200x8-gpu-lost.txt").read_text(), 15, ("smi_2", (DATA / "h200x8-gpu-lost-i2.xml").read_text())
)


def verdict_on(output: bytes) -> tuple[Verdict, list[str]]:
    judged = judge(smi.assemble(output, None, 1.0), expectation("h200"), None, DEFAULT_POLICY, NOW)
    return judged.verdict, [one.id for one in judged.findings if one.severity is Severity.CRITICAL]


def test_a_whole_answer_is_judged_by_what_it_says() -> None:
    assert verdict_on(HEALTHY)[1] == []
    assert verdict_on(FAILS)[1] == ["NVML-FAILED"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([HEALTHY, FAILS, LOST]), st.floats(0, 1), st.booleans())
def test_a_cut_answer_is_never_critical(output: bytes, share: float, late: bool) -> None:
    begins = output.index(b"@@gigactl smi_exit") if late else 0
    ends = output.index(b"@@gigactl end")
    try:
        verdict, critical = verdict_on(output[: begins + int((ends - begins) * share)])
    except ReplyInvalid:
        return
    assert critical == []
    assert verdict is not Verdict.OK


def test_a_connection_cut_while_nvidia_smi_runs_may_be_asked_again() -> None:
    answer = HEALTHY[: HEALTHY.index(b"@@gigactl smi_exit")]
    replies = [Reply(b'{"type":"no-python"}\n', exit=Exit(97)), Reply(answer, cut=True)]
    transport = SimulatedTransport(otherwise=Script(answer=lambda exec: replies.pop(0)))
    with pytest.raises(CutShort) as cut:
        said(Probe(), transport)
    assert not cut.value.partial["complete"]


@pytest.mark.parametrize(
    ("state", "pending", "arguments", "started_s_ago", "driver", "started"),
    [
        ("D", "100", "-q -x", 1000, "hung", False),
        ("D", "100", "-q -x", 10, "timed-out", False),
        ("D", "0", "-q -x", 1000, "ok", True),
        ("S", "100", "-q -x", 1000, "ok", True),
        ("D", "100", "dmon", 1000, "ok", True),
    ],
)
def test_a_nvidia_smi_that_cannot_be_killed_is_not_joined_by_another(
    state: str, pending: str, arguments: str, started_s_ago: int, driver: str, started: bool, tmp_path: Path
) -> None:
    stuck = tmp_path / "proc" / "4711"
    stuck.mkdir(parents=True)
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    ticks = int((uptime + 5000 - started_s_ago) * 100)
    (stuck / "stat").write_text(f"4711 (nvidia-smi) {state} 1 {'0 ' * 17}{ticks} 0 0\n")
    (stuck / "cmdline").write_bytes(b"\0".join([b"nvidia-smi", *arguments.encode().split(), b""]))
    (stuck / "status").write_text(f"Name:\tnvidia-smi\nShdPnd:\t{pending:0>16}\n")
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\ncat {DATA}/names-of-570.xml\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    argv = ["sh", "-c", smi.SCRIPT, "gigactl", "5", "nvidia", str(tmp_path / "proc")]
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    output = subprocess.run(argv, capture_output=True, env=environ, check=True).stdout
    later = re.sub(rb"(@@gigactl uptime\n)\S+", rb"\g<1>%d" % (uptime + 5000), output)
    snapshot = smi.assemble(later, None, 1.0)
    assert (tmp_path / "started").exists() is started
    assert snapshot["driver"] is not None
    assert (snapshot["driver"]["state"], snapshot["driver"]["reader"]) == (driver, 4711 if driver == "hung" else 0)
