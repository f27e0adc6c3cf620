"""Comparison with the fleet: the odd ones out are named, a fleet between two versions is not, and few hosts say
nothing."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigactl.health.compare import IDS, compare
from gigactl.health.features import Features, features
from gigactl.health.policy import DEFAULT_POLICY, Override, Policy
from gigactl.health.tables import definitions
from gigactl.inventory.model import Host
from gigactl.results import Severity
from tests.health.snapshots import BOARDS, DRIVER, NOW, broken_driver, expectation, snapshot

USUAL = Features("gpu000", "sr680a-v3", "h200", "NVIDIA H200", DRIVER, ("96.00",), (DRIVER,), None)


def fleet(count: int, **odd: object) -> list[Features]:
    """`count` equal hosts; `odd` replaces values of the first."""
    hosts = [replace(USUAL, host=f"gpu{number:03d}") for number in range(count)]
    return [replace(hosts[0], **odd), *hosts[1:]]  # type: ignore[arg-type]  # names and types are Features'


def ids(hosts: list[Features], policy: Policy = DEFAULT_POLICY) -> dict[str, list[str]]:
    return {host: [finding.id for finding in findings] for host, findings in compare(hosts, policy).items()}


@pytest.mark.parametrize(
    ("odd", "finding"),
    [
        ({"driver": "570.86.15"}, "FLEET-DRIVER-DRIFT"),
        ({"vbios": ("96.00", "97.00")}, "FLEET-VBIOS-DRIFT"),
        ({"firmware": ("570.86.15",)}, "FLEET-FIRMWARE-DRIFT"),
    ],
)
def test_the_odd_one_out_is_named(odd: dict[str, object], finding: str) -> None:
    assert ids(fleet(8, **odd)) == {"gpu000": [finding]}


def test_an_older_driver_brings_its_firmware_and_is_one_finding() -> None:
    assert ids(fleet(8, driver="570.86.15", firmware=("570.86.15",))) == {"gpu000": ["FLEET-DRIVER-DRIFT"]}


def test_a_fleet_between_two_versions_has_no_odd_one() -> None:
    hosts = fleet(8)
    assert ids([*hosts[:4], *(replace(host, driver="595.45.04") for host in hosts[4:])]) == {}


@pytest.mark.parametrize("few", [1, 2, 3])
def test_few_hosts_say_nothing(few: int) -> None:
    assert ids(fleet(few, driver="570.86.15")) == {}


@pytest.mark.parametrize("other", [{"board": "h100"}, {"model": "sr675-v3"}, {"gpu": "NVIDIA H100"}])
def test_only_equals_are_compared(other: dict[str, str]) -> None:
    assert ids(fleet(8, driver="570.86.15", **other)) == {}


def test_a_host_that_did_not_tell_is_on_neither_side() -> None:
    assert ids(fleet(8, driver="", vbios=(), firmware=())) == {}


def test_links_not_proved_are_learned_from_the_fleet() -> None:
    learned = [replace(host, nvlinks=8) for host in fleet(8)]
    assert ids([replace(learned[0], nvlinks=6), *learned[1:]]) == {"gpu000": ["FLEET-NVLINKS-FEWER"]}
    assert ids([replace(learned[0], nvlinks=18), *learned[1:]]) == {}, "more is no fault"


def test_a_difference_alone_makes_no_host_sick() -> None:
    for finding in IDS:
        severity = Severity.WARNING if finding == "FLEET-NVLINKS-FEWER" else Severity.INFO
        assert definitions()[finding].severity is severity


def test_the_policy_has_its_say_until_it_expires() -> None:
    override = Override(severity=Severity.WARNING, expires=NOW.date(), reason="one version by tonight")
    policy = Policy({"FLEET-DRIVER-DRIFT": override})
    hosts = fleet(8, driver="570.86.15")
    assert compare(hosts, policy, NOW)["gpu000"][0].severity is Severity.WARNING
    assert compare(hosts, policy, NOW.replace(day=25))["gpu000"][0].severity is Severity.INFO


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=12))
def test_fewer_than_a_quarter_are_ever_named(drivers: list[str]) -> None:
    hosts = [replace(USUAL, host=str(number), driver=driver) for number, driver in enumerate(drivers)]
    named = [host for host, found in ids(hosts).items() if "FLEET-DRIVER-DRIFT" in found]
    assert 4 * len(named) <= len(hosts)


@pytest.mark.parametrize("board", BOARDS)
def test_what_is_kept_of_a_host_is_small(board: str) -> None:
    kept = features(Host("gpu001", "10.0.0.1"), snapshot(board), expectation(board))
    assert len(pickle.dumps(kept)) <= 2048
    assert kept.gpu == BOARDS[board].name
    assert kept.driver == DRIVER


def test_what_is_kept_is_small_whatever_the_host_says() -> None:
    look = snapshot()
    for number, gpu in enumerate(look["gpus"] * 8):
        gpu["name"] = "x" * 5000
        gpu["values"]["vbios"] = f"{number}" + "y" * 5000
    assert len(pickle.dumps(features(Host("gpu001", "10.0.0.1"), look, expectation("h200")))) <= 2048


def test_a_driver_in_mid_change_is_no_member_of_either_side() -> None:
    look = snapshot()
    look["driver"] = {**broken_driver("mismatch", 18), "driver_version": "595.45.04"}
    assert features(Host("gpu001", "10.0.0.1"), look, expectation("h200")).driver == ""
