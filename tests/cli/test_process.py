"""The program as a process: pipes that close, terminals that are real, signals."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

HOSTS = """\
version: 1
hosts:
  local[1-3]: {address: "127.0.0.[1-3]", transport: local}
"""

GIGACTL = (sys.executable, "-m", "gigactl")


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Whoever runs the tests may ignore SIGHUP (nohup does), and what it starts would inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """Three hosts that are all this one."""
    file = tmp_path / "fleet.yaml"
    file.write_text(HOSTS, encoding="utf-8")
    return {**os.environ, "GIGACTL_INVENTORY": str(file), "TERM": "xterm"}


def started(argv: tuple[str, ...], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*GIGACTL, *argv],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_line(process: subprocess.Popen[str]) -> str:
    """The first line of stdout: the run has begun."""
    assert process.stdout is not None
    return process.stdout.readline()


RUN = ("exec", "-l", "@all", "-y", "-f", "3")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_keeps_what_arrived(environment: Mapping[str, str], number: int, code: int, tmp_path: Path) -> None:
    """Whichever comes first answers; the others are still asleep when the signal comes."""
    command = f"mkdir {tmp_path}/first 2>/dev/null && echo quick && exit 0; exec sleep 60"
    process = started((*RUN, "-o", "jsonl", "--", command), environment)
    assert "version" in wait_for_line(process)
    assert "quick" in wait_for_line(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert out.count('"type": "host"') == 2, "every host is accounted for"
    assert '"hosts": 3, "ok": 1' in out.splitlines()[-1]
    assert "keeping what arrived" in err


MUCH = "head -c 100000 /dev/zero | tr '\\0' x"
"""More than a pipe holds (64 KiB on Linux), from each host."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("output", ["jsonl", "table"])
def test_a_second_signal_ends_at_once(environment: Mapping[str, str], number: int, output: str) -> None:
    """Even while the program waits for somebody to read: the pipe is full, and nobody does."""
    process = started((*RUN, "-o", output, "--", MUCH), environment)
    wait_until_full(process)
    process.send_signal(number)
    time.sleep(0.2)
    process.send_signal(number)
    assert process.wait(timeout=10) == 128 + number
    process.communicate()


def wait_until_full(process: subprocess.Popen[str]) -> None:
    """Until the program has written to stdout what goes in without a reader."""
    assert process.stdout is not None
    ends = time.monotonic() + 20
    size = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ)
    while int.from_bytes(fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4), sys.byteorder) < size - 8192:
        assert time.monotonic() < ends, "the pipe was never filled"
        time.sleep(0.05)


def test_a_terminal_that_hangs_up_twice_is_one_signal(environment: Mapping[str, str]) -> None:
    process = started((*RUN, "-o", "jsonl", "--", "sleep 60"), environment)
    assert "version" in wait_for_line(process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 129
    assert '"hosts": 3' in out.splitlines()[-1]


def test_nohup_is_obeyed(environment: Mapping[str, str]) -> None:
    argv = ("nohup", *GIGACTL, *RUN, "-o", "jsonl", "--", "sleep 1; echo done")
    process = subprocess.Popen(
        argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert "version" in wait_for_line(process)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out.count("done")) == (0, 3)


def test_a_slow_reader_costs_no_host_its_time(environment: Mapping[str, str]) -> None:
    """Nothing is read for longer than a host may take."""
    argv = ("exec", "-l", "@all", "-y", "-f", "12", "--timeout", "3", "-o", "jsonl", "--", f"sleep 0.5; {MUCH}")
    process = started(argv, {**environment, "GIGACTL_INVENTORY": twelve(environment)})
    wait_until_full(process)
    time.sleep(4)
    out, err = process.communicate(timeout=30)
    assert '"hosts": 12, "ok": 12' in out.splitlines()[-1]
    assert process.returncode == 0, err


def twelve(environment: Mapping[str, str]) -> str:
    """An inventory of twelve hosts that are all this one."""
    file = Path(environment["GIGACTL_INVENTORY"]).with_name("twelve.yaml")
    file.write_text(HOSTS.replace("[1-3]", "[1-12]"), encoding="utf-8")
    return str(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is root under another name")
@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_root_under_another_name_is_still_root(environment: Mapping[str, str], transport: str) -> None:
    argv = ("exec", "-l", "@all", "--transport", transport, "--", "true")
    process = started(argv, {**environment, "LOGNAME": "nobody", "USER": "nobody"})
    _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "--yes" in err


def test_a_reader_that_goes_away_is_no_error(environment: Mapping[str, str]) -> None:
    process = started((*RUN, "--", "head -c 1000000 /dev/zero | tr '\\0' x"), environment)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=30)
    assert process.returncode == 141
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_a_check_of_this_very_host_on_a_pipe(environment: Mapping[str, str]) -> None:
    """No GPU here, or one: either way every host gets a verdict and the last line counts them."""
    process = started(("health", "check", "-f", "1"), environment)
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1].startswith("3 hosts: ")
    assert "\x1b" not in out + err
    assert process.returncode in {0, 6, 8}


