"""The probe spoken to this host and to scripted ones: shipping, caching, cut and hostile replies."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gigactl.errors import ConnectionLost, DeadlineExceeded, ReplyInvalid
from gigactl.inventory.model import Host
from gigactl.payload import probe as payload_probe
from gigactl.payload import schema
from gigactl.payload.schema import Snapshot
from gigactl.remote.bundle import probe_bundle
from gigactl.remote.clean import Clean
from gigactl.remote.probe import Probe
from gigactl.transport.base import Become, Exec, Exit
from gigactl.transport.dialogue import CutShort, Effect
from gigactl.transport.simulated import Reply, Script, SimulatedTransport
from tests.remote.talking import connected, said

# what else is installed here: a shim on the PATH may answer for an interpreter it does not have
OTHERS = sorted(
    {
        *Path.home().glob(".pyenv/versions/3.*/bin/python3"),
        *(path for path in Path("/usr/bin").glob("python3.*") if path.name[8:].isdigit()),
        *Path("/usr/libexec").glob("platform-python"),
    }
)


def code_files(place: Path) -> list[Path]:
    return sorted(place.glob("*/*.code"))


def test_the_first_probe_ships_the_payload_and_the_second_finds_it(tmp_path: Path) -> None:
    probe = Probe(places=(str(tmp_path / "gigactl"),))
    first, execs = said(probe)
    assert execs == 2
    second, execs = said(probe)
    assert execs == 1
    for snapshot in (first, second):
        assert msgspec.convert(snapshot, Snapshot, strict=True) == snapshot
        assert snapshot["complete"]
        assert snapshot["source"] == "nvml"
        assert snapshot["facts"] is not None
        assert snapshot["facts"]["hostname"] == os.uname().nodename
        assert snapshot["euid"] == os.geteuid()
        assert snapshot["driver"] is not None
        assert snapshot["kernel"] is not None
        assert snapshot["cpu_s"] > 0
    assert [path.parent.name for path in code_files(tmp_path / "gigactl")] == [probe_bundle().digest]


def test_without_a_writable_place_it_is_piped_each_time_and_nothing_is_kept() -> None:
    probe = Probe(places=("/proc/gigactl", "/sys/gigactl"))
    for _ in range(2):
        snapshot, execs = said(probe)
        assert (snapshot["complete"], execs) == (True, 2)


def test_the_users_cache_is_the_last_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "own"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME")
    probe = Probe(places=("/proc/gigactl", "~"))
    said(probe)
    assert len(code_files(home / ".cache" / "gigactl")) == 1
    assert said(probe)[1] == 1
    removed, _ = said(Clean(places=("/proc/gigactl", "~")))
    assert str(home / ".cache" / "gigactl") in removed.paths
    assert not (home / ".cache" / "gigactl").exists()


def test_a_home_that_belongs_to_somebody_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "own"
    home.mkdir()
    home.chmod(0o777)
    monkeypatch.setenv("HOME", str(home))
    snapshot, execs = said(Probe(places=("~",)))
    assert (snapshot["complete"], execs) == (True, 2)
    assert list(home.iterdir()) == []


def test_a_damaged_bundle_is_replaced(tmp_path: Path) -> None:
    probe = Probe(places=(str(tmp_path / "gigactl"),))
    said(probe)
    (code,) = code_files(tmp_path / "gigactl")
    whole = code.read_bytes()
    code.write_bytes(whole[: len(whole) // 2])
    snapshot, execs = said(probe)
    assert (snapshot["complete"], execs) == (True, 2)
    assert said(probe)[1] == 1


def test_many_first_probes_at_once(tmp_path: Path) -> None:
    probe = Probe(places=(str(tmp_path / "gigactl"),))
    host = Host("gpu001", "127.0.0.1", transport="local")

    async def one() -> bool:
        from gigactl.transport.local import LocalTransport

        async with connected(LocalTransport(), host, 60) as (connection, deadline):
            return [snapshot["complete"] async for snapshot in probe.speak(host, connection, deadline)] == [True]

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(one() for _ in range(4)))

    assert asyncio.run(all_of_them()) == [True] * 4
    assert len(list((tmp_path / "gigactl").rglob("*.code"))) == 1
    assert list((tmp_path / "gigactl").rglob(".new-*")) == []


def test_a_name_on_the_path_without_a_python_behind_it_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    for name, code in (("python3", 127), ("python3.14", 97), ("python3.13", 2)):
        (shims / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (shims / name).chmod(0o755)
    (shims / "python3.12").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{shims}:/usr/bin:/bin")
    snapshot, _ = said(Probe(places=(str(tmp_path / "gigactl"),)))
    assert snapshot["complete"]


@pytest.mark.parametrize("python", OTHERS, ids=lambda path: path.parent.parent.name + "-" + path.name)
def test_other_pythons(python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(python)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    probe = Probe(places=(str(tmp_path / "gigactl"),))
    for wanted in (2, 1):
        snapshot, execs = said(probe)
        assert (snapshot["complete"], execs) == (True, wanted)
    asked = subprocess.run([python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"], capture_output=True)
    assert snapshot["python"] == asked.stdout.decode().strip()


def test_odd_environments_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    for name, value in (
        ("PYTHONPATH", str(tmp_path)),
        ("PYTHONHOME", "/nonexistent"),
        ("PYTHONDONTWRITEBYTECODE", ""),
        ("PYTHONSTARTUP", "/nonexistent"),
        ("LC_ALL", "C"),
        ("LANG", "xx_YY.nonsense"),
    ):
        monkeypatch.setenv(name, value)
    snapshot, _ = said(Probe(places=(str(tmp_path / "gigactl"),)))
    assert snapshot["complete"]


def test_the_cursor_comes_back_and_travels_by_host_name(tmp_path: Path) -> None:
    places = (str(tmp_path / "gigactl"),)
    first, _ = said(Probe(places=places))
    assert first["kernel"] is not None
    if first["kernel"]["unread"]:
        pytest.skip("the kernel log cannot be read here")
    cursor = first["kernel"]["cursor"]
    second, _ = said(Probe(places=places, cursors={"gpu001": cursor}))
    assert second["kernel"] is not None
    assert not second["kernel"]["gap"]
    assert second["kernel"]["cursor"]["usec"] >= cursor["usec"]


def test_both_ends_speak_one_protocol() -> None:
    assert payload_probe.PROTOCOL == schema.PROTOCOL


def test_it_is_a_value() -> None:
    probe = Probe(become=Become(), cursors={"gpu001": {"boot_id": "b", "usec": 7}})
    assert pickle.loads(pickle.dumps(probe)) == probe
    assert probe.effect is Effect.READ


HELLO = {"type": "hello", "protocol": 1, "version": "1", "python": "3.6.8", "euid": 0, "place": ""}
END = {"type": "end", "seconds": 0.1, "cpu_s": 0.1}


def lines(*values: object) -> bytes:
    return b"".join(value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n" for value in values)


def scripted(*replies: Reply) -> SimulatedTransport:
    """A host that gives these replies, one per command."""
    left = list(replies)
    return SimulatedTransport(otherwise=Script(answer=lambda exec: left.pop(0)))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A true reply of this host, its lines by type."""
    snapshot, _ = said(Probe(places=(str(tmp_path_factory.mktemp("place") / "gigactl"),)))
    return {
        "facts": lines(snapshot["facts"]),
        "driver": lines(snapshot["driver"]),
        "kernel": lines(snapshot["kernel"]),
    }


