"""`lab`: what is refused before the fleet is asked anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gigactl.lab.faults import KINDS
from tests.cli.harness import Program


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["gpu001", "gpu-lots"], "did you mean gpu-lost?"),
        (["gpu001", "xid", "code"], "is not KEY=VALUE"),
        (["gpu001", "clear", "gpu=1"], "takes no settings"),
        (["gpu[001-", "clear"], ""),
    ],
)
def test_a_fault_that_is_none_is_a_usage_error(program: Program, tmp_path: Path, argv: list[str], hint: str) -> None:
    done = program("lab", "fault", *argv, "--dir", str(tmp_path / "lab"))
    assert done.code == 2
    assert hint in done.err


@pytest.mark.parametrize("argv", [["status"], ["freeze"], ["fault", "gpu001", "clear"]])
def test_no_lab_there_says_what_to_do(program: Program, tmp_path: Path, argv: list[str]) -> None:
    done = program("lab", *argv, "--dir", str(tmp_path / "lab"))
    assert done.code == 2
    assert done.err.startswith("gigactl: lab: ")
    assert "`gigactl lab " in done.err


@pytest.mark.parametrize("kind", KINDS)
def test_the_help_of_fault_has_every_kind_with_its_options(program: Program, kind: str) -> None:
    done = program("lab", "fault", "--help")
    assert done.code == 0
    [row] = re.findall(rf"^  {kind}  +(.*(?:\n   +.*)*)", done.out.split("Kinds")[1], re.MULTILINE)
    options = " ".join(f"{name}={default}" for name, default in KINDS[kind].options.items())
    shown = f"{KINDS[kind].summary}{f' [{options}]' if options else ''}: {KINDS[kind].changes}"
    assert " ".join(row.split()) == shown


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--model", "sr680a-v9"], "no model is called sr680a-v9"),
        (["--board", "h2000"], "no board is called h2000"),
        (["--gpus", "9"], "gpus: 9 is not 1 to 8"),
    ],
)
def test_a_fleet_that_cannot_be_is_a_usage_error(program: Program, tmp_path: Path, argv: list[str], words: str) -> None:
    done = program("lab", "up", *argv, "--dir", str(tmp_path / "lab"))
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_a_lab_that_failed_is_no_usage_error(program: Program, tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text("{}", encoding="utf-8")
    done = program("lab", "status", "--dir", str(tmp_path))
    assert done.code == 5
    assert "lab.json" in done.err


def test_a_fleet_lives_under_the_state_directory_unless_told(program: Program) -> None:
    assert ".local/state/gigactl/lab" in program("lab", "status").err
    assert f"{program.directory}/kept/lab is no lab" in program("lab", "status", "--state", "kept").err
    assert (
        f"{program.directory}/dir is no lab"
        in program("lab", "status", "--state", "kept", "--dir", str(program.directory / "dir")).err
    )
