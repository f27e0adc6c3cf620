"""A document: its plain value, and the line of everything in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode

from gigactl.documents import values
from gigactl.documents.scalars import Surprise
from gigactl.documents.syntax import compose
from gigactl.errors import InvalidDocument, Problem


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document. `value` is made of dict, list, str, int, float, bool and None.

    `surprises`: scalars read otherwise than they look, with path and line; whether one is wrong depends on what is
    wanted there, so `convert` decides.
    """

    file: str
    value: Any
    surprises: tuple[tuple[values.Path, int, Surprise], ...]
    root: Node = field(repr=False, compare=False)

    def line(self, *path: str | int) -> int:
        """The line of the key (or list item) at `path`, or of the nearest thing above it that exists."""
        at, node = self.root, self.root
        for key in path:
            found = values.step(node, key)
            if found is None:
                break
            at, node = found
        return values.line_of(at)

    def lines(self, *path: str | int) -> dict[str, int]:
        """The lines of all keys of the mapping at `path` (empty for anything else)."""
        node: Node = self.root
        for key in path:
            found = values.step(node, key)
            if found is None:
                return {}
            node = found[1]
        if not isinstance(node, MappingNode):
            return {}
        # backwards, so that of a key given twice the first line stays
        return {key.value: values.line_of(key) for key, _ in reversed(node.value) if isinstance(key, ScalarNode)}

    def problem(self, path: values.Path, what: str, suggestion: str = "") -> Problem:
        """Something wrong at `path`."""
        return Problem(self.file, self.line(*path), what, suggestion)


def read_document(path: Path) -> Document:
    """Read a YAML file. Raises InvalidDocument with every problem found, also when it cannot be read at all."""
    return parse_document(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """What is in a file. Raises InvalidDocument, saying why it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        reasons = {FileNotFoundError: "there is no such file", IsADirectoryError: "a directory, not a file"}
        why = reasons.get(type(error), error.strerror or str(error))
        raise InvalidDocument((Problem(str(path), None, why),)) from None


def parse_document(data: bytes, file: str) -> Document:
    """The document in `data`; `file` is what problems name. Raises InvalidDocument with every problem found."""
    document, problems = examine(data, file)
    if problems:
        raise InvalidDocument(problems)
    return document


def examine(data: bytes, file: str) -> tuple[Document, tuple[Problem, ...]]:
    """The document in `data`, and what is wrong with it but lets the rest be read (a key twice: the first counts).

    Raises InvalidDocument where there is no rest.
    """
    root = compose(data, file)
    found = values.Found(file)
    if b"&" in data and values.bomb(root, found):  # no anchor, no alias
        raise InvalidDocument(tuple(found.problems))
    if not isinstance(root, MappingNode):
        found.problem(root, "the document is not a mapping (`key: value` lines)", "it starts with `version: 1`")
        raise InvalidDocument(tuple(found.problems))
    value = values.Reader(found).value(root, ())
    return Document(file, value, tuple(found.surprises), root), tuple(found.problems)
