"""What hosts share: nothing of this machine's people, no interpreter where there is to be none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gigactl.lab import layers
from gigactl.lab.fixtures.accounts import accounts, own_homes

KEY = "ssh-ed25519 AAAA lab\n"


def machine(root: Path) -> Path:
    for path in (
        "usr/bin/python3",
        "usr/bin/python3.11",
        "usr/libexec/platform-python",
        "usr/local/bin/pypy3",
        "usr/bin/perl",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    for name in ("data", "opt", "cluster"):
        (root / name).mkdir()
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/zsh\ndaemon:x:1:1::/:/bin/false\nann:x:1000:1000::/home/ann:/bin/sh\nnobody:x:65534:65534::/:/x\n",
        encoding="ascii",
    )
    (root / "etc/group").write_text("root:x:0:\nann:x:1000:\nsudo:x:27:ann\n", encoding="ascii")
    return root


def test_no_interpreter_is_left(tmp_path: Path) -> None:
    assert layers.no_python(machine(tmp_path)).hidden == {
        "usr/bin/python3",
        "usr/bin/python3.11",
        "usr/libexec/platform-python",
        "usr/local/bin/pypy3",
    }


def test_what_only_this_machine_has_is_hidden(tmp_path: Path) -> None:
    masked = ("/cluster/checkout", "/opt/gigactl", "/var/tmp/lab", "/tmp/venv")
    tree = layers.base("580.126.20", KEY, masked, fabric_manager=True, machine=machine(tmp_path))
    assert tree.hidden == {"data", "cluster", "opt/gigactl"}
    assert {"root", "home", "tmp", "var/tmp", "var/lib/apt/lists", "etc/ssh"} <= tree.opaque
    assert tree.directories["tmp"] == 0o1777


def test_people_of_this_machine_are_no_people_of_a_host(tmp_path: Path) -> None:
    tree = accounts(KEY, machine(tmp_path))
    passwd = tree.files["etc/passwd"][0].decode().splitlines()
    assert [line.split(":")[0] for line in passwd] == ["root", "daemon", "nobody", "ops", "opspw"]
    shadow = dict(line.split(":")[:2] for line in tree.files["etc/shadow"][0].decode().splitlines())
    assert {name: secret[:3] for name, secret in shadow.items()} == {
        "root": "*",
        "daemon": "*",
        "nobody": "*",
        "ops": "*",
        "opspw": "$6$",
    }
    assert "ann" not in tree.files["etc/passwd"][0].decode()
    assert tree.files["root/.ssh/authorized_keys"] == (KEY.encode(), 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_homes_belong_to_their_people(tmp_path: Path) -> None:
    accounts(KEY, machine(tmp_path)).lay(tmp_path / "host")
    own_homes(tmp_path / "host")
    assert (tmp_path / "host/home/ops/.ssh/authorized_keys").stat().st_uid == 2001
    assert (tmp_path / "host/home/opspw").stat().st_uid == 2002
