"""Which groups a host is in: those it lists, those whose `hosts` select it, and those above them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gigactl.documents import Document, did_you_mean
from gigactl.errors import Problem, UsageError
from gigactl.inventory.layout import GroupEntry
from gigactl.inventory.model import Inventory
from gigactl.inventory.selector import select


def memberships(
    document: Document, groups: Mapping[str, GroupEntry], fleet: Inventory
) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Each host's groups in the order of the file, and what is wrong with the groups."""
    members = {name: set(found) for name, found in fleet.groups.items()}
    problems = [*_selected(document, groups, fleet, members), *_unknown_children(document, groups)]
    circle = _circle(groups)
    if circle:
        what = f"the group `{circle[0]}` is a child of its own child: {' > '.join(circle)}"
        problems.append(document.problem(("groups", circle[0], "children"), what))
    else:
        for name in groups:
            members[name] |= {host for child in _below(groups, name) for host in members[child]}
    joined: dict[str, list[str]] = {host.name: [] for host in fleet.hosts}
    for name in groups:
        for host in members[name]:
            joined[host].append(name)
    return {host: tuple(found) for host, found in joined.items()}, problems


def _selected(
    document: Document, groups: Mapping[str, GroupEntry], fleet: Inventory, members: dict[str, set[str]]
) -> Iterator[Problem]:
    # groups select hosts, not groups: what a group holds must not depend on the order in which groups are looked at
    ungrouped = Inventory(fleet.file, fleet.hosts, {})
    for name, entry in groups.items():
        alone = isinstance(entry.hosts, str)
        for index, expression in enumerate([entry.hosts] if isinstance(entry.hosts, str) else entry.hosts):
            try:
                members[name].update(host.name for host in select(ungrouped, expression))
            except UsageError as error:
                hint = "name groups under `children`" if expression.lstrip("@") in groups else error.hint
                path = ("groups", name, "hosts") if alone else ("groups", name, "hosts", index)
                yield document.problem(path, error.detail, hint)


def _unknown_children(document: Document, groups: Mapping[str, GroupEntry]) -> Iterator[Problem]:
    for name, entry in groups.items():
        for index, child in enumerate(entry.children):
            if child not in groups:
                path = ("groups", name, "children", index)
                yield document.problem(path, f"no group is called `{child}`", did_you_mean(child, groups))


def _below(groups: Mapping[str, GroupEntry], name: str) -> set[str]:
    """All groups below one, at any depth."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for child in groups[waiting.pop()].children:
            if child in groups and child not in found:
                found.add(child)
                waiting.append(child)
    return found


def _circle(groups: Mapping[str, GroupEntry]) -> list[str]:
    """A way from a group back to itself; empty where there is none."""
    for name in groups:
        if way := _way(groups, [name], set()):
            return way
    return []


def _way(groups: Mapping[str, GroupEntry], way: list[str], seen: set[str]) -> list[str]:
    """The way completed to its start again; empty where it leads nowhere. `seen`: groups that lead nowhere."""
    for child in groups[way[-1]].children:
        if child == way[0]:
            return [*way, child]
        if child in groups and child not in seen:
            seen.add(child)
            if found := _way(groups, [*way, child], seen):
                return found
    return []