def test_the_bundle_goes_only_to_a_host_that_asks_for_it(recorded: dict[str, bytes]) -> None:
    whole = lines(HELLO, recorded["facts"], recorded["driver"], recorded["kernel"], END)
    transport = scripted(Reply(lines({"type": "need-bundle"})), Reply(whole))
    snapshot, _ = said(Probe(), transport)
    assert snapshot["complete"]
    without, with_it = transport.received
    assert len(without.stdin) < 1000
    assert with_it.stdin.startswith(probe_bundle().data)
    request = json.loads(with_it.stdin[len(probe_bundle().data) :])
    assert request["protocol"] == 1
    assert 20 < request["deadline_s"] < 30


def test_the_host_is_told_less_time_than_is_left() -> None:
    for seconds in (2.0, 10.0, 60.0):
        transport = scripted(Reply(lines(HELLO, END)))
        with pytest.raises(ReplyInvalid):
            said(Probe(), transport, seconds=seconds)
        told = json.loads(transport.received[0].stdin)["deadline_s"]
        assert seconds / 2 < told < seconds - 0.3


def test_become_is_what_the_inventory_names_unless_told() -> None:
    for probe, host, wanted in (
        (Probe(), Host("a", "a"), None),
        (Probe(), Host("a", "a", become="sudo"), Become("sudo")),
        (Probe(become=Become(user="ops")), Host("a", "a", become="sudo"), Become(user="ops")),
    ):
        transport = scripted(Reply(lines(HELLO, END)))
        with pytest.raises(ReplyInvalid):
            said(probe, transport, host)
        assert transport.received[0].become == wanted


