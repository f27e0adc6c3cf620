"""`health show` and `health explain`: one host in full, one finding in full."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gigactl.errors import AuthenticationFailed
from tests.cli.harness import Program, assert_screen, probed
from tests.health.breaking import broken
from tests.health.snapshots import snapshot


@pytest.fixture
def host(program: Program) -> Program:
    """gpu003 lost a GPU and says rude things; gpu004 is fine; gpu005 cannot be reached."""
    lost = broken(snapshot(), "gpu-lost", {})
    lost["gpus"][0]["processes"] = [
        {"pid": 4711, "name": "python\x1b[31m train.py", "kind": "compute", "memory_bytes": 70 << 30},
        {"pid": 4712, "name": "", "kind": "compute", "memory_bytes": -1},
    ]
    lost["gpus"][1]["unread"]["temperature.memory"] = "no-permission: needs root"
    del lost["gpus"][1]["values"]["temperature.memory"]
    transport = probed({"gpu003": lost, "gpu004": snapshot()}, {"gpu005": AuthenticationFailed("ops@10.20.1.5:22")})
    return replace(program, transport=transport)


def test_one_host_in_full(host: Program) -> None:
    done = host("health", "show", "gpu003")
    assert_screen("show.txt", done.out)
    assert done.code == 8
    assert "\x1b" not in done.out


def test_verbose_shows_every_reading_of_every_gpu_that_has_one(host: Program) -> None:
    done = host("health", "show", "gpu003", "-v")
    assert re.search(r"^temperature +core 34 C, memory 41 C, ", done.out, re.MULTILINE)
    assert re.search(r"^nvlink +links 18, .*link 0-17 active yes", done.out, re.MULTILINE)
    assert "not-supported: " in done.out
    assert [line for line in done.out.splitlines() if line.endswith("READINGS")] == [
        f"GPU {index}        READINGS" for index in (0, 1, 2, 4, 5, 6, 7)
    ]
    assert "READINGS" not in host("health", "show", "gpu003").out


def test_on_a_terminal_nothing_is_lost(host: Program) -> None:
    wide, narrow = host("health", "show", "gpu003").out, host("health", "show", "gpu003", tty=True, COLUMNS="120").out
    for text in ("GPU-LOST", "drain-first: reboot", "no-permission", "16502240"):
        assert text in wide
        assert text in narrow


def test_several_hosts_and_one_that_gave_no_answer(host: Program) -> None:
    done = host("health", "show", "gpu004", "gpu005")
    assert "gpu004  ok (idle)" in done.out
    assert "gpu005  unreachable" in done.out
    assert "authentication failed: ops@10.20.1.5:22" in done.out
    assert done.code == 6


def test_json_carries_the_snapshot_and_what_was_expected(host: Program) -> None:
    [shown] = host("health", "show", "gpu004", "-o", "json").json["hosts"]
    assert shown["verdict"] == "ok"
    assert len(shown["snapshot"]["gpus"]) == 8
    assert shown["expected"]["gpu_count"] == 8


def test_an_unknown_host_is_a_usage_error(host: Program) -> None:
    assert host("health", "show", "gpu999").code == 2


@pytest.mark.parametrize("asked", [["XID-79"], ["xid", "79"], ["79"], ["xid-79"]])
def test_an_xid_by_any_of_its_names(program: Program, asked: list[str]) -> None:
    done = program("health", "explain", *asked)
    assert done.out.startswith("Xid 79: ")
    assert done.code == 0


def test_explanations_wrap_on_a_terminal(program: Program) -> None:
    done = program("health", "explain", "GPU-LOST", "--no-color", tty=True, COLUMNS="72")
    assert max(map(len, done.out.splitlines())) <= 72
    assert "What to do" in done.out


def test_an_explanation_for_programs(program: Program) -> None:
    shown = program("health", "explain", "gpu-lost", "-o", "json").json
    assert (shown["schema"], shown["id"], shown["asks"]["severity"]) == ("gigactl.finding/1", "GPU-LOST", "critical")


def test_without_an_id_all_are_listed(program: Program) -> None:
    lines = program("health", "explain").out.splitlines()
    assert lines[0].split() == ["FINDING", "TITLE", "WEIGHS"]
    assert any(line.startswith("XID-79 ") for line in lines)
    listed = program("health", "explain", "-o", "json").json["findings"]
    assert len(listed) == len(lines) - 1


def test_a_typo_gets_the_nearest_name(program: Program) -> None:
    done = program("health", "explain", "GPU-LOSS")
    assert (done.code, done.out) == (2, "")
    assert "did you mean `GPU-LOST`?" in done.err
