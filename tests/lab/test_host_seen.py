"""A lab host is a host: its own identity, users, files and services, nothing of this machine's people."""

from __future__ import annotations

import pytest

from gigactl.lab import fleet
from gigactl.lab.fixtures.accounts import SUDO_PASSWORD
from gigactl.lab.options import LabStatus
from tests.lab.seen import Seen

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab")]


def test_hosts_differ(lab: LabStatus) -> None:
    asked = (
        "hostname",
        "cat /etc/machine-id",
        "cat /proc/sys/kernel/random/boot_id",
        "cat /sys/class/dmi/id/product_serial",
        "grep -m 1 '^gpu.0.uuid' /run/nvidia-lab/state",
    )
    answers = [Seen(lab, host).says("; ".join(asked)).splitlines() for host in lab.hosts]
    assert [found[0] for found in answers] == [host.name for host in lab.hosts]
    assert all(len(set(same)) == len(lab.hosts) for same in zip(*answers, strict=True))


def test_nothing_of_this_machine(host: Seen, lab: LabStatus) -> None:
    assert host.says("ls -A /root /home") == "/home:\nops\nopspw\n\n/root:\n.ssh"
    for path in (lab.dir, fleet.__file__, "/var/lib/apt/lists/lock"):
        assert host.ssh(f"test -e {path}").returncode == 1
    assert host.says("ps -eo pid,args --no-headers | head -n 1").split() == ["1", "/sbin/init"]


def test_uptime_begins_with_the_boot(host: Seen) -> None:
    seconds = float(host.says("cut -d ' ' -f 1 /proc/uptime"))
    if host.says("test -e /proc/1/timens_offsets && echo yes || echo no") == "yes":
        assert 90 <= seconds < 90 + 600
    fleet.fault(host.lab.dir, [host.host.name], "no-python", {})
    assert float(host.says("cut -d ' ' -f 1 /proc/uptime")) <= seconds + 1


def test_root_of_a_host_is_not_root_of_this_machine(host: Seen) -> None:
    for change in ("echo 1 > /proc/sys/vm/swappiness", "echo h > /proc/sysrq-trigger", "date -s 2020-01-01"):
        assert host.ssh(change).returncode != 0
    bounding = int(host.says("grep CapBnd /proc/self/status").split()[1], 16)
    net_admin, sys_module, sys_time, syslog = 12, 16, 25, 34
    assert not any(bounding >> capability & 1 for capability in (net_admin, sys_module, sys_time, syslog))


def test_sudo(host: Seen) -> None:
    assert host.says("sudo -n id -u", user="ops") == "0"
    assert "password is required" in host.ssh("sudo -n id -u", user="opspw").stderr
    assert host.says("sudo -S -p '' id -u", user="opspw", stdin=f"{SUDO_PASSWORD}\n") == "0"
    assert host.says("id -u", user="ops") == "2001"


def test_model_on_the_bus(host: Seen) -> None:
    assert host.says("cat /sys/class/dmi/id/product_name /sys/class/dmi/id/product_sku") == (
        "ThinkSystem SR680a V3\n7DHECTO1WW"
    )
    classes = host.says("cat /sys/bus/pci/devices/*/class").split()
    assert {kind: classes.count(kind) for kind in sorted(set(classes))} == {
        "0x020700": 8,
        "0x030200": 8,
        "0x068000": 4,
    }
    assert host.says("cat /sys/class/infiniband/*/ports/1/rate | sort -u") == "400 Gb/sec (4X NDR)"
    assert host.says("ls /proc/driver/nvidia-nvswitch/devices | wc -l") == "4"


def test_driver_is_the_same_everywhere(host: Seen) -> None:
    driver = host.lab.driver
    assert host.says("cat /sys/module/nvidia/version") == driver
    assert f"Open Kernel Module for x86_64  {driver}" in host.says("cat /proc/driver/nvidia/version")
    assert f"NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  {driver}" in host.kernel_log()
    assert host.reads("nvmlSystemGetDriverVersion()") == driver
    assert "libnvidia-ml.so.1" in host.says("/sbin/ldconfig -p")
    assert host.says(f"ls /lib/firmware/nvidia/{driver}")


def test_services(host: Seen) -> None:
    assert host.says("systemctl is-active nvidia-fabricmanager sshd") == "active\nactive"
    assert host.ssh("systemctl is-active slurmd").returncode == 4
    names = "Id,LoadState,ActiveState,SubState,UnitFileState"
    assert host.says(f"systemctl show --no-pager -p {names} nvidia-persistenced slurmd.service").split("\n\n") == [
        "Id=nvidia-persistenced.service\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled",
        "Id=slurmd.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=",
    ]
    assert "authentication required" in host.ssh("systemctl stop nvidia-persistenced", user="ops").stderr
    host.says("systemctl stop nvidia-persistenced")
    assert host.ssh("systemctl is-active nvidia-persistenced").stdout == "inactive\n"
    assert host.ssh("systemctl status nvidia-persistenced").returncode == 3
    host.says("systemctl start nvidia-persistenced")
    assert host.says("systemctl is-active nvidia-persistenced") == "active"


def test_frozen_readings_stand_still(host: Seen) -> None:
    fleet.freeze(host.lab.dir, True)
    try:
        assert fleet.status(host.lab.dir).frozen
        power = "[nvmlDeviceGetPowerUsage(nvmlDeviceGetHandleByIndex(i)) for i in range(8)]"
        assert len({host.reads(power) for _ in range(3)}) == 1
    finally:
        fleet.freeze(host.lab.dir, False)
    assert not fleet.status(host.lab.dir).frozen


def test_a_real_terminal(host: Seen) -> None:
    assert host.says("script -qc tty /dev/null").startswith("/dev/pts/")
