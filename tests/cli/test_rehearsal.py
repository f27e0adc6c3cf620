"""Every command against real hosts: real sshd, the payload, a real NVML ABI. The program brings up its own fleet."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("cli-lab"), pytest.mark.timeout(180)]

PORT = "2422"


@dataclass(frozen=True)
class Lab:
    """A fleet that is up, and the program with its inventory."""

    directory: Path
    said: str

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.yaml"

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "gigactl", *argv],
            env={**os.environ, "GIGACTL_INVENTORY": str(self.inventory), "XDG_STATE_HOME": str(self.directory.parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv: str, code: int = 0) -> str:
        """stdout of a command that ends with this code."""
        process = self.start(*argv)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, f"{argv}: {process.returncode}\n{out}\n{err}"
        return out

    def json(self, *argv: str, code: int = 0) -> Any:
        return json.loads(self.run("-o", "json", *argv, code=code))

    def fault(self, *argv: str) -> None:
        self.run("lab", "fault", *argv, "--dir", str(self.directory))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Four hosts × 8 H200; taken down by the program, which leaves nothing."""
    if os.geteuid() != 0:
        pytest.skip("the rehearsal fleet needs root")
    folder = tmp_path_factory.mktemp("rehearsal") / "lab"
    before = Lab(folder, "")
    said = before.run("lab", "up", "--hosts", "4", "--board", "h200", "--port", PORT, "--dir", str(folder))
    try:
        yield Lab(folder, said)
    finally:
        before.run("lab", "down", "--dir", str(folder))
        assert not folder.exists()


@pytest.fixture
def lab(fleet: Lab) -> Iterator[Lab]:
    """The fleet, whole before and after."""
    yield fleet
    fleet.fault("gpu[001-004]", "clear")


def test_coming_up_it_says_what_to_do_next(lab: Lab) -> None:
    assert f"export GIGACTL_INVENTORY={lab.inventory}" in lab.said
    assert "4 hosts × 8 GPUs, sr680a-v3 with h200" in lab.said


def test_its_status_folds_hosts(lab: Lab) -> None:
    lab.fault("gpu002,gpu[003-003]", "gpu-lost", "gpu=5")
    status = lab.run("lab", "status", "--dir", str(lab.directory))
    assert re.search(r"gpu\[001,004\] +up +-", status)
    assert re.search(r"gpu\[002-003\] +up +gpu-lost gpu=5", status)
    hosts = lab.json("lab", "status", "--dir", str(lab.directory))["hosts"]
    assert hosts[1]["faults"] == [{"kind": "gpu-lost", "gpu": "5"}]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["gpu099", "gpu-lost"], "no host of this lab is called gpu099"),
        (["gpu001", "gpu-lost", "gpu=8"], "gpu=8 is not a number from 0 to 7"),
        (["gpu001", "gpu-lost", "gpus=1"], "did you mean gpu?"),
    ],
)
def test_what_makes_no_sense_to_the_fleet_is_a_usage_error(lab: Lab, argv: list[str], words: str) -> None:
    process = lab.start("lab", "fault", *argv, "--dir", str(lab.directory))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert words in err


def test_a_healthy_fleet_is_healthy(lab: Lab) -> None:
    assert lab.run("health", "check").startswith("4 hosts: 4 ok · ")
    assert lab.run("-q", "health", "check") == ""


def test_one_critical_and_one_unreachable_host(lab: Lab) -> None:
    lab.fault("gpu002", "gpu-lost", "gpu=5")
    lab.fault("gpu004", "refused")
    text = lab.run("health", "check", code=8)
    assert re.search(r"critical +gpu002 GPU 5 +GPU-LOST", text)
    assert re.search(r"unreachable +gpu004 +HOST-UNREACHABLE", text)
    assert text.splitlines()[-1].startswith("4 hosts: 2 ok, 1 critical, 1 unreachable · ")
    answer = lab.json("health", "check", code=8)
    assert [host["verdict"] for host in answer["hosts"]] == ["ok", "critical", "ok", "unreachable"]
    [found] = answer["hosts"][1]["findings"]
    assert found["gpu"]["index"] == 5
    assert answer["hosts"][0]["probe"]["cpu_s"] > 0


