"""A fleet comes up or leaves nothing; `down` leaves nothing whatever happened before."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gigactl.errors import LabError, LabMisuse
from gigactl.inventory.load import load_inventory
from gigactl.lab import fleet, traces
from gigactl.lab.options import LabOptions, LabStatus
from tests.lab.seen import Seen

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab")]

PORT = 2323


def small(directory: Path, cache: Path, hosts: int = 2) -> LabStatus:
    return fleet.up(LabOptions(directory, hosts=hosts, port=PORT), cache)


def assert_gone(directory: Path) -> None:
    assert not traces.find(directory)
    assert not directory.exists()
    assert str(directory) not in Path("/proc/mounts").read_text(encoding="utf-8")
    loops = subprocess.run(["losetup", "--list", "--output", "BACK-FILE"], capture_output=True, text=True, check=True)
    assert str(directory) not in loops.stdout


def test_the_inventory_is_the_fleet(lab: LabStatus) -> None:
    inventory = load_inventory(lab.inventory)
    assert [(host.name, host.address, host.ssh.port) for host in inventory.hosts] == [
        (host.name, host.address, host.port) for host in lab.hosts
    ]
    first = inventory.hosts[0]
    assert (first.model, first.scheduler, first.ssh.user) == ("sr680a-v3", "none", "root")
    assert (first.labels["site"], first.labels["rack"]) == ("lab", "r01")
    assert first.ssh.known_hosts == str(lab.dir / "known_hosts")
    assert first.ssh.identity_file == (str(lab.dir / "id_ed25519"),)


def test_up_on_a_lab_that_is_up(lab: LabStatus) -> None:
    with pytest.raises(LabMisuse, match="a lab is up") as refused:
        fleet.up(LabOptions(lab.dir, hosts=1))
    assert "lab down" in refused.value.hint
    assert fleet.status(lab.dir).supervisor == lab.supervisor


def test_two_labs_side_by_side(lab: LabStatus, elsewhere: Path, cache: Path) -> None:
    second = fleet.up(LabOptions(elsewhere, hosts=1, port=lab.port), cache)
    assert second.hosts[0].address != lab.hosts[0].address
    assert Seen(second, second.hosts[0]).says("hostname") == "gpu001"
    fleet.down(elsewhere)
    assert_gone(elsewhere)
    assert fleet.status(lab.dir).hosts[0].state == "up"


def test_down_after_kill_of_everything(elsewhere: Path, cache: Path) -> None:
    """With a full disk mounted, a file system frozen, and a process hanging in it that no signal reaches."""
    found = small(elsewhere, cache)
    first, second = (Seen(found, host) for host in found.hosts)
    fleet.fault(elsewhere, [first.host.name], "disk-full", {})
    fleet.fault(elsewhere, [second.host.name], "nvml-hang", {"kill": "no"})
    write = "(exec 3>>/run/nvidia-lab/stuck/calls; echo x >&3) >/dev/null 2>&1 </dev/null & sleep 0.2"
    second.says(write)
    for pid in traces.find(elsewhere).processes:
        os.kill(pid, signal.SIGKILL)
    assert _wait_until_only_stuck(elsewhere)
    with pytest.raises(LabMisuse, match="left traces"):
        small(elsewhere, cache)
    fleet.down(elsewhere)
    assert_gone(elsewhere)
    fleet.down(elsewhere)


def _wait_until_only_stuck(directory: Path) -> bool:
    """The supervisor is gone, the writer in the frozen file system is not."""
    for _ in range(100):
        with pytest.raises(LabError):
            fleet.status(directory)
        states = [_state(pid) for pid in traces.find(directory).processes]
        if states and set(states) == {"D"}:
            return True
        time.sleep(0.05)
    return False


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]


def test_hosts_end_with_their_supervisor(elsewhere: Path, cache: Path) -> None:
    found = small(elsewhere, cache, hosts=1)
    os.kill(found.supervisor, signal.SIGKILL)
    for _ in range(100):
        if not traces.find(elsewhere):
            break
        time.sleep(0.05)
    assert not traces.find(elsewhere)


def test_down_after_the_directory_was_deleted(elsewhere: Path, cache: Path) -> None:
    small(elsewhere, cache, hosts=1)
    subprocess.run(["rm", "-rf", str(elsewhere)], check=True)
    fleet.down(elsewhere)
    assert_gone(elsewhere)


def test_a_host_whose_init_was_killed_is_off(elsewhere: Path, cache: Path) -> None:
    found = small(elsewhere, cache, hosts=1)
    Seen(found, found.hosts[0]).says("true")
    inits = set(traces.find(elsewhere).processes) - {found.supervisor}
    os.kill(min(inits), signal.SIGKILL)
    for _ in range(100):
        if fleet.status(elsewhere).hosts[0].state == "off":
            break
        time.sleep(0.05)
    assert fleet.status(elsewhere).hosts[0].state == "off"
    assert "Connection refused" in Seen(found, found.hosts[0]).ssh("true").stderr
    fleet.clear(elsewhere, [found.hosts[0].name])
    assert Seen(found, found.hosts[0]).says("hostname") == "gpu001"


def test_an_up_that_fails_leaves_nothing(lab: LabStatus, elsewhere: Path, tmp_path: Path) -> None:
    with pytest.raises(LabMisuse, match="no board"):
        fleet.up(LabOptions(elsewhere, board="h2000"))
    with pytest.raises(LabMisuse, match="overlayfs"):
        fleet.up(LabOptions(tmp_path / "a,b", hosts=1))
    assert not elsewhere.exists()


def test_no_free_port(elsewhere: Path, cache: Path) -> None:
    """The supervisor is up already when it finds out."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        with pytest.raises(LabMisuse, match="is taken"):
            fleet.up(LabOptions(elsewhere, hosts=2, port=taken.getsockname()[1]), cache)
    assert_gone(elsewhere)


@pytest.mark.parametrize("seconds", [0.0, 0.15, 0.3])
def test_down_after_an_up_that_was_killed(elsewhere: Path, cache: Path, seconds: float) -> None:
    program = (
        "import sys; from pathlib import Path; from gigactl.lab import fleet\n"
        f"fleet.up(fleet.LabOptions(Path(sys.argv[1]), hosts=40, port={PORT}), Path(sys.argv[2]))"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(elsewhere), str(cache)]) as up:
        for _ in range(200):
            if elsewhere.exists():
                break
            time.sleep(0.02)
        time.sleep(seconds)
        up.kill()
    fleet.down(elsewhere)
    assert_gone(elsewhere)


def test_down_touches_no_directory_that_is_no_lab(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(LabMisuse, match="no lab"):
        fleet.down(tmp_path)
    assert (tmp_path / "precious").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_thousand_hosts(elsewhere: Path, cache: Path) -> None:
    before = _available()
    found = small(elsewhere, cache, hosts=1000)
    assert [host.state for host in found.hosts] == ["up"] * 1000
    assert before - _available() <= 600 << 10
    last = found.hosts[-1]
    assert Seen(found, last).says("hostname") == last.name == "gpu1000"
    fleet.down(elsewhere)
    assert_gone(elsewhere)


def _available() -> int:
    """kB of memory that could be used."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return int(text.split("MemAvailable:")[1].split()[0])
