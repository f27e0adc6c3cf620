"""The inventory's word first, then ~/.ssh/config."""

from __future__ import annotations

from pathlib import Path

import pytest

from gigactl.errors import Unreachable
from gigactl.inventory.model import SshSettings
from gigactl.transport.base import Endpoint
from gigactl.transport.ssh.config import Route, Router
from gigactl.transport.ssh.options import SshOptions

CONFIG = """
Include config.d/*
Host gpu*
    User fleet
    Port 2222
    IdentityFile ~/.ssh/fleet
    IdentityFile ~/.ssh/fleet_old
    UserKnownHostsFile ~/.ssh/fleet_hosts
Host gpu001
    HostName gpu001.example
    ProxyJump ops@gate:2022
Host 10.0.*
    User by-address
Host gate
    User not-ops
    Port 1
    IdentityAgent none
Host circle
    ProxyJump circle
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".ssh/config.d").mkdir(parents=True)
    (tmp_path / ".ssh/config").write_text(CONFIG)
    (tmp_path / ".ssh/config.d/one").write_text("Host included\n  User from-include\n")
    return tmp_path


def route(home: Path, name: str, address: str | None = None, **ssh: object) -> Route:
    settings = SshSettings(**ssh)  # type: ignore[arg-type]  # fields by name
    options = SshOptions(user="me", home=home, agent_socket="/agent")
    return Router(options).route(Endpoint(name, address or name, settings))


def test_what_the_file_says(home: Path) -> None:
    found = route(home, "gpu001")
    assert (found.address, found.port, found.user) == ("gpu001.example", 2222, "fleet")
    assert [Path(path).name for path in found.key_files] == ["fleet", "fleet_old"]
    assert found.known_hosts == (str(home / ".ssh/fleet_hosts"),)
    assert found.default_keys == ()
    assert found.agent_socket == "/agent"


def test_the_jump_has_settings_of_its_own(home: Path) -> None:
    gate = route(home, "gpu001").via
    assert gate is not None
    assert (gate.address, gate.port, gate.user, gate.agent_socket, gate.via) == ("gate", 2022, "ops", None, None)
    assert route(home, "gpu001").where == "gpu001 (gpu001.example:2222 via gate)"


def test_the_inventory_wins(home: Path) -> None:
    found = route(
        home,
        "gpu001",
        "10.9.9.9",
        user="root",
        port=22,
        identity_file=("/key",),
        known_hosts="/known",
        proxy_jump="none",
    )
    assert (found.address, found.port, found.user, found.via) == ("10.9.9.9", 22, "root", None)
    assert (found.key_files, found.known_hosts) == (("/key",), ("/known",))


def test_the_address_is_looked_up_after_the_name(home: Path) -> None:
    assert route(home, "node7", "10.0.0.7").user == "by-address"
    assert route(home, "gpu007", "10.0.0.7").user == "fleet"
    assert route(home, "gpu007", "10.0.0.7").address == "10.0.0.7"


def test_defaults(home: Path) -> None:
    found = route(home, "else")
    assert (found.address, found.port, found.user, found.via) == ("else", 22, "me", None)
    assert str(home / ".ssh/known_hosts") in found.known_hosts
    assert str(home / ".ssh/id_ed25519") in found.default_keys


def test_included_files(home: Path) -> None:
    assert route(home, "included").user == "from-include"


def test_no_file_and_no_config(home: Path) -> None:
    assert route(home, "gpu001", config_file="none").user == "me"
    (home / ".ssh/config").unlink()
    assert route(home, "gpu001").user == "me"


def test_a_file_that_makes_no_sense(home: Path) -> None:
    (home / ".ssh/config").write_text("Host\n~~~\n")
    with pytest.raises(Unreachable, match="config"):
        route(home, "gpu001")


def test_a_jump_in_a_circle(home: Path) -> None:
    with pytest.raises(Unreachable, match="circle"):
        route(home, "circle")


def test_several_jumps_and_ipv6(home: Path) -> None:
    found = route(home, "else", "fd00::1", proxy_jump="a@one:1,[fd00::2]:2")
    assert found.where == "else ([fd00::1]:22 via fd00::2)"
    assert found.via is not None
    assert (found.via.address, found.via.port) == ("fd00::2", 2)
    assert found.via.via is not None
    assert (found.via.via.user, found.via.via.address, found.via.via.port) == ("a", "one", 1)


def test_a_proxy_command_is_refused_and_not_passed_over(home: Path) -> None:
    with (home / ".ssh/config").open("a") as config:
        config.write("\nHost commanded\n    ProxyCommand nc %h %p\nHost direct\n    ProxyCommand none\n")
    with pytest.raises(Unreachable, match="ProxyCommand, which is not supported") as refused:
        route(home, "commanded")
    assert "ProxyJump" in refused.value.hint
    assert route(home, "direct").via is None
    over = route(home, "commanded", proxy_jump="gate").via
    assert over is not None
    assert over.name == "gate"
