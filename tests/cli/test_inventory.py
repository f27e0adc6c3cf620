"""`inventory list|show|hosts|validate|clean` without a host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gigactl.transport.simulated import Reply, Script, SimulatedTransport
from tests.cli.harness import Program, assert_screen


def test_the_list_is_folded(program: Program) -> None:
    done = program("inventory", "list")
    assert_screen("inventory-list.txt", done.out.replace(str(program.directory), "DIR"))
    assert done.code == 0


def test_the_list_of_a_part(program: Program) -> None:
    assert "gpu[001-002]" in program("inventory", "list", "-l", "gpu[001-002]").out
    hosts = program("inventory", "list", "-l", "gpu[001-002]", "-o", "json").json["hosts"]
    assert [host["host"] for host in hosts] == ["gpu001", "gpu002"]


def test_a_host_with_where_it_was_said(program: Program) -> None:
    done = program("inventory", "show", "gpu002")
    assert "fleet.yaml:" in done.out
    assert "10.20.1.2" in done.out
    assert "rack=r01" in done.out
    assert "expected:\n  model             ThinkSystem SR680a V3" in done.out
    shown = program("inventory", "show", "gpu002", "-o", "json").json["hosts"][0]
    assert (shown["address"], shown["expected"]["gpu_count"]) == ("10.20.1.2", 8)


@pytest.mark.parametrize(
    ("host", "shown", "hidden"),
    [
        (
            "{model: sr680a-v3}",
            ["NVLinks per GPU   depends on the board", "fabric            depends on the board"],
            [],
        ),
        ("{model: sr685a-v3}", ["fabric            depends on the board"], []),
        ("{model: sr680a-v3, board: h200}", ["NVLinks per GPU   18", "fabric            nvswitch"], ["depends"]),
        ("{model: sr650a-v4}", ["fabric            none"], ["fabric            depends"]),
        ("{model: sr650a-v4, board: h200-nvl}", ["fabric            none"], ["depends", "NVLinks"]),
        ("{gpus: 8}", ["GPUs              8"], ["fabric", "depends"]),
    ],
)
def test_what_depends_on_the_board_is_not_none(
    program: Program, tmp_path: Path, host: str, shown: list[str], hidden: list[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text(f"version: 1\nhosts: {{a: {host}}}\n", encoding="utf-8")
    said = program("inventory", "show", "a").out.split("expected:")[1]
    assert [text for text in shown if text not in said] == []
    assert [text for text in hidden if text in said] == []


def test_names_one_per_line_or_folded(program: Program) -> None:
    assert program("inventory", "hosts", "gpu[003-004]").out == "gpu003\ngpu004\n"
    assert program("inventory", "hosts", "--fold", "gpu[003-005]").out == "gpu[003-005]\n"
    assert program("inventory", "hosts", "@training", "-o", "json").json["hosts"][0] == "gpu001"


def test_an_unknown_name_is_a_usage_error(program: Program) -> None:
    done = program("inventory", "hosts", "gpu999")
    assert (done.code, done.out) == (2, "")


def test_a_sound_file_says_so(program: Program) -> None:
    done = program("inventory", "validate")
    assert (done.code, done.out) == (0, "")
    assert "8 hosts, no problem" in done.err


def test_every_problem_of_every_file_at_once(program: Program, tmp_path: Path) -> None:
    wrong, worse = tmp_path / "wrong.yaml", tmp_path / "worse.yaml"
    wrong.write_text("version: 1\nhots: {}\n", encoding="utf-8")
    worse.write_text("", encoding="utf-8")
    done = program("inventory", "validate", str(wrong), str(worse))
    assert done.code == 3
    assert f"{wrong}:" in done.out
    assert str(worse) in done.out
    shown = program("inventory", "validate", str(wrong), "-o", "json")
    assert shown.code == 3
    assert shown.json["schema"] == "gigactl.problems/1"
    assert all(problem["what"] for problem in shown.json["problems"])


def test_a_broken_inventory_stops_a_command_with_all_its_problems(program: Program, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("version: 1\nhots: {}\n", encoding="utf-8")
    done = program("health", "check")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("gigactl: invalid document\n  ")


def test_no_inventory_says_where_one_is_looked_for(tmp_path: Path) -> None:
    done = Program(tmp_path)("health", "check")
    assert done.code == 2
    assert all(place in done.err for place in ("-i FILE", "GIGACTL_INVENTORY", "gigactl.yaml"))


def test_cleaning_needs_hosts_named_and_says_what_went(program: Program) -> None:
    script = Script(answer=lambda exec: Reply(b"/var/lib/gigactl\n"))
    transport = SimulatedTransport({}, script)
    cleaning = replace(program, transport=transport)
    assert cleaning("inventory", "clean").code == 2
    assert cleaning("inventory", "clean", "-l", "@all").code == 2
    assert cleaning("inventory", "clean", "-l", "gpu[001-002]", "-n").out.startswith("would remove")
    assert transport.received == []
    done = cleaning("inventory", "clean", "-l", "gpu[001-002]", "-y")
    assert "gpu[001-002] (2)" in done.out
    assert "/var/lib/gigactl" in done.out
    assert done.code == 0


def test_what_will_not_work_from_here_is_a_warning(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("version: 1\ndefaults:\n  ssh: {identity_file: gone}\nhosts:\n  a1: {}\n", encoding="utf-8")
    done = program("inventory", "validate")
    assert done.code == 0
    assert done.out.startswith(f"warning: {file}:")
    assert "gone" in done.out
    assert len(program("inventory", "validate", "-o", "json").json["warnings"]) == 1
