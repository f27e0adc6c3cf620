"""A document to a typed value: msgspec where all is well, else every problem over the same types' JSON Schema."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from gigactl.documents import schema
from gigactl.documents.reading import Document
from gigactl.documents.scalars import Surprise
from gigactl.documents.values import Path
from gigactl.errors import InvalidDocument, Problem

T = TypeVar("T")


def convert(document: Document, kind: type[T]) -> T:
    """The document's value as `kind`. Raises InvalidDocument with every problem, in the order of the lines."""
    value, problems = _converted(document.value, document, kind)
    if value is None or problems:
        raise InvalidDocument(in_order(problems))
    return value


def salvage(document: Document, kind: type[T]) -> tuple[T | None, tuple[Problem, ...]]:
    """The value as `kind` without what is wrong in it, and what is wrong: so that one error does not hide another.

    None where nothing is left to go on with.
    """
    value, problems = _converted(document.value, document, kind)
    if value is not None or not problems:
        return value, in_order(problems)
    rest = _without(document.value, kind, [path for path, _, _ in complaints_of(document.value, kind)])
    try:
        return msgspec.convert(rest, kind), in_order(problems)
    except msgspec.ValidationError:
        return None, in_order(problems)


def _remove(above: dict[Any, Any] | list[Any], key: str | int) -> None:
    if isinstance(above, dict) or isinstance(key, int):
        del above[key]  # type: ignore[arg-type]  # a list's key is its index


def _converted(value: Any, document: Document, kind: type[T]) -> tuple[T | None, tuple[Problem, ...]]:
    try:
        converted: T = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return None, tuple(_problems(document, kind, error))
    return converted, tuple(_surprising(document, kind))


def _without(value: Any, kind: type[Any], paths: list[Path]) -> Any:
    """A copy in which what stands at `paths` is empty where that is allowed, else gone."""
    rest = copy.deepcopy(value)
    for path in sorted(set(paths), key=lambda path: (len(path), [str(key) for key in path]), reverse=True):
        above = _at(rest, path[:-1])
        if not path or not isinstance(above, (dict, list)) or _at(above, path[-1:]) is None:
            continue
        nullable = any(option.get("type") == "null" for option in schema.alternatives(schema.at(kind, path)))
        if nullable and isinstance(above, dict):
            above[path[-1]] = None
        else:
            _remove(above, path[-1])
    return rest


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, by file and line."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line or 0)))


def _problems(document: Document, kind: type[Any], error: msgspec.ValidationError) -> Iterator[Problem]:
    """What the schema finds; what only msgspec sees (a key that is no text) where the schema finds nothing."""
    surprises = {path: surprise for path, _, surprise in document.surprises}
    yield from _surprising(document, kind)
    found = False
    for path, what, suggestion in complaints_of(document.value, kind):
        found = True
        surprise = surprises.get(path)
        if surprise is None:
            yield document.problem(path, what, suggestion)
        elif not surprise.always:
            yield document.problem(path, f"{what}: {surprise.what}", _quote(surprise))
    if not found:
        yield from _only_msgspec(document, error)


def complaints_of(value: Any, kind: type[Any]) -> list[tuple[Path, str, str]]:
    """What the schema of `kind` finds wrong with a value: path, what, suggestion."""
    # an import of 60 ms that a valid document never needs
    from gigactl.documents.complaints import complaints

    return list(complaints(schema.json_schema(kind), value))


def _only_msgspec(document: Document, error: msgspec.ValidationError) -> Iterator[Problem]:
    keys = list(_keys_that_are_no_text(document.value, ()))
    for path in keys:
        yield document.problem(path, f"the key `{path[-1]}` is not text", f'write "{path[-1]}"')
    if not keys and not any(surprise.always for _, _, surprise in document.surprises):
        yield Problem(document.file, None, str(error))


def _keys_that_are_no_text(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield (*path, key)
            yield from _keys_that_are_no_text(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _keys_that_are_no_text(inner, (*path, index))


def _surprising(document: Document, kind: Any) -> Iterator[Problem]:
    """Scalars that are read otherwise than they look, where nothing says that a number or a switch is meant."""
    for path, line, surprise in document.surprises:
        anything = not schema.at(kind, path)
        if surprise.always or (anything and not isinstance(_at(document.value, path), bool)):
            yield Problem(document.file, line, surprise.what, _quote(surprise))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _quote(surprise: Surprise) -> str:
    return f'if the text is meant, quote it: "{surprise.text}"'
