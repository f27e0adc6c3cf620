"""`exec`: grouped answers, the rails before a change, and what each way to fail ends with."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gigactl.errors import AuthenticationFailed, ConnectionLost
from gigactl.transport.base import Exec, Exit
from gigactl.transport.simulated import Reply, Script, SimulatedTransport
from tests.cli.harness import Program, always, assert_screen, failed, said

THIRTY = """\
version: 1
hosts:
  gpu[001-030]: {address: "10.0.0.[1-30]", ssh: {user: ops}}
  root1: {address: 10.0.1.1, ssh: {user: root}}
"""
ALL = ("exec", "-l", "@all")
REFUSED = Script(refuse_all=AuthenticationFailed("ops@10.20.1.8:22"))


@pytest.fixture
def mixed(program: Program) -> Program:
    """Seven hosts that answer in three ways, and one that does not."""
    scripts = {
        f"gpu{number:03}": always(reply)
        for number, reply in enumerate(
            [Reply(b"up 3 days\n")] * 3
            + [Reply(b"up 9 days\n", b"warning: \x1b[31mclock\x1b[0m\n")]
            + [Reply(b"up 3 days\n")] * 2
            + [failed(3, stderr=b"no such file\n")],
            start=1,
        )
    }
    return replace(program, transport=SimulatedTransport({**scripts, "gpu008": REFUSED}))


def test_identical_output_is_shown_once(mixed: Program) -> None:
    done = mixed(*ALL, "--", "uptime")
    assert_screen("exec.txt", done.out)
    assert_screen("exec-stderr.txt", done.err)
    assert done.code == 5


def test_json_has_every_host_with_its_streams_apart(mixed: Program) -> None:
    done = mixed(*ALL, "-o", "json", "--", "uptime")
    hosts = {host["host"]: host for host in done.json["hosts"]}
    assert done.json["schema"] == "gigactl.exec/1"
    assert len(hosts) == 8
    assert (hosts["gpu004"]["stdout"], hosts["gpu004"]["exit_code"]) == ("up 9 days\n", 0)
    assert hosts["gpu007"]["status"] == "failed"
    assert hosts["gpu008"]["failure"]["error"] == "authentication failed"
    assert "\x1b" not in done.out


def test_json_lines_go_out_as_hosts_end(mixed: Program) -> None:
    first, *hosts, last = mixed(*ALL, "-o", "jsonl", "--", "uptime").lines
    assert (first["type"], first["schema"]) == ("version", "gigactl.exec/1")
    assert len(hosts) == 8
    assert (last["ok"], last["failed"], last["unreachable"]) == (6, 1, 1)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(answer=lambda exec: Reply()), 0),
        (Script(answer=lambda exec: failed(1)), 5),
        (Script(answer=lambda exec: Reply(exit=Exit(None, "KILL"))), 5),
        (Script(answer=lambda exec: Reply(b"half", cut=True)), 5),
        (Script(answer=lambda exec: Reply(b"x" * (1 << 20), repeat=9)), 5),
        (REFUSED, 6),
        (Script(refuse_all=ConnectionLost("at once")), 6),
    ],
)
def test_the_exit_code_says_how_it_went(program: Program, script: Script, code: int) -> None:
    one = replace(program, transport=SimulatedTransport({"gpu001": script}))
    done = one("exec", "-l", "gpu001", "--", "true")
    assert done.code == code
    assert ("gpu001" in done.err) == (code != 0)


def test_one_word_is_the_shells_several_are_a_command(program: Program) -> None:
    transport = SimulatedTransport()
    one = replace(program, transport=transport)
    one("exec", "-l", "gpu001", "--", "df -h | tail -1")
    one("exec", "-l", "gpu001", "--", "ls", "-l", "a b")
    one("exec", "-l", "gpu001", "uptime", "-p")
    assert [command.argv for command in transport.received] == [
        ("sh", "-c", "df -h | tail -1"), ("ls", "-l", "a b"), ("uptime", "-p"),
    ]  # fmt: skip


def test_hosts_must_be_named(program: Program) -> None:
    transport = SimulatedTransport()
    done = replace(program, transport=transport)("exec", "--", "true")
    assert (done.code, transport.received) == (2, [])
    assert "-l @all" in done.err


def test_a_dry_run_says_what_it_would_do(program: Program) -> None:
    transport = SimulatedTransport()
    done = replace(program, transport=transport)("exec", "-n", "-l", "gpu[001-002]", "--become", "--", "reboot", "now")
    assert (done.code, done.out, transport.received) == (0, "would run on 2 hosts, gpu[001-002]: reboot now\n", [])


class TestAsRoot:
    """With --become or a root login it is a change."""

    @pytest.fixture
    def fleet(self, program: Program) -> Program:
        """Thirty hosts."""
        Path(program.directory, "fleet.yaml").write_text(THIRTY, encoding="utf-8")
        return replace(program, transport=SimulatedTransport())

    @staticmethod
    def commands(program: Program) -> list[Exec]:
        assert isinstance(program.transport, SimulatedTransport)
        return [Exec(one.argv, become=one.become) for one in program.transport.received]

    def test_without_a_terminal_yes_is_required(self, fleet: Program) -> None:
        refused = fleet("exec", "-l", "gpu001", "--become", "--", "true")
        assert (refused.code, self.commands(fleet)) == (2, [])
        assert "--yes" in refused.err
        assert fleet("exec", "-l", "gpu001", "--become", "-y", "--", "true").code == 0
        assert [one.become is not None for one in self.commands(fleet)] == [True]

    def test_a_root_login_counts_too(self, fleet: Program) -> None:
        assert fleet("exec", "-l", "root1", "--", "true").code == 2
        assert fleet("exec", "-l", "root1", "--yes", "--", "true").code == 0

    def test_a_forced_transport_counts_as_the_one_used(self, fleet: Program) -> None:
        """The inventory says `ops`; a command run on this very host is whose this process is."""
        root = os.geteuid() == 0
        done = fleet("exec", "-l", "gpu[001-003]", "--transport", "local", "--", "id", "-u")
        assert (done.code, len(self.commands(fleet))) == ((2, 0) if root else (0, 3))
        assert fleet("exec", "-l", "root1", "--transport", "local", "--", "id", "-u").code == (2 if root else 0)

    @pytest.mark.parametrize(("answer", "code"), [("3\n", 0), ("y\n", 2), ("\n", 2), ("", 2), ("30\n", 2)])
    def test_the_question_wants_the_number_of_hosts(self, fleet: Program, answer: str, code: int) -> None:
        done = fleet("exec", "-l", "gpu[001-003]", "--become", "--", "true", tty=True, stdin=answer)
        assert done.code == code
        assert len(self.commands(fleet)) == (3 if code == 0 else 0)
        assert "3 hosts, gpu[001-003]: true" in done.err

    def test_more_than_twenty_at_once_must_be_said(self, fleet: Program) -> None:
        many = ("exec", "-l", "gpu[001-030]", "--become", "-y")
        refused = fleet(*many, "--", "true")
        assert refused.code == 2
        assert "--all-at-once=30" in refused.err
        assert fleet(*many, "--all-at-once=29", "--", "true").code == 2
        assert self.commands(fleet) == []
        assert fleet(*many, "--all-at-once=30", "--", "true").code == 0

    def test_twenty_need_not_be_said(self, fleet: Program) -> None:
        assert fleet("exec", "-l", "gpu[001-020]", "--become", "-y", "--", "true").code == 0

    def test_the_password_comes_from_a_file_and_is_never_shown(self, fleet: Program, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("hunter2\n", encoding="utf-8")
        done = fleet("exec", "-l", "gpu001", "--become", "--become-password-file", str(secret), "-y", "--", "true")
        [command] = self.commands(fleet)
        assert command.become is not None
        assert command.become.password is not None
        assert command.become.password.text == "hunter2"
        assert "hunter2" not in done.out + done.err + repr(command)

    def test_no_terminal_no_password(self, fleet: Program) -> None:
        done = fleet("exec", "-l", "gpu001", "--become", "--ask-become-password", "-y", "--", "true")
        assert (done.code, self.commands(fleet)) == (2, [])


def test_nothing_from_a_host_steers_the_terminal(program: Program) -> None:
    rude = replace(program, transport=said({}, Reply(b"\x1b]0;owned\x07\x1b[2Jhello\r\n", b"\x9b31mred\n")))
    done = rude("exec", "-l", "gpu001", "--no-color", "--", "true", tty=True)
    assert "hello" in done.out
    assert not set(done.out) & set("\x1b\x07\x9b")
