"""Which hosts an expression means: ClusterShell's grammar over names, groups, labels and last known facts.

`gpu[001-064]`, `gpu*`, `@training`, `@rack:r01`, `@model:sr680a-v3&@site:bj1`, `@training!gpu003`, `@all`, `!gpu003`.
Operators `,` (and also) `!` (without) `&` (only those also in) `^` (in one of both) are applied from left to right.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Protocol

from gigactl.documents import did_you_mean
from gigactl.errors import UsageError
from gigactl.inventory.model import Host, Inventory
from gigactl.inventory.ranges import expand, fold, outside_brackets

FACTS_SOURCES = ("health", "driver", "state", "xid")
"""Labels that are not in the inventory but come from what was last seen on the hosts. Only these may be empty."""

ALL = "all"
PROFILE_LABELS = ("model", "board")
"""Labels every host has by its `model` and `board`."""

_OPERATORS = ",!&^"


class GroupSource(Protocol):
    """Last known facts as labels."""

    def members(self, label: str, value: str) -> frozenset[str] | None:
        """Names of the hosts with that value; None: there is no such source yet."""
        ...


def select(inventory: Inventory, expr: str, sources: Sequence[GroupSource] = ()) -> tuple[Host, ...]:
    """The hosts an expression means, in the inventory's order. UsageError for a name that is nowhere, and for none."""
    names = _Resolver(inventory, sources).names(expr)
    hosts = tuple(host for host in inventory.hosts if host.name in names)
    if not hosts:
        raise UsageError(f"no host: {expr!r} selects none" if expr.strip() else "no host: the expression is empty")
    return hosts


class _Resolver:
    """Looks names up in one inventory, and says which is nearest where there is none."""

    def __init__(self, inventory: Inventory, sources: Sequence[GroupSource]) -> None:
        self._inventory, self._sources = inventory, sources
        self._all = {host.name: None for host in inventory.hosts}
        self._labels: dict[str, dict[str, set[str]]] = {}

    def names(self, expr: str) -> set[str]:
        text = expr.strip()
        if text.startswith("!"):
            text = f"@{ALL}{text}"
        found: set[str] = set()
        for operator, part in outside_brackets(text, _OPERATORS):
            operand = self._operand(part.strip(), expr)
            match operator:
                case "!":
                    found -= operand
                case "&":
                    found &= operand
                case "^":
                    found ^= operand
                case _:
                    found |= operand
        return found

    def _operand(self, part: str, expr: str) -> set[str]:
        """The hosts of one part between operators: a group, a label, or names."""
        if not part:
            raise UsageError(f"{expr!r}: nothing stands before or after an operator", hint="operators are , ! & ^")
        if any(character.isspace() for character in part):
            raise UsageError(f"{part!r}: a space within a name", hint="put a comma between names")
        if part.startswith("@"):
            return {name for one in expand(part) for name in self._group(one[1:])}
        if "*" in part or "?" in part:
            return self._matching(part)
        names = set(expand(part))
        unknown = [name for name in expand(part) if name not in self._all]
        if unknown:
            raise UsageError(f"no host is called {fold(unknown)}", hint=self._nearest_host(unknown[0]))
        return names

    def _matching(self, part: str) -> set[str]:
        found = {name for mask in expand(part) for name in fnmatch.filter(self._all, mask)}
        if not found:
            raise UsageError(f"no host's name matches {part}")
        return found

    def _group(self, text: str) -> set[str]:
        label, colon, value = text.partition(":")
        if colon:
            return self._labelled(label, value)
        if text in {ALL, "*"}:
            return set(self._all)
        if text not in self._inventory.groups:
            raise UsageError(f"no group is called {text}", hint=self._nearest_group(text))
        return set(self._inventory.groups[text])

    def _labelled(self, label: str, value: str) -> set[str]:
        if label in FACTS_SOURCES:
            return self._from_facts(label, value)
        values = self._values(label)
        if not values:
            known = self._known_labels()
            raise UsageError(f"no host has a label {label}", hint=did_you_mean(label, known, "labels are"))
        if value == "*":
            return set().union(*values.values())
        if value not in values:
            raise UsageError(f"no host has {label}: {value}", hint=did_you_mean(value, values, f"{label} is one of"))
        return values[value]

    def _from_facts(self, label: str, value: str) -> set[str]:
        answers = [found for source in self._sources if (found := source.members(label, value)) is not None]
        if not answers:
            raise UsageError(
                f"@{label}:{value} asks for what was last seen on the hosts, and nothing is recorded",
                hint="look at the hosts first: `gigactl health check`",
            )
        return set().union(*answers).intersection(self._all)

    def _values(self, label: str) -> dict[str, set[str]]:
        """Hosts by the value of a label."""
        if label not in self._labels:
            values: dict[str, set[str]] = {}
            for host in self._inventory.hosts:
                value = getattr(host, label) if label in PROFILE_LABELS else host.labels.get(label)
                if value is not None:
                    values.setdefault(value, set()).add(host.name)
            self._labels[label] = values
        return self._labels[label]

    def _known_labels(self) -> list[str]:
        own = {label: None for host in self._inventory.hosts for label in host.labels}
        return [*own, *(label for label in PROFILE_LABELS if self._values(label))]

    def _nearest_host(self, name: str) -> str:
        """A group of that name, a label's value of it, or the nearest host."""
        return self._otherwise(name) or did_you_mean(name, self._all, "hosts are")

    def _nearest_group(self, name: str) -> str:
        groups = [group for group in self._inventory.groups if group != name]
        return self._otherwise(name) or did_you_mean(name, [*groups, ALL], "groups are")

    def _otherwise(self, name: str) -> str:
        if name in self._inventory.groups or name == ALL:
            return f"did you mean `@{name}`?"
        for label in self._known_labels():
            if name in self._values(label):
                return f"did you mean `@{label}:{name}`?"
        return f"did you mean `{name}`, without @?" if name in self._all else ""
