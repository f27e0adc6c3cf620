"""`inventory trust`: never silent, never without somebody who vouches."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gigactl.errors import ConnectRefused
from gigactl.transport.base import Deadline, Endpoint
from gigactl.transport.simulated import SimulatedTransport
from gigactl.transport.ssh.trust import HostKey, Scanned
from tests.cli.harness import Program

HOSTS = """\
version: 1
defaults:
  ssh: {known_hosts: fleet_known_hosts}
hosts:
  gpu[1-2]: {address: "10.0.0.[1-2]"}
"""


def key(number: int) -> HostKey:
    """An ed25519 key's blob (RFC 8709 section 4), of no secret that anybody knows."""
    name = b"ssh-ed25519"
    return HostKey(len(name).to_bytes(4) + name + (32).to_bytes(4) + bytes([number]) * 32)


class Showing(SimulatedTransport):
    """Hosts that show keys."""

    def __init__(self, file: Path, shows: Mapping[str, HostKey | Exception]) -> None:
        super().__init__()
        self.file = file
        self.shows = shows

    async def scan(self, endpoint: Endpoint, deadline: Deadline) -> Scanned:
        shown = self.shows[endpoint.name]
        if isinstance(shown, Exception):
            raise shown
        return Scanned(endpoint.name, endpoint.address, str(self.file), (shown,))


@pytest.fixture
def known(tmp_path: Path) -> Path:
    return tmp_path / "fleet_known_hosts"


@pytest.fixture
def fleet(program: Program, known: Path) -> Program:
    """Two hosts that show a key each."""
    Path(program.directory, "fleet.yaml").write_text(HOSTS, encoding="utf-8")
    return replace(program, transport=Showing(known, {"gpu1": key(1), "gpu2": key(2)}))


def test_without_a_terminal_nothing_is_trusted(fleet: Program, known: Path) -> None:
    done = fleet("inventory", "trust")
    assert done.code == 2
    assert key(1).fingerprint in done.out
    assert not known.exists()


@pytest.mark.parametrize(("answer", "code"), [("2\n", 0), ("yes\n", 2), ("1\n", 2)])
def test_the_person_compares_and_types_the_number(fleet: Program, known: Path, answer: str, code: int) -> None:
    done = fleet("inventory", "trust", tty=True, stdin=answer, COLUMNS="160")
    assert done.code == code
    assert all(key(number).fingerprint in done.out for number in (1, 2))
    assert known.exists() == (code == 0)


def test_what_was_said_yes_to_is_still_shown(fleet: Program, known: Path) -> None:
    done = fleet("-q", "inventory", "trust", "--yes")
    assert key(2).fingerprint in done.out
    assert known.read_text(encoding="utf-8").splitlines() == [
        f"10.0.0.{number} {key(number).line}" for number in (1, 2)
    ]


def test_a_list_of_fingerprints_vouches_without_a_question(fleet: Program, known: Path, tmp_path: Path) -> None:
    listed = tmp_path / "prints"
    listed.write_text(f"gpu1 {key(1).fingerprint}\ngpu2 {key(9).fingerprint}\n", encoding="utf-8")
    done = fleet("inventory", "trust", "--fingerprints", str(listed))
    assert done.code == 5
    assert "gpu2: host key changed" in done.err
    assert known.read_text(encoding="utf-8") == f"10.0.0.1 {key(1).line}\n"


def test_another_known_hosts_file_vouches_too(fleet: Program, known: Path, tmp_path: Path) -> None:
    other = tmp_path / "theirs"
    other.write_text(f"gpu1,10.0.0.1 {key(1).line}\n", encoding="utf-8")
    done = fleet("inventory", "trust", "--from", str(other))
    assert done.code == 5
    assert "gpu2" in done.err
    assert "10.0.0.1 " in known.read_text(encoding="utf-8")


def test_a_dry_run_writes_nothing(fleet: Program, known: Path) -> None:
    done = fleet("inventory", "trust", "-n")
    assert (done.code, known.exists()) == (0, False)
    assert "2 hosts to record" in done.err


def test_a_changed_key_is_refused_until_replacing_is_asked_for(fleet: Program, known: Path) -> None:
    known.write_text(f"10.0.0.1 {key(7).line}\n10.0.0.2 {key(2).line}\n", encoding="utf-8")
    refused = fleet("inventory", "trust", "--yes")
    assert refused.code == 5
    assert "gpu1: host key changed" in refused.err
    assert base64.b64encode(key(7).blob).decode() in known.read_text(encoding="utf-8")
    done = fleet("inventory", "trust", "--yes", "--replace")
    assert (done.code, "replaces another" in done.out) == (0, True)
    assert key(7).line not in known.read_text(encoding="utf-8")


def test_what_is_on_record_is_not_asked_about(fleet: Program, known: Path) -> None:
    known.write_text("".join(f"10.0.0.{number} {key(number).line}\n" for number in (1, 2)), encoding="utf-8")
    done = fleet("inventory", "trust")
    assert done.code == 0
    assert "2 already on record" in done.err


def test_who_cannot_be_reached_is_named_and_the_others_go_on(program: Program, fleet: Program, known: Path) -> None:
    half = replace(fleet, transport=Showing(known, {"gpu1": key(1), "gpu2": ConnectRefused("10.0.0.2:22")}))
    done = half("inventory", "trust", "--yes", "-o", "json")
    assert done.code == 6
    assert [host.get("failure", {}).get("error") for host in done.json["hosts"]] == [None, "connection refused"]
    assert known.read_text(encoding="utf-8").count("\n") == 1


def test_a_host_that_trips_the_scan_is_that_hosts_failure_alone(fleet: Program, known: Path) -> None:
    half = replace(fleet, transport=Showing(known, {"gpu1": key(1), "gpu2": UnicodeError("label empty")}))
    done = half("inventory", "trust", "--yes", "-o", "json")
    assert done.code == 6
    assert "unexpected UnicodeError: label empty" in done.err
    assert known.read_text(encoding="utf-8").count("\n") == 1


def test_hosts_without_ssh_have_no_keys(program: Program) -> None:
    done = replace(program, transport=SimulatedTransport())("inventory", "trust", "-l", "gpu001", "--yes")
    assert done.code == 6
    assert "no host key" in done.err