class Console:
    """The program on a real terminal of 100 columns."""

    def __init__(self, argv: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.ours, theirs = pty.openpty()
        size = (100).to_bytes(2, sys.byteorder)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, (40).to_bytes(2, sys.byteorder) + size + b"\0" * 4)
        self.process = subprocess.Popen([*GIGACTL, *argv], env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.text = ""

    def read_until(self, wanted: str, timeout: float = 30) -> str:
        """Everything so far, `wanted` being in it (or the end, for an empty one)."""
        ends = time.monotonic() + timeout
        while not wanted or wanted not in self.text:
            ready, _, _ = select.select([self.ours], [], [], max(0, ends - time.monotonic()))
            assert ready, f"{wanted!r} did not come: {self.text!r}"
            try:
                data = os.read(self.ours, 4096)
            except OSError:  # EIO: the other side has closed
                data = b""
            if not data:
                break
            self.text += data.decode()
        return self.text

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def ends(self) -> int:
        self.read_until("")
        code = self.process.wait(timeout=20)
        os.close(self.ours)
        return code


def test_the_question_on_a_real_terminal(environment: Mapping[str, str]) -> None:
    argv = ("exec", "-l", "@all", "--become", "--", "echo", "changed")
    console = Console(argv, environment)
    console.read_until("Type the number of hosts")
    console.type("2\n")
    assert console.ends() == 2
    assert "nothing was done" in console.text
    assert "\nchanged" not in console.text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_while_a_question_is_open(environment: Mapping[str, str], number: int, code: int) -> None:
    console = Console(("exec", "-l", "@all", "--become", "--", "echo", "changed"), environment)
    console.read_until("Type the number of hosts")
    console.process.send_signal(number)
    assert console.ends() == code
    assert "Traceback" not in console.text


def test_lines_on_a_terminal_are_not_mixed_with_progress(environment: Mapping[str, str]) -> None:
    console = Console(("exec", "-l", "@all", "-y", "-o", "jsonl", "--", "sleep 0.5"), environment)
    assert console.ends() == 0
    assert "\x1b[K" not in console.text
    assert console.text.count('{"type": "host"') == 3


def test_colour_and_a_live_line_on_a_real_terminal(environment: Mapping[str, str]) -> None:
    console = Console(("exec", "-l", "@all", "-y", "--", "sleep 0.5; echo done"), environment)
    assert console.ends() == 0
    assert "0/3" in console.text
    assert "\r\x1b[K" in console.text
    assert "\x1b[1mlocal[1-3] (3)" in console.text


def test_none_of_it_where_colour_is_not_wanted(environment: Mapping[str, str]) -> None:
    console = Console(("exec", "-l", "@all", "-y", "--", "echo done"), {**environment, "TERM": "dumb"})
    assert console.ends() == 0
    assert "\x1b" not in console.text
