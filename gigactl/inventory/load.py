"""The inventory file to the fleet: ranges expanded, defaults applied, everything wrong found at once."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

from gigactl.documents import did_you_mean, examine, in_order, read_bytes, salvage
from gigactl.errors import InvalidDocument, Problem, UsageError
from gigactl.inventory.checks import check_host_names, check_layers, duplicates, odd_boards
from gigactl.inventory.entry import Named, named
from gigactl.inventory.layout import GroupEntry, HostEntry, InventoryFile, Shared
from gigactl.inventory.membership import memberships
from gigactl.inventory.merge import NOTHING, Holds, over
from gigactl.inventory.model import Host, Inventory, Origin
from gigactl.inventory.profiles import Given, Profiles, read_profiles, resolve, shipped


def load_inventory(path: Path) -> Inventory:
    """The fleet in an inventory file. Raises InvalidDocument with every problem in it and in the files it names."""
    with _uncollected():
        loading = Loading(path)
        inventory = loading.inventory()
    if loading.problems:
        raise InvalidDocument(in_order(loading.problems))
    return inventory


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: nothing here is garbage yet, and walking it again and again takes twice the time of
    loading 10,000 hosts."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def validate(path: Path) -> tuple[Problem, ...]:
    """Everything wrong with an inventory file, by line; empty when it is sound."""
    try:
        load_inventory(path)
    except InvalidDocument as error:
        return error.problems
    return ()


def doubts(inventory: Inventory) -> tuple[Problem, ...]:
    """What is not wrong but looks so: boards that a model does not come with, and files that SSH is told to use and
    that are not here.
    """
    missing: dict[str, Host] = {}
    for host in inventory.hosts:
        for file in (*host.ssh.identity_file, *filter(None, (host.ssh.config_file,))):
            if file not in missing and not Path(file).exists():
                missing[file] = host
    unreadable = (
        Problem(
            inventory.file,
            host.origin.line if host.origin else None,
            f"there is no {file}",
            f"{host.name} is reached with it",
        )
        for file, host in missing.items()
    )
    return (*odd_boards(inventory, {**shipped().models, **inventory.models}), *unreadable)


@dataclass
class Loading:
    """One reading of one inventory file; `problems` grows as it goes."""

    path: Path
    problems: list[Problem] = field(default_factory=list)
    _settled: dict[tuple[str, ...], Holds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.document, wrong = examine(read_bytes(self.path), str(self.path))
        file, more = salvage(self.document, InventoryFile)
        self.problems += [*wrong, *more]
        if file is None:
            raise InvalidDocument(in_order(self.problems))
        self.file: InventoryFile = file
        self.directory = self.path.absolute().parent
        self.defaults: Shared = file.defaults or Shared()
        self.groups: Mapping[str, GroupEntry] = {
            name: entry or GroupEntry() for name, entry in (file.groups or {}).items()
        }
        self.entries: Mapping[str, HostEntry] = {
            pattern: entry or HostEntry() for pattern, entry in (file.hosts or {}).items()
        }

    def inventory(self) -> Inventory:
        """The fleet; sound only when `problems` is empty."""
        profiles = self._profiles()
        known = Profiles({**shipped().models, **profiles.models}, {**shipped().boards, **profiles.boards})
        self.problems += check_layers(self.document, self.file, known)
        self.problems += self._unknown_groups()
        entries = self._named()
        self.problems += check_host_names(self.document, entries)
        fleet = self._fleet(entries, {name: self._listed(one.entry) for one in entries for name in one.names})
        joined, problems = memberships(self.document, self.groups, fleet)
        self.problems += problems
        if joined != {host.name: host.groups for host in fleet.hosts}:
            fleet = self._fleet(entries, joined)
        self.problems += duplicates(self.document, fleet)
        return replace(fleet, models=profiles.models, boards=profiles.boards)

    def _profiles(self) -> Profiles:
        given = [Given(self.document, self.file.models, self.file.boards)]
        for index, name in enumerate(self.file.profiles):
            try:
                given.append(read_profiles(self.directory / name))
            except InvalidDocument as error:
                self.problems += error.problems
                if any(problem.line is None for problem in error.problems):
                    self.problems.append(self.document.problem(("profiles", index), f"`{name}` cannot be used"))
        found, problems = resolve(given, shipped())
        self.problems += problems
        return found

    def _named(self) -> list[Named]:
        """Every entry with its names, addresses and identities; entries that cannot be expanded are problems."""
        found: list[Named] = []
        lines = self.document.lines("hosts")
        for pattern, entry in self.entries.items():
            try:
                found.append(named(pattern, entry, lines.get(pattern, 1), self.directory))
            except UsageError as error:
                self.problems.append(self.document.problem(("hosts", pattern), error.detail, error.hint))
        return found

    def _unknown_groups(self) -> Iterator[Problem]:
        for pattern, entry in self.entries.items():
            for index, group in enumerate(entry.groups):
                if group not in self.groups:
                    hint = did_you_mean(group, self.groups) or f"declare it: `groups: {{{group}: {{}}}}`"
                    path = ("hosts", pattern, "groups", index)
                    yield self.document.problem(path, f"no group is called `{group}`", hint)

    def _listed(self, entry: HostEntry) -> tuple[str, ...]:
        """The groups an entry lists, those that exist, in the order of the file."""
        return tuple(name for name in self.groups if name in entry.groups) if entry.groups else ()

    def _fleet(self, entries: Iterable[Named], groups_of: Mapping[str, tuple[str, ...]]) -> Inventory:
        hosts: dict[str, Host] = {}
        for one in entries:
            settled: dict[tuple[str, ...], Holds] = {}
            for index, name in enumerate(one.names):
                groups = groups_of[name]
                if groups not in settled:
                    settled[groups] = over(self._below(groups), one.entry, self.directory)
                if name not in hosts:
                    hosts[name] = self._host(one, index, groups, settled[groups])
        members: dict[str, list[str]] = {name: [] for name in self.groups}
        for host in hosts.values():
            for group in host.groups:
                members[group].append(host.name)
        return Inventory(str(self.path), tuple(hosts.values()), {name: tuple(found) for name, found in members.items()})

    def _below(self, groups: tuple[str, ...]) -> Holds:
        """What defaults and these groups say; hosts of equal groups share it."""
        if groups not in self._settled:
            layers = (self.defaults, *(self.groups[group] for group in groups))
            self._settled[groups] = reduce(lambda below, layer: over(below, layer, self.directory), layers, NOTHING)
        return self._settled[groups]

    def _host(self, one: Named, index: int, groups: tuple[str, ...], it: Holds) -> Host:
        ssh = replace(it.ssh, identity_file=one.identities[index]) if one.identities else it.ssh
        return Host(
            name=one.names[index],
            address=one.addresses[index],
            model=it.model,
            board=it.board,
            gpus=it.gpus,
            labels=it.labels,
            groups=groups,
            vars=it.vars,
            ssh=ssh,
            become=it.become,
            scheduler=it.scheduler,
            transport=it.transport,
            origin=Origin(str(self.path), one.line),
        )
