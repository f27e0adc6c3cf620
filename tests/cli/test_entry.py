"""Every way a command can end badly is one line, a hint and a code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from gigactl.cli.lazy import CATALOGUE, load
from gigactl.transport.base import Deadline, Endpoint
from gigactl.transport.simulated import SimulatedTransport
from tests.cli.harness import Program


def test_helps_in_the_list_are_those_of_the_modules() -> None:
    for entry in CATALOGUE:
        command = load(entry)
        said = command.short_help or command.help or ""
        assert said.splitlines()[0] == entry.help


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["helth"], "did you mean `health`?"),
        (["health", "chekc"], "did you mean `check`?"),
        (["health", "check", "--limt", "x"], "gigactl health check --help"),
        (["--limit", "x", "lab", "status"], "gigactl lab status --help"),
        (["inventory", "show"], "gigactl inventory show --help"),
        (["health", "check", "-o", "xml"], "there are table, json, jsonl"),
        (["health", "check", "-f", "0"], ""),
        (["health", "check", "--timeout", "-1"], ""),
        (["health", "check", "--transport", "pigeon"], "there are ssh, local"),
    ],
)
def test_a_usage_error_is_one_line_and_a_hint(program: Program, argv: list[str], hint: str) -> None:
    done = program(*argv)
    first, *others = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    assert first.startswith("gigactl: usage: ")
    assert hint in "".join(others)


@pytest.mark.parametrize("argv", [[], ["health"], ["inventory"], ["lab"]])
def test_a_bare_group_shows_its_help_and_is_a_usage_error(program: Program, argv: list[str]) -> None:
    done = program(*argv)
    assert done.code == 2
    assert done.out.startswith("Usage: gigactl")


def test_options_may_stand_before_or_after_and_the_later_wins(program: Program) -> None:
    before = program("-l", "gpu001", "inventory", "list", "-o", "json").json["hosts"]
    after = program("inventory", "list", "-l", "gpu001", "-o", "json").json["hosts"]
    both = program("-l", "gpu002", "-o", "table", "inventory", "list", "-l", "gpu001", "-o", "json").json["hosts"]
    assert before == after == both


def test_the_version_is_also_an_option_among_others(program: Program) -> None:
    done = program("-q", "--version")
    assert (done.code, done.out.split()[0]) == (0, "gigactl")


class Broken(SimulatedTransport):
    """A transport with a bug."""

    def connect(self, endpoint: Endpoint, deadline: Deadline) -> NoReturn:
        raise ZeroDivisionError(f"reaching {endpoint.name}")


def test_a_bug_with_one_host_is_that_hosts_and_its_traceback_is_kept(program: Program) -> None:
    done = replace(program, transport=Broken())("health", "check", "-l", "gpu001")
    assert done.code == 6
    assert "unknown" in done.out
    place = Path(done.err.strip().removeprefix("gigactl: details are in "))
    assert "ZeroDivisionError: reaching gpu001" in place.read_text(encoding="utf-8")
    assert "Traceback" not in done.err


def test_a_bug_is_one_line_and_its_traceback_is_kept(program: Program) -> None:
    done = program("-i", "\0", "inventory", "list")
    assert done.code == 1
    first, hint = done.err.splitlines()
    assert first.startswith("gigactl: unexpected error: ")
    place = Path(hint.split(" is in ")[1])
    kept = place.read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in kept
    assert place.stat().st_mode & 0o077 == 0
    assert "Traceback" not in done.err


@pytest.mark.parametrize("dashes", [["--"], []])
def test_a_command_for_hosts_is_not_kept(program: Program, dashes: list[str]) -> None:
    done = program("-i", "\0", "exec", "-l", "gpu001", *dashes, "mysql", "-phunter2")
    assert done.code == 1
    kept = Path(done.err.splitlines()[1].split(" is in ")[1]).read_text(encoding="utf-8")
    assert "exec … -- (" in kept
    assert "hunter2" not in kept


def test_folders_made_for_it_are_the_owner_s_alone(program: Program, tmp_path: Path) -> None:
    made = tmp_path / "a"
    program("-i", "\0", "inventory", "list", XDG_STATE_HOME=str(made / "b"))
    assert {place.stat().st_mode & 0o077 for place in (made, *made.rglob("*"))} == {0}
    assert list(made.rglob("*.txt"))


@pytest.mark.parametrize("argv", [["--state", "kept", "health", "check"], ["health", "check", "--state", "kept"]])
def test_what_is_kept_goes_where_the_state_is_told_to_be(program: Program, tmp_path: Path, argv: list[str]) -> None:
    broken = replace(program, transport=Broken())
    done = broken(*argv, "-l", "gpu001")
    assert f"gigactl: details are in {tmp_path}/kept/log/" in done.err
    assert len(list((tmp_path / "kept/log").iterdir())) == 1
    by_setting = broken("health", "check", "-l", "gpu001", GIGACTL_STATE=str(tmp_path / "set"))
    assert f"gigactl: details are in {tmp_path}/set/log/" in by_setting.err


def test_a_world_that_cannot_keep_it_shows_it(program: Program, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    done = replace(program, environ={**program.environ, "XDG_STATE_HOME": str(blocked)})(
        "-i", "\0", "inventory", "list"
    )
    assert done.code == 1
    assert "Traceback" in done.err
