"""What an inventory says that cannot be: names no selector can name, unknown models, hosts or addresses twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from gigactl.documents import Document, did_you_mean
from gigactl.errors import Problem
from gigactl.inventory.entry import Named
from gigactl.inventory.layout import InventoryFile, Shared
from gigactl.inventory.model import Host, Inventory
from gigactl.inventory.profile import Model
from gigactl.inventory.profiles import Profiles
from gigactl.inventory.ranges import fold
from gigactl.inventory.selector import ALL, FACTS_SOURCES, PROFILE_LABELS

Place = tuple[str | int, ...]

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_GROUP = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._/:+=-]*[A-Za-z0-9_+])?")
_IPV4_LIKE = re.compile(r"[0-9.]+")
_LETTERS = "letters, digits, and - _ . between them"
_LONGEST = 253  # characters of a DNS name, RFC 1035
DEFAULT_PORT = 22


def layers(file: InventoryFile) -> Iterator[tuple[Place, Shared]]:
    """Every place of the file where something is said of hosts."""
    if file.defaults is not None:
        yield ("defaults",), file.defaults
    for name, group in (file.groups or {}).items():
        if group is not None:
            yield ("groups", name), group
    for pattern, entry in (file.hosts or {}).items():
        if entry is not None:
            yield ("hosts", pattern), entry


def check_layers(document: Document, file: InventoryFile, known: Profiles) -> Iterator[Problem]:
    """Group names, labels, models and boards."""
    for name in file.groups or {}:
        if name in {ALL, *FACTS_SOURCES}:
            yield document.problem(("groups", name), f"`{name}` is reserved and cannot name a group")
        elif not _GROUP.fullmatch(name):
            what = f"the group name {name!r} cannot be selected"
            yield document.problem(("groups", name), what, _LETTERS)
    for place, layer in layers(file):
        yield from _labels(document, place, layer.labels)
        for kind, value, names in (("model", layer.model, known.models), ("board", layer.board, known.boards)):
            if value is not None and value not in names:
                what = f"no {kind} is called `{value}`"
                hint = did_you_mean(value, names) or f"describe your own under `{kind}s:`"
                yield document.problem((*place, kind), what, hint)


def _labels(document: Document, place: Place, labels: Mapping[str, str]) -> Iterator[Problem]:
    for label, value in labels.items():
        at = (*place, "labels", label)
        if label in {ALL, *FACTS_SOURCES}:
            means = "every host" if label == ALL else "what was last seen on the hosts"
            yield document.problem(at, f"the label `{label}` is reserved: it means {means}")
        elif label in PROFILE_LABELS:
            yield document.problem(at, f"the label `{label}` is reserved: it means the host's `{label}:`")
        elif not _GROUP.fullmatch(label):
            yield document.problem(at, f"the label {label!r} cannot be selected", _LETTERS)
        elif not _LABEL_VALUE.fullmatch(value):
            what = f"the value {value!r} of the label `{label}` cannot be selected"
            hint = "letters, digits, and - _ . / : + = between them; free text goes under `vars`"
            yield document.problem(at, what, hint)


def check_host_names(document: Document, entries: Iterable[Named]) -> Iterator[Problem]:
    """Characters of names and addresses, and names given twice."""
    seen: dict[str, Named] = {}
    for one in entries:
        at = ("hosts", one.pattern)
        yield from _wrong_names(document, one)
        twice: dict[str, list[str]] = {}
        for name in one.names:
            first = seen.setdefault(name, one)
            if first is not one:
                twice.setdefault(first.pattern, []).append(name)
        for pattern, names in twice.items():
            first = seen[names[0]]
            what = f"{fold(names)} {'is' if len(names) == 1 else 'are'} already on line {first.line} (`{pattern}`)"
            yield document.problem(at, what, "a host stands once in the inventory")


def _wrong_names(document: Document, one: Named) -> Iterator[Problem]:
    at: Place = ("hosts", one.pattern)
    bad = next((name for name in one.names if not _NAME.fullmatch(name) or len(name) > _LONGEST), None)
    if bad is not None:
        specials = "".join(dict.fromkeys(character for character in bad if character in "@,!&^*?:%/ "))
        why = f": {specials!r} means something in selectors" if specials.strip() else ""
        yield document.problem(at, f"{bad!r} cannot name a host{why}", _LETTERS)
    elif ALL in one.names:
        yield document.problem(at, f"`{ALL}` is reserved and cannot name a host")
    wrong = next(((address, why) for address in one.addresses if (why := _wrong_address(address))), None)
    if wrong is not None and one.entry.address is not None:
        yield document.problem((*at, "address"), f"{wrong[0]!r} is no address", wrong[1])


def _wrong_address(address: str) -> str:
    """Why something is no address; empty where it may be one."""
    if "@" in address:
        return "the user goes under `ssh: {user: …}`"
    if address.count(":") == 1:
        return "the port goes under `ssh: {port: …}`"
    if any(character.isspace() or character in "/,;" for character in address):
        return "a name or an IP address"
    if _IPV4_LIKE.fullmatch(address):
        parts = address.split(".")
        if len(parts) != 4 or not all(part.isdigit() and int(part) <= 255 for part in parts):
            return "an IPv4 address has four numbers up to 255"
    return ""


def duplicates(document: Document, fleet: Inventory) -> Iterator[Problem]:
    """Addresses that two hosts share, port and jump host considered."""
    seen: dict[tuple[str, int, str | None], Host] = {}
    shared: dict[tuple[int, int], list[tuple[Host, Host]]] = {}
    for host in fleet.hosts:
        if host.transport != "ssh":
            continue
        key = host.address.lower(), host.ssh.port or DEFAULT_PORT, host.ssh.proxy_jump
        first = seen.setdefault(key, host)
        if first is not host:
            shared.setdefault((_line(first), _line(host)), []).append((first, host))
    for (earlier, line), pairs in shared.items():
        first, host = pairs[0]
        more = f", and {len(pairs) - 1} more" if len(pairs) > 1 else ""
        where = f"{host.address} port {host.ssh.port or DEFAULT_PORT}"
        what = f"{host.name} has the address {where} of {first.name} (line {earlier}){more}"
        yield Problem(document.file, line, what)


def _line(host: Host) -> int:
    return host.origin.line if host.origin is not None else 0


def odd_boards(fleet: Inventory, models: Mapping[str, Model]) -> Iterator[Problem]:
    """Hosts whose board is none that their model comes with: it may be so, but one of the two is more likely wrong."""
    odd: dict[tuple[int, str, str], list[str]] = {}
    for host in fleet.hosts:
        boards = models[host.model].boards if host.model is not None else ()
        if host.model is not None and boards and host.board is not None and host.board not in boards:
            odd.setdefault((_line(host), host.board, host.model), []).append(host.name)
    for (line, board, model), names in odd.items():
        what = f"{fold(names)}: `{board}` is none of the boards of `{model}`"
        yield Problem(fleet.file, line or None, what, f"it comes with {', '.join(models[model].boards)}")
