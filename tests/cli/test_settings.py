"""Where an option's value comes from: typed, environment, project, user, default; the nearer one wins."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gigactl.transport.simulated import Reply, SimulatedTransport
from tests.cli.harness import Program, always


@pytest.fixture
def user_file() -> Path:
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "gigactl" / "config.yaml"
    file.parent.mkdir(parents=True)
    return file


def format_of(text: str) -> str:
    return "json" if text.startswith("{") else "table"


def test_the_nearer_one_wins(program: Program, user_file: Path, tmp_path: Path) -> None:
    def shown(*argv: str, **environ: str) -> str:
        return format_of(program.among(environ)("inventory", "list", *argv).out)

    assert shown() == "table"
    user_file.write_text("output: json\n", encoding="utf-8")
    assert shown() == "json"
    (tmp_path / "gigactl.yaml").write_text("output: table\n", encoding="utf-8")
    assert shown() == "table"
    assert shown(GIGACTL_OUTPUT="json") == "json"
    assert shown("-o", "table", GIGACTL_OUTPUT="json") == "table"


def test_the_projects_inventory_is_found_from_below(tmp_path: Path, inventory: Path) -> None:
    (tmp_path / "gigactl.yaml").write_text("inventory: fleet.yaml\n", encoding="utf-8")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert Program(below)("inventory", "hosts", "--fold", "@all").out == "gpu[001-008]\n"


def test_the_window_is_what_was_set(program: Program) -> None:
    transport = SimulatedTransport({}, always(Reply(after_s=0.01)))
    replace(program, transport=transport)("exec", "-l", "@all", "--", "true", GIGACTL_FANOUT="2")
    assert transport.most_connected == 2


def test_the_rail_is_the_projects_to_move(program: Program, tmp_path: Path) -> None:
    (tmp_path / "gigactl.yaml").write_text("max_at_once: 4\n", encoding="utf-8")
    as_root = replace(program, transport=SimulatedTransport())
    refused = as_root("exec", "-l", "gpu[001-005]", "--become", "-y", "--", "true")
    assert "more than max_at_once (4)" in refused.err
    assert as_root("exec", "-l", "gpu[001-004]", "--become", "-y", "--", "true").code == 0


@pytest.mark.parametrize("variable", ["GIGACTL_FANOUT=no", "GIGACTL_FANUOT=3", "GIGACTL_FAIL_ON=fatal"])
def test_a_wrong_variable_is_named(program: Program, variable: str) -> None:
    name, value = variable.split("=")
    done = program.among({name: value})("health", "check")
    assert done.code == 3
    assert name in done.err


def test_colour_can_be_set_off_for_good(program: Program, user_file: Path) -> None:
    user_file.write_text("no_color: true\n", encoding="utf-8")
    assert "\x1b" not in program("health", "explain", "79", tty=True).out