def test_a_host_in_full(lab: Lab) -> None:
    lab.fault("gpu003", "row-remap-pending", "gpu=2")
    text = lab.run("health", "show", "gpu003")
    assert "ThinkSystem SR680a V3" in text
    assert "GPU-ROW-REMAP-PENDING GPU 2" in text
    assert len(re.findall(r"^ +\d  NVIDIA H200 ", text, re.MULTILINE)) == 8
    [shown] = lab.json("health", "show", "gpu003")["hosts"]
    assert len(shown["snapshot"]["gpus"]) == 8


def test_a_command_on_all_of_them(lab: Lab) -> None:
    text = lab.run("exec", "-l", "@all", "-y", "--", "hostname")
    assert sorted(re.findall(r"^gpu00\d$", text, re.MULTILINE)) == sorted([f"gpu00{n}" for n in range(1, 5)] * 2)
    same = lab.run("exec", "-l", "@all", "-y", "--", "echo same")
    assert "gpu[001-004] (4)" in same
    hosts = lab.json("exec", "-l", "gpu[001-002]", "-y", "--", 'test "$(hostname)" = gpu001', code=5)["hosts"]
    assert [host["exit_code"] for host in hosts] == [0, 1]


def test_a_root_login_is_a_change(lab: Lab) -> None:
    lab.run("exec", "-l", "gpu001", "--", "true", code=2)


def test_keys_are_trusted_only_when_vouched_for(lab: Lab) -> None:
    known = lab.directory / "known_hosts"
    kept = known.read_text(encoding="utf-8")
    other = lab.directory.parent / "vouched"
    other.write_text(kept, encoding="utf-8")
    known.write_text("", encoding="utf-8")
    try:
        assert "HOST-UNREACHABLE" in lab.run("health", "check", code=6)
        lab.run("inventory", "trust", code=2)
        assert known.read_text(encoding="utf-8") == ""
        assert "SHA256:" in lab.run("inventory", "trust", "--from", str(other))
        assert lab.run("health", "check").startswith("4 hosts: 4 ok")
    finally:
        known.write_text(kept, encoding="utf-8")


def test_cleaning_leaves_nothing_and_the_next_look_works(lab: Lab) -> None:
    lab.run("health", "check")
    assert "gigactl" in lab.run("inventory", "clean", "-l", "@all", "-y")
    find = "find / -xdev -name '*gigactl*' -not -name gigactl-lab 2>/dev/null; true"
    assert lab.run("exec", "-l", "gpu001", "-y", "--", find) == ""
    assert lab.run("health", "check").startswith("4 hosts: 4 ok")


def test_its_inventory_is_sound_and_says_what_is_expected(lab: Lab) -> None:
    lab.run("inventory", "validate")
    assert lab.run("inventory", "hosts", "--fold", "@all") == "gpu[001-004]\n"
    assert "gpu[001-004]" in lab.run("inventory", "list")
    [shown] = lab.json("inventory", "show", "gpu001")["hosts"]
    assert shown["expected"]["gpu_count"] == 8


def test_frozen_it_reads_the_same_twice(lab: Lab) -> None:
    def temperatures() -> list[object]:
        gpus = lab.json("health", "show", "gpu001")["hosts"][0]["snapshot"]["gpus"]
        return [gpu["values"]["temperature.core"] for gpu in gpus]

    lab.run("lab", "freeze", "--dir", str(lab.directory))
    try:
        assert temperatures() == temperatures()
    finally:
        lab.run("lab", "freeze", "--off", "--dir", str(lab.directory))


def test_interrupted_it_shows_what_arrived(lab: Lab) -> None:
    lab.fault("gpu002", "ssh-hang")
    process = lab.start("health", "check", "-o", "jsonl", "--timeout", "60")
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(4)]
    assert '"version"' in seen[0]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert '"host": "gpu002"' in out
    assert json.loads(out.splitlines()[-1])["hosts"] == 4
    assert "keeping what arrived" in err
