"""Where expectation profiles come from: the data files beside this module, the inventory, and files it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from gigactl.documents import Document, convert, did_you_mean, read_document
from gigactl.errors import InvalidDocument, Problem
from gigactl.inventory.layout import BoardEntry, ModelEntry, ProfilesFile
from gigactl.inventory.profile import Board, Model

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Profiles:
    """Models and boards by name."""

    models: Mapping[str, Model]
    boards: Mapping[str, Board]


@dataclass(frozen=True, slots=True)
class Given:
    """Profiles as a document writes them."""

    document: Document
    models: Mapping[str, ModelEntry]
    boards: Mapping[str, BoardEntry]


@cache
def shipped() -> Profiles:
    """What gigactl brings: `models.yaml` and `boards.yaml`."""
    files = [read_document(_HERE / name) for name in ("models.yaml", "boards.yaml")]
    given = [_given(document) for document in files]
    found, problems = resolve(given, Profiles({}, {}))
    if problems:
        raise InvalidDocument(tuple(problems))
    return found


def _given(document: Document) -> Given:
    file = convert(document, ProfilesFile)
    return Given(document, file.models, file.boards)


def read_profiles(path: Path) -> Given:
    """A file of profiles. Raises InvalidDocument."""
    return _given(read_document(path))


def resolve(given: list[Given], known: Profiles) -> tuple[Profiles, list[Problem]]:
    """The profiles that documents give, `like` followed among them and into `known`; and what is wrong."""
    problems: list[Problem] = []
    models = _Resolver(Model, "models", [(one.document, one.models) for one in given], known.models, problems).all()
    boards = _Resolver(Board, "boards", [(one.document, one.boards) for one in given], known.boards, problems).all()
    names = {**known.boards, **boards}
    for one in given:
        for name, entry in one.models.items():
            problems.extend(_unknown_boards(one.document, name, entry, names))
    return Profiles(models, boards), problems


def _unknown_boards(document: Document, name: str, entry: ModelEntry, known: Mapping[str, Board]) -> Iterator[Problem]:
    for index, board in enumerate(entry.boards or ()):
        if board not in known:
            path = ("models", name, "boards", index)
            yield document.problem(path, f"no board is called `{board}`", did_you_mean(board, known))


class _Resolver:
    """Follows `like` through one kind of profile."""

    def __init__(
        self,
        kind: type[Any],
        section: str,
        given: list[tuple[Document, Mapping[str, Any]]],
        known: Mapping[str, Any],
        problems: list[Problem],
    ) -> None:
        self._kind, self._section, self._known, self._problems = kind, section, known, problems
        self._entries: dict[str, tuple[Document, Any]] = {}
        for document, entries in given:
            for name, entry in entries.items():
                if name in self._entries:
                    other = self._entries[name][0]
                    what = f"`{name}` is already in {other.file}, line {other.line(section, name)}"
                    problems.append(document.problem((section, name), what))
                    continue
                self._entries[name] = document, entry
        self._done: dict[str, Any] = {}
        self._open: list[str] = []

    def all(self) -> dict[str, Any]:
        return {name: self._one(name) for name in self._entries}

    def _one(self, name: str) -> Any:
        if name in self._done:
            return self._done[name]
        document, entry = self._entries[name]
        self._open.append(name)
        base = self._base(document, name, entry.like)
        self._open.pop()
        said = {key: tuple(value) if isinstance(value, list) else value for key, value in _said(entry).items()}
        self._done[name] = self._kind(**{**base, **said, "name": name})
        return self._done[name]

    def _base(self, document: Document, name: str, like: str | None) -> dict[str, Any]:
        if like is None:
            return {}
        if like in self._open and like != name:
            self._problems.append(document.problem((self._section, name, "like"), f"`{like}` is in turn like `{name}`"))
            return {}
        # a profile that is like its own name builds on the one gigactl brings
        if like in self._entries and like != name:
            return _fields(self._one(like))
        if like in self._known:
            return _fields(self._known[like])
        hint = did_you_mean(like, [*self._entries, *self._known])
        self._problems.append(document.problem((self._section, name, "like"), f"no profile is called `{like}`", hint))
        return {}


def _said(entry: msgspec.Struct) -> dict[str, Any]:
    """What an entry gives, without `like`."""
    values = msgspec.structs.asdict(entry)
    return {key: value for key, value in values.items() if value is not None and key != "like"}


def _fields(profile: Model | Board) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in profile.__dataclass_fields__}
