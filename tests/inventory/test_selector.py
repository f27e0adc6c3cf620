"""Selectors against a naive model of sets, and against ClusterShell's own evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from ClusterShell.NodeSet import NodeSet
from ClusterShell.NodeUtils import GroupResolver
from ClusterShell.NodeUtils import GroupSource as ClusterShellSource
from hypothesis import given
from hypothesis import strategies as st

from gigactl.errors import UsageError
from gigactl.inventory.model import Host, Inventory
from gigactl.inventory.selector import select

RACKS = {"r01": range(1, 5), "r02": range(5, 9), "r03": range(9, 13)}
NAMES = [f"gpu{number:03}" for number in range(12, 0, -1)]  # the inventory's order is not the alphabet's
GROUPS = {"training": tuple(NAMES[:8]), "canary": ("gpu001", "login"), "r01": ("gpu009",)}


def a_host(name: str) -> Host:
    number = int(name[3:]) if name.startswith("gpu") else 0
    rack = next((rack for rack, numbers in RACKS.items() if number in numbers), None)
    labels = {"site": "bj1"} | ({"rack": rack} if rack else {})
    return Host(name, name, model="sr680a-v3" if number % 2 else None, labels=labels)


FLEET = Inventory("fleet.yaml", tuple(a_host(name) for name in [*NAMES, "login"]), GROUPS)


@dataclass(frozen=True)
class Facts:
    """Last known facts, as a test has them; None for a label that is not recorded."""

    known: Mapping[str, Mapping[str, frozenset[str]]]

    def members(self, label: str, value: str) -> frozenset[str] | None:
        return self.known[label].get(value, frozenset()) if label in self.known else None


def names(expr: str, *sources: Facts) -> list[str]:
    return [host.name for host in select(FLEET, expr, sources)]


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("gpu[001-003]", "gpu003 gpu002 gpu001"),
        ("@rack:r01", "gpu004 gpu003 gpu002 gpu001"),
        ("@rack:r01&@model:sr680a-v3", "gpu003 gpu001"),
        ("@canary!gpu001", "login"),
        ("@canary,gpu002", "gpu002 gpu001 login"),
        ("@canary^gpu[001-002]", "gpu002 login"),
        ("@r01", "gpu009"),
        ("!gpu*", "login"),
        ("!@rack:r[01-02]!login", "gpu012 gpu011 gpu010 gpu009"),
        ("@rack:*!@training", "gpu004 gpu003 gpu002 gpu001"),
        ("gpu01?", "gpu012 gpu011 gpu010"),
        (" gpu001 , gpu002 ", "gpu002 gpu001"),
        # from left to right: (training without gpu012) and rack r03
        ("@training!gpu012&@rack:r03", "gpu011 gpu010 gpu009"),
    ],
)
def test_expressions(expr: str, found: str) -> None:
    assert names(expr) == found.split()


def test_all() -> None:
    assert names("@all") == names("@*") == names("*") == [host.name for host in FLEET.hosts]


@pytest.mark.parametrize(
    ("expr", "what", "hint"),
    [
        ("gpu013", "no host is called gpu013", "did you mean `gpu012`?"),
        ("gpu[001-020]", "no host is called gpu[013-020]", "did you mean `gpu012`?"),
        ("@all!gpu099", "no host is called gpu099", "did you mean `gpu009`?"),
        ("!gpu099", "no host is called gpu099", "did you mean `gpu009`?"),
        ("@trainin", "no group is called trainin", "did you mean `training`?"),
        ("@all!@trainin", "no group is called trainin", "did you mean `training`?"),
        ("@rck:r01", "no host has a label rck", "did you mean `rack`?"),
        ("@rack:r1", "no host has rack: r1", "did you mean `r01`?"),
        ("@model:sr680", "no host has model: sr680", "did you mean `sr680a-v3`?"),
        ("training", "no host is called training", "did you mean `@training`?"),
        ("r02", "no host is called r02", "did you mean `@rack:r02`?"),
        ("@r02", "no group is called r02", "did you mean `@rack:r02`?"),
        ("@gpu001", "no group is called gpu001", "did you mean `gpu001`, without @?"),
        ("all", "no host is called all", "did you mean `@all`?"),
        ("zzz*", "no host's name matches zzz*", ""),
        ("gpu001!gpu001", "no host: 'gpu001!gpu001' selects none", ""),
        ("", "''", "operators are , ! & ^"),
        ("gpu001,", "'gpu001,': nothing stands before or after an operator", "operators are , ! & ^"),
        ("gpu001 gpu002", "'gpu001 gpu002': a space within a name", "put a comma between names"),
        ("gpu[003-001]", "gpu[003-001]: the range 003-001 runs backwards", "write 001-003"),
        ("@health:critical", "@health:critical asks for what was last seen on the hosts, and nothing is recorded",
         "look at the hosts first: `gigactl health check`"),
    ],
)  # fmt: skip
def test_what_is_nowhere_is_said_with_what_is_near(expr: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        names(expr)
    assert caught.value.detail.startswith(what)
    assert caught.value.hint == hint
    assert caught.value.exit_code == 2


def test_facts_may_be_empty_and_know_hosts_that_are_gone() -> None:
    facts = Facts({"health": {"critical": frozenset({"gpu003", "gone"})}})
    more = Facts({"health": {"critical": frozenset({"gpu001"})}, "xid": {}})
    assert names("@health:critical", facts) == ["gpu003"]
    assert names("@health:critical", facts, more) == ["gpu003", "gpu001"]
    assert names("@canary!@health:ok", facts) == ["gpu001", "login"]
    with pytest.raises(UsageError, match="selects none"):
        names("@xid:79", more)
    with pytest.raises(UsageError, match="nothing is recorded"):
        names("@driver:580.126.20", facts)


OPERAND = st.sampled_from([
    *NAMES[:4], "login", "gpu[001-006]", "gpu[002,004]", "@training", "@canary", "@rack:r01",
    "@rack:r[02-03]", "@site:bj1",
    "@rack:*", "@*", "gpu00*", "*", "gpu01?",
])  # fmt: skip
EXPRESSION = st.tuples(OPERAND, st.lists(st.tuples(st.sampled_from(",!&^"), OPERAND), max_size=5))


def naive(operand: str) -> set[str]:
    """The hosts of one operand, found by asking each host."""
    number = {f"{at:03}": at for at in range(1, 13)}
    everybody = {host.name for host in FLEET.hosts}
    gpus = {name for name in everybody if name != "login"}
    table = {
        "gpu[001-006]": {f"gpu{text}" for text, at in number.items() if at <= 6},
        "gpu[002,004]": {"gpu002", "gpu004"},
        "@training": set(GROUPS["training"]),
        "@canary": set(GROUPS["canary"]),
        "@rack:r01": {f"gpu{text}" for text, at in number.items() if at <= 4},
        "@rack:r[02-03]": {f"gpu{text}" for text, at in number.items() if at > 4},
        "@rack:*": gpus,
        "gpu00*": {f"gpu{text}" for text, at in number.items() if at < 10},
        "gpu01?": {"gpu010", "gpu011", "gpu012"},
    }
    return {operand} if operand in everybody else table.get(operand, everybody)


def clustershell() -> GroupResolver:
    resolver = GroupResolver(ClusterShellSource("groups", {name: ",".join(members) for name, members in GROUPS.items()},
                                                ",".join(host.name for host in FLEET.hosts)))  # fmt: skip
    for label in ("rack", "site"):
        values: dict[str, list[str]] = {}
        for host in FLEET.hosts:
            if label in host.labels:
                values.setdefault(host.labels[label], []).append(host.name)
        resolver.add_source(ClusterShellSource(label, {value: ",".join(found) for value, found in values.items()}))
    return resolver


@given(EXPRESSION)
def test_selecting_is_arithmetic_on_sets_and_what_clustershell_says(
    expression: tuple[str, list[tuple[str, str]]],
) -> None:
    first, rest = expression
    expr = first + "".join(operator + operand for operator, operand in rest)
    wanted = naive(first)
    for operator, operand in rest:
        other = naive(operand)
        match operator:
            case ",":
                wanted = wanted | other
            case "!":
                wanted = wanted - other
            case "&":
                wanted = wanted & other
            case _:
                wanted = wanted ^ other
    assert set(NodeSet(expr, resolver=clustershell())) == wanted
    if not wanted:
        with pytest.raises(UsageError, match="selects none"):
            names(expr)
    else:
        assert names(expr) == [host.name for host in FLEET.hosts if host.name in wanted]


@given(st.text("gpu01[]-,!&^@:*? ral", max_size=16))
def test_any_text_selects_hosts_or_is_a_usage_error(expr: str) -> None:
    try:
        found = select(FLEET, expr)
    except UsageError:
        found = FLEET.hosts
    assert found
