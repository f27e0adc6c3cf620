"""`health check` on simulated hosts: what is shown, where, and what it ends with."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gigactl.errors import AuthenticationFailed, HostKeyUnknown
from gigactl.payload.schema import Snapshot
from gigactl.transport.simulated import Reply, Script, SimulatedTransport
from tests.cli.harness import Program, assert_screen, probed, wire
from tests.health.breaking import broken
from tests.health.snapshots import snapshot

NAMES = [f"gpu{number:03}" for number in range(1, 9)]
REFUSED = AuthenticationFailed("ops@10.20.1.8:22")


def fleet(**faults: tuple[str, dict[str, str]]) -> dict[str, Snapshot]:
    """Eight hosts, some of them broken."""
    hosts = {name: snapshot() for name in NAMES}
    return {**hosts, **{name: broken(snapshot(), kind, options) for name, (kind, options) in faults.items()}}


@pytest.fixture
def healthy(program: Program) -> Program:
    return replace(program, transport=probed(fleet()))


@pytest.fixture
def sick(program: Program) -> Program:
    """Two hosts that lost a GPU of the same index, one with a row remap pending, one that refuses our keys."""
    hosts = fleet(gpu003=("gpu-lost", {}), gpu007=("gpu-lost", {}), gpu002=("row-remap-pending", {}))
    del hosts["gpu008"]
    return replace(program, transport=probed(hosts, {"gpu008": REFUSED}))


def steady(text: str) -> str:
    """JSON without what the event loop's real clock measured."""
    return re.sub(r'"seconds": \d+\.\d+', '"seconds": 0.0', text)


def test_a_sick_fleet_on_a_pipe(sick: Program) -> None:
    done = sick("health", "check")
    assert_screen("check.txt", done.out)
    assert (done.code, done.err) == (8, "")


def test_a_sick_fleet_on_a_terminal(sick: Program) -> None:
    done = sick("health", "check", tty=True, COLUMNS="100")
    assert_screen("check-terminal.txt", done.out)
    assert done.code == 8
    assert done.err.endswith("\r\x1b[K"), "the progress line leaves no trace"
    assert "8 hosts" not in done.err


@pytest.mark.parametrize(
    "quiet", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"CI": "true"}], ids=lambda said: next(iter(said))
)
def test_no_colour_where_it_is_not_wanted(sick: Program, quiet: dict[str, str]) -> None:
    assert "\x1b[1" not in sick("health", "check", tty=True, COLUMNS="100", **quiet).out


@pytest.mark.parametrize("plain", [{"TERM": "dumb"}, {"CI": "true"}], ids=lambda said: next(iter(said)))
def test_a_terminal_that_is_none_gets_what_a_pipe_gets(sick: Program, plain: dict[str, str]) -> None:
    done = sick("health", "check", tty=True, COLUMNS="40", **plain)
    assert_screen("check.txt", done.out)
    assert done.err == ""


def test_a_narrow_terminal_is_not_overrun(sick: Program) -> None:
    done = sick("health", "check", "--no-color", tty=True, COLUMNS="60")
    *table, _, _ = done.out.splitlines()
    assert max(map(len, table)) <= 60
    assert "\x1b" not in done.out


def test_json_is_the_contract(sick: Program) -> None:
    done = sick("health", "check", "-o", "json")
    assert_screen("check.json", steady(done.out))
    assert done.json["summary"] == {
        "hosts": 8, "ok": 4, "warning": 1, "critical": 2, "unknown": 0, "unreachable": 1, "maintenance": 0,
    }  # fmt: skip
    assert [host["host"] for host in done.json["hosts"]] == NAMES
    assert done.code == 8


def test_json_lines_arrive_host_by_host(sick: Program) -> None:
    first, *hosts, last = sick("health", "check", "-o", "jsonl").lines
    assert (first["type"], first["schema"], first["at"]) == ("version", "gigactl.health/1", "2026-11-24T12:00:00Z")
    assert sorted(host["host"] for host in hosts) == NAMES
    assert {host["type"] for host in hosts} == {"host"}
    assert (last["type"], last["hosts"], last["critical"]) == ("summary", 8, 2)


def test_one_critical_and_one_unreachable_are_both_named_and_critical_wins(program: Program) -> None:
    hosts = {"gpu001": broken(snapshot(), "gpu-lost", {}), "gpu002": snapshot()}
    done = replace(program, transport=probed(hosts, {"gpu003": REFUSED}))("health", "check", "-l", "gpu[001-003]")
    assert done.code == 8
    assert re.search(r"critical +gpu001 ", done.out)
    assert re.search(r"unreachable +gpu003 ", done.out)