def test_what_a_login_shell_prints_first_is_passed_over(recorded: dict[str, bytes]) -> None:
    banner = b"Welcome to gpu001\n\n{not json\n"
    whole = lines(banner, HELLO, recorded["facts"], recorded["driver"], recorded["kernel"], END)
    snapshot, _ = said(Probe(), scripted(Reply(whole)))
    assert snapshot["complete"]


def test_a_reply_that_ends_too_early_keeps_what_came(recorded: dict[str, bytes]) -> None:
    for reply, seconds in (
        (Reply(lines(HELLO, recorded["facts"]), exit=Exit(None, "KILL")), 30.0),
        (Reply(lines(HELLO, recorded["facts"], b'{"type":"gpu","ind'), hang=True), 0.2),
    ):
        snapshot, _ = said(Probe(), scripted(reply), seconds=seconds)
        assert not snapshot["complete"]
        assert snapshot["facts"] is not None
        assert snapshot["driver"] is None


def test_a_cut_reply_is_what_came_and_may_be_asked_for_again(recorded: dict[str, bytes]) -> None:
    with pytest.raises(CutShort) as cut:
        said(Probe(), scripted(Reply(lines(HELLO, recorded["facts"], b'{"type":"gpu","ind'), cut=True)))
    assert cut.value.lost.retryable
    assert not cut.value.partial["complete"]
    assert cut.value.partial["facts"] is not None


def test_a_cut_before_the_facts_is_an_error() -> None:
    with pytest.raises(ConnectionLost):
        said(Probe(), scripted(Reply(lines(HELLO), cut=True)))
    with pytest.raises(DeadlineExceeded):
        said(Probe(), scripted(Reply(hang=True)), seconds=0.2)


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        (Reply(b"", stderr=b"sh: \x1b[31mnope\n", exit=Exit(126)), "without a word (exit code 126): sh: [31mnope"),
        (Reply(lines(HELLO, {"type": "end", "seconds": "long", "cpu_s": 1})), "line of type end: Expected `float`"),
        (Reply(lines({**HELLO, "protocol": 9})), "protocol 9, not 1"),
        (Reply(lines({**HELLO, "euid": None})), "line of type hello"),
        (Reply(lines(HELLO, b"nonsense\n")), "not a line of ours"),
        (Reply(lines(HELLO, {"type": "\x1b[2J"})), "unexpected line of type"),
        (Reply(lines(END)), "unexpected line of type 'end'"),
        (Reply(lines(HELLO, HELLO)), "unexpected line of type 'hello'"),
        (Reply(lines(HELLO, END, END)), "unexpected line of type 'end'"),
        (Reply(b"hello\n" * 500), "login shell prints without end"),
        (Reply(b"x" * (1 << 20), repeat=8), "more than"),
        (Reply(lines({"type": "need-bundle"}), exit=Exit(1)), ""),
    ],
)
def test_what_is_not_our_protocol_is_said(reply: Reply, what: str) -> None:
    with pytest.raises(ReplyInvalid) as caught:
        said(Probe(), scripted(reply, reply))
    assert what in str(caught.value)
    assert str(caught.value).isprintable()


def test_no_control_character_of_a_host_survives(recorded: dict[str, bytes]) -> None:
    facts = json.loads(recorded["facts"])
    facts["hostname"] = "gpu\x1b[2J\x9b001"
    snapshot, _ = said(Probe(), scripted(Reply(lines(HELLO, facts, END))))
    assert snapshot["facts"] is not None
    assert snapshot["facts"]["hostname"] == "gpu [2J 001"


def test_a_gpu_number_out_of_all_bounds_is_refused(recorded: dict[str, bytes]) -> None:
    names = dict.fromkeys(("uuid", "serial", "pci", "name"), "")
    gpu = {**names, "type": "gpu", "index": 100, "values": {}, "unread": {}, "processes": []}
    with pytest.raises(ReplyInvalid):
        said(Probe(), scripted(Reply(lines(HELLO, gpu))))


def test_clean_complains_when_it_cannot() -> None:
    with pytest.raises(ReplyInvalid, match="could not remove everything"):
        said(Clean(), SimulatedTransport(otherwise=Script(answer=_refuse)))


def _refuse(exec: Exec) -> Reply:
    return Reply(stderr=b"rm: cannot remove: Read-only file system\n", exit=Exit(1))
