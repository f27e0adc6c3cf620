"""Whatever is cut, hangs or is killed: nothing stays running on a host, and the next sweep trips over nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gigactl.lab import fleet
from tests.end_to_end.program import Ran, command, environment, gigactl

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("survival"), pytest.mark.timeout(180)]

HOSTS = 4


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fleet.LabStatus]:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    folder = Path("/var/tmp") / f"gigactl-survival-{os.getpid()}"
    try:
        yield fleet.up(fleet.LabOptions(dir=folder, hosts=HOSTS, gpus=8, board="h200"))
    finally:
        fleet.down(folder)


@pytest.fixture(autouse=True)
def repaired(small: fleet.LabStatus) -> Iterator[None]:
    yield
    fleet.clear(small.dir, [host.name for host in small.hosts])


def check(lab: fleet.LabStatus, *more: str) -> Ran:
    return gigactl("-i", lab.inventory, "health", "check", "-o", "json", *more)


def verdicts(ran: Ran) -> list[str]:
    return [host["verdict"] for host in ran.answer["hosts"]]


def on_host(lab: fleet.LabStatus, number: int, *argv: str) -> str:
    """A command on a host, by OpenSSH, so that our own code does not judge itself."""
    host = lab.hosts[number]
    options = ["-F", "none", "-i", str(lab.dir / "id_ed25519"), "-p", str(host.port), "-o", "BatchMode=yes"]
    options += ["-o", f"UserKnownHostsFile={lab.dir / 'known_hosts'}", f"root@{host.address}"]
    done = subprocess.run(["ssh", *options, *argv], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout


def probes(lab: fleet.LabStatus, number: int = 0) -> list[str]:
    """What runs on the host on our account."""
    listed = on_host(lab, number, "ps", "-eo", "pid,stat,args")
    return [line for line in listed.splitlines() if "gigactl.payload" in line or "gigactl-nvml" in line]


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(0.2)
    return true()


def started(lab: fleet.LabStatus, *more: str) -> subprocess.Popen[str]:
    """A sweep that is at work on the hosts when this returns."""
    argv = command("-i", lab.inventory, "health", "check", "-o", "json", *more)
    process = subprocess.Popen(
        argv, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert wait_until(lambda: bool(probes(lab)), 20)
    return process


def test_a_killed_controller_leaves_nothing_running(small: fleet.LabStatus) -> None:
    assert check(small).code == 0
    fleet.fault(small.dir, [small.hosts[0].name], "nvml-hang", {})
    process = started(small, "--timeout", "20")
    process.kill()
    process.communicate()
    assert wait_until(lambda: not probes(small), 25), probes(small)
    fleet.clear(small.dir, [small.hosts[0].name])
    again = check(small)
    assert verdicts(again) == ["ok"] * HOSTS


def test_a_cut_connection_leaves_nothing_running(small: fleet.LabStatus) -> None:
    fleet.fault(small.dir, [small.hosts[0].name], "nvml-hang", {})
    process = started(small, "--timeout", "20")
    # the session of the probe, not the one that asks: the oldest sshd child of this host
    on_host(small, 0, "pkill", "-KILL", "-o", "-f", "'sshd: root@notty'")
    out, _ = process.communicate(timeout=60)
    assert process.returncode in {6, 8}, out
    assert wait_until(lambda: not probes(small), 25), probes(small)


def test_hung_nvml_is_found_within_its_deadline_and_the_reader_is_gone(small: fleet.LabStatus) -> None:
    fleet.fault(small.dir, [small.hosts[1].name], "nvml-hang", {"gpu": "3"})
    began = time.monotonic()
    ran = check(small, "--timeout", "30")
    assert time.monotonic() - began < 35
    assert [finding["id"] for finding in ran.answer["hosts"][1]["findings"]] == ["NVML-HUNG"]
    assert wait_until(lambda: not probes(small, 1), 10), probes(small, 1)


def test_an_unkillable_reader_is_found_and_not_joined_by_a_second(small: fleet.LabStatus) -> None:
    fleet.fault(small.dir, [small.hosts[2].name], "nvml-hang", {"kill": "no"})
    for _ in range(2):
        ran = check(small, "--timeout", "30")
        assert [finding["id"] for finding in ran.answer["hosts"][2]["findings"]] == ["NVML-HUNG"]
    stuck = [line for line in probes(small, 2) if line.split()[1].startswith("D")]
    assert len(stuck) == 1, probes(small, 2)
    fleet.clear(small.dir, [small.hosts[2].name])
    assert verdicts(check(small)) == ["ok"] * HOSTS


@pytest.mark.parametrize(("kind", "finding"), [("readonly-root", "ROOT-READ-ONLY"), ("disk-full", "DISK-FULL")])
def test_verdicts_still_come_where_nothing_can_be_written(small: fleet.LabStatus, kind: str, finding: str) -> None:
    """Also on a host that never had the payload, and with a GPU fault on top."""
    gigactl("-i", small.inventory, "inventory", "clean", "-l", small.hosts[3].name, "--yes")
    fleet.fault(small.dir, [small.hosts[3].name], kind, {})
    fleet.fault(small.dir, [small.hosts[3].name], "row-remap-failed", {"gpu": "6"})
    for _ in range(2):
        host = check(small).answer["hosts"][3]
        assert {one["id"] for one in host["findings"]} == {finding, "GPU-ROW-REMAP-FAILED"}
        assert host["verdict"] == "critical"


def test_ctrl_c_keeps_and_shows_what_arrived(small: fleet.LabStatus) -> None:
    assert check(small).code == 0
    fleet.fault(small.dir, [small.hosts[0].name], "nvml-hang", {})
    fleet.fault(small.dir, [small.hosts[1].name], "row-remap-failed", {"gpu": "2"})
    argv = command("-i", small.inventory, "health", "check", "--timeout", "60")
    process = subprocess.Popen(
        argv, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "GPU-ROW-REMAP-FAILED" in out
    assert wait_until(lambda: not probes(small), 25), probes(small)