def test_a_healthy_fleet_is_one_line_and_quiet_is_none(healthy: Program) -> None:
    assert healthy("health", "check").out == "8 hosts: 8 ok · 0.0 s\n"
    done = healthy("-q", "health", "check")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_quiet_does_not_hide_what_needs_attention(sick: Program) -> None:
    assert_screen("check.txt", sick("health", "check", "-q").out)


def test_information_is_counted_and_shown_when_asked_for(program: Program) -> None:
    transport = probed({"gpu001": broken(snapshot(), "xid", {"code": "45"})})
    noted = replace(program, transport=transport)
    brief, full = noted("health", "check", "-l", "gpu001"), noted("health", "check", "-l", "gpu001", "-v")
    assert brief.out.startswith("1 host: 1 ok · 0.0 s · 1 note not shown (-v)")
    assert re.search(r"info +gpu001 GPU \d +XID-45 ", full.out)
    assert (brief.code, full.code) == (0, 0)


def test_gpus_of_another_board_are_a_note(program: Program, tmp_path: Path) -> None:
    text = "version: 1\nhosts: {a: {model: sr680a-v3}}\n"
    (tmp_path / "fleet.yaml").write_text(text, encoding="utf-8")
    other = replace(program, transport=probed({"a": snapshot("a100")}))
    brief, full = other("health", "check"), other("health", "check", "-v")
    assert brief.out == "1 host: 1 ok · 0.0 s · 1 note not shown (-v)\n"
    note = "the inventory expects other GPUs than those on the bus (10de:20b2): judged as a100"
    assert re.search(rf"^info +a +- +{re.escape(note)}", full.out, re.MULTILINE)
    assert other("health", "check", "-o", "json").json["hosts"][0]["notes"] == [note]
    assert note in other("health", "show", "a").out
    assert (brief.code, full.code) == (0, 0)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--fail-on", "warning"], 8),
        (["--fail-on", "never"], 6),
        (["--fail-on", "never", "--unreachable-ok", "1"], 0),
        (["--fail-on", "never", "--unreachable-ok", "12%"], 6),
        (["--fail-on", "never", "--unreachable-ok", "12.5%"], 0),
        (["--fail-on", "fatal"], 2),
        (["--unreachable-ok", "some"], 2),
    ],
)
def test_what_counts_is_the_callers_choice(sick: Program, options: list[str], code: int) -> None:
    assert sick("health", "check", *options).code == code


def test_what_to_do_about_an_unknown_key_is_said_once(program: Program) -> None:
    lost = {name: HostKeyUnknown(f"{name} shows SHA256:x") for name in NAMES}
    done = replace(program, transport=probed({}, lost))("health", "check")
    assert done.out.count("gigactl inventory trust") == 1
    assert re.search(r"unreachable +gpu\[001-008\] +HOST-UNREACHABLE", done.out)
    assert done.code == 6


def test_a_host_that_is_late_is_lost_and_the_others_are_not(program: Program) -> None:
    late = Script(answer=lambda exec: Reply(stdout=wire(snapshot())[:200], hang=True))
    on_time = Script(answer=lambda exec: Reply(stdout=wire(snapshot())))
    slow = replace(program, transport=SimulatedTransport({"gpu001": late}, on_time))
    done = slow("health", "check", "-l", "gpu[001-002]", "--timeout", "0.3")
    assert re.search(r"(unknown|unreachable) +gpu001 .*deadline", done.out)
    assert done.out.splitlines()[-1].startswith("2 hosts: 1 ok, 1 un")
    assert done.code == 6


def test_a_host_that_talks_nonsense_is_unknown(program: Program) -> None:
    odd = SimulatedTransport({}, Script(answer=lambda exec: Reply(stdout=b"\x1b]0;owned\x07{}\n")))
    done = replace(program, transport=odd)("health", "check", "-l", "gpu001")
    assert re.search(r"unknown +gpu001 +PROBE-INVALID", done.out)
    assert "\x1b" not in done.out
    assert done.code == 6


def test_the_odd_one_of_the_fleet_is_found_at_the_end(program: Program) -> None:
    hosts = fleet()
    driver = hosts["gpu004"]["driver"]
    assert driver is not None
    driver["driver_version"] = driver["loaded"] = driver["library"] = driver["on_disk"] = "570.1"
    odd = replace(program, transport=probed(hosts))
    done = odd("health", "check", "-v")
    assert re.search(r"gpu004 +FLEET-DRIVER-DRIFT", done.out)
    kinds = [(line["type"], line.get("host")) for line in odd("health", "check", "-o", "jsonl").lines]
    assert kinds[-2:] == [("fleet", "gpu004"), ("summary", None)]


def test_no_host_is_an_error_not_a_success(healthy: Program, inventory: object) -> None:
    done = healthy("health", "check", "-l", "gpu001!gpu001")
    assert done.code == 2
    assert done.err.startswith("gigactl: usage: no host")
