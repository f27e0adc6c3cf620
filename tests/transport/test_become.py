"""sudo: what is its own word, what is the command's, and where a password may go."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.errors import BecomeFailed
from gigactl.inventory.model import SshSettings
from gigactl.transport.base import Become, Connection, Endpoint, Exec, Exit, Secret, Stream
from gigactl.transport.become import Elevation
from gigactl.transport.local import LocalTransport
from tests.transport import speaking
from tests.transport.speaking import Output, speak
from tests.transport.sshd import Sshd, transport

MARK, PROMPT = b"gigactl-begin-1\n", b"gigactl-password-1:"
STAND_IN = """#!/bin/sh
# asks and refuses as sudo does: POLICY is nopasswd, password (it is "sesame") or refuse
while [ "$1" != -- ]; do
    case "$1" in -n) never=1;; -p) prompt=$2; shift;; -u) shift;; esac
    shift
done
shift
echo "We trust you have received the usual lecture" >&2
case "$POLICY" in
refuse) echo "someone is not in the sudoers file." >&2; exit 1;;
password)
    [ "$never" ] && { echo "sudo: a password is required" >&2; exit 1; }
    for attempt in 1 2 3; do
        printf %s "$prompt" >&2
        IFS= read -r answer || { echo "sudo: no password was provided" >&2; exit 1; }
        [ "$answer" = sesame ] && exec "$@"
        echo "Sorry, try again." >&2
    done
    exit 1;;
esac
exec "$@"
"""


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sudo that obeys $POLICY, first in PATH."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/sudo"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def say(*argv: str, stdin: bytes = b"", password: str | None = None) -> Output:
    become = Become(user="someone", password=None if password is None else Secret(password))

    async def work(connection: Connection) -> Output:
        return await speak(connection, Exec(argv, stdin=stdin, become=become))

    return speaking.on(LocalTransport(), Endpoint("here", "localhost", SshSettings()), work)


@pytest.mark.parametrize(
    ("policy", "password"), [("nopasswd", None), ("nopasswd", "sesame"), ("nopasswd", "wrong"), ("password", "sesame")]
)
@pytest.mark.usefixtures("sudo")
def test_the_command_gets_its_input_and_nothing_else(
    policy: str, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY", policy)
    said = say("sh", "-c", "cat; echo err >&2; exit 3", stdin=b"line\nline\n", password=password)
    assert said == Output(b"line\nline\n", b"err\n", Exit(3), truncated=False)


@pytest.mark.parametrize(
    ("policy", "password", "words"),
    [
        ("refuse", None, "someone is not in the sudoers file"),
        ("refuse", "sesame", "someone is not in the sudoers file"),
        ("password", None, "sudo: a password is required"),
        ("password", "wrong", "did not take the password"),
    ],
)
@pytest.mark.usefixtures("sudo")
def test_a_refusal_is_sudo_s_and_the_command_did_not_run(
    policy: str, password: str | None, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POLICY", policy)
    with pytest.raises(BecomeFailed, match=words) as caught:
        say("touch", str(tmp_path / "ran"), stdin=b"sesame\n" * 5, password=password)
    assert not (tmp_path / "ran").exists()
    assert "lecture" not in caught.value.detail


@pytest.mark.usefixtures("sudo")
def test_a_command_that_talks_like_sudo_is_not_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY", "nopasswd")
    said = say("sh", "-c", "echo 'sudo: a password is required' >&2; exit 1")
    assert said == Output(b"", b"sudo: a password is required\n", Exit(1), truncated=False)


@pytest.mark.usefixtures("sudo")
def test_a_command_that_is_not_there_did_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY", "nopasswd")
    assert say("no-such-command").exit == Exit(127)


@pytest.mark.usefixtures("sudo")
def test_logname_makes_nobody_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """`someone` is not who this process is, whatever the environment says: sudo is asked, and refuses."""
    monkeypatch.setenv("POLICY", "refuse")
    monkeypatch.setenv("LOGNAME", "someone")
    with pytest.raises(BecomeFailed, match="not in the sudoers file"):
        say("id", "-u")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("sudo") is None, reason="needs root and sudo")
def test_the_real_sudo(sshd: Sshd) -> None:
    async def work(connection: Connection) -> list[Output]:
        become = Become(user="nobody", password=Secret("not asked for"))
        return [
            await speak(connection, Exec(("sh", "-c", "id -un; cat"), stdin=b"in\n", become=Become(user="nobody"))),
            await speak(connection, Exec(("sh", "-c", "id -un; cat"), stdin=b"in\n", become=become)),
        ]

    said = speaking.on(transport(), sshd.endpoint(), work)
    assert [one.stdout for one in said] == [b"nobody\nin\n"] * 2

    async def refused(connection: Connection) -> None:
        with pytest.raises(BecomeFailed, match="no-such-user"):
            await speak(connection, Exec(("id",), become=Become(user="no-such-user")))

    speaking.on(transport(), sshd.endpoint(), refused)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_who_is_root_needs_no_sudo(sshd: Sshd) -> None:
    async def work(connection: Connection) -> Output:
        return await speak(connection, Exec(("sh", "-c", "echo $SUDO_USER"), become=Become()))

    assert speaking.on(transport(), sshd.endpoint(), work).stdout == b"\n"


def test_an_unknown_method() -> None:
    with pytest.raises(BecomeFailed, match="doas"):
        Elevation(Become(method="doas"), ("true",))


def fed(elevation: Elevation, pieces: list[tuple[Stream, bytes]]) -> dict[Stream, bytes]:
    own = {Stream.STDOUT: b"", Stream.STDERR: b""}
    for stream, data in pieces:
        for name, part in elevation.feed(stream, data):
            own[name] += part
    return own


@settings(max_examples=60, deadline=None)
@given(
    before=st.binary(max_size=20),
    err=st.binary(max_size=30),
    out=st.binary(max_size=30),
    size=st.integers(1, 9),
    early=st.booleans(),
)
def test_however_it_arrives_in_pieces(before: bytes, err: bytes, out: bytes, size: int, early: bool) -> None:
    whole = before + MARK + err
    pieces = [(Stream.STDERR, whole[start : start + size]) for start in range(0, len(whole), size)]
    pieces.insert(0 if early else len(pieces), (Stream.STDOUT, out))
    elevation = Elevation(Become(), ("true",), mark="1")
    assert fed(elevation, pieces) == {Stream.STDOUT: out, Stream.STDERR: err}
    assert elevation.started


def test_a_prompt_in_pieces_is_asked_once() -> None:
    elevation = Elevation(Become(password=Secret("sesame")), ("true",), mark="1")
    for byte in PROMPT[:-1]:
        elevation.feed(Stream.STDERR, bytes([byte]))
    assert not elevation.wants_password
    elevation.feed(Stream.STDERR, PROMPT[-1:])
    assert bool(elevation.wants_password)
    assert elevation.password() == b"sesame\n"
    with pytest.raises(BecomeFailed, match="did not take"):
        elevation.feed(Stream.STDERR, b"Sorry, try again.\n" + PROMPT)


def test_a_flood_before_the_start_is_not_kept() -> None:
    elevation = Elevation(Become(), ("true",), mark="1")
    assert elevation.feed(Stream.STDERR, b"x" * (256 << 10)) == ()
    with pytest.raises(BecomeFailed, match="started nothing"):
        elevation.feed(Stream.STDOUT, b"x")
