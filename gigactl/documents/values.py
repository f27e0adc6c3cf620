"""YAML nodes to plain values: keys given twice, foreign tags, alias bombs and aliases without end are found here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gigactl.documents.scalars import Surprise, read_scalar
from gigactl.errors import Problem

Path = tuple[str | int, ...]

_INT = "tag:yaml.org,2002:int"  # the only keys that are no text: `on` and `1.5` as keys are names
_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
DEPTH = 64  # ours nest 8 deep; Python's own stack ends near 1,000
_BORN_OF_ALIASES = 400_000  # nodes, 60 MB: 10,000 hosts that all alias 40 nodes; a bomb of 9 levels makes 10^9


@dataclass(slots=True)
class Found:
    """What reading nodes found: problems, and surprises with the path at which they stand."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    surprises: list[tuple[Path, int, Surprise]] = field(default_factory=list)

    def problem(self, node: Node, what: str, suggestion: str = "") -> None:
        self.problems.append(Problem(self.file, line_of(node), what, suggestion))


def line_of(node: Node) -> int:
    """The line a node starts on, counted from 1."""
    return int(node.start_mark.line) + 1


def bomb(root: Node, found: Found) -> bool:
    """Whether aliases multiply into more than can be meant, or contain themselves; nothing is expanded to find out."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()

    def size(node: Node, depth: int) -> int:
        key = id(node)
        if key in sizes:
            return sizes[key]
        if key in open_:
            found.problem(node, "an anchor that contains itself")
            return 1
        if depth > DEPTH:
            return 1  # the reader says so
        open_.add(key)
        total = 1 + sum(size(child, depth + 1) for child in _children(node))
        open_.discard(key)
        sizes[key] = total
        return total

    expanded = size(root, 0)
    if expanded - len(sizes) > _BORN_OF_ALIASES:
        what = f"aliases multiply the document to {_count(expanded)} nodes; {_BORN_OF_ALIASES:,} is the most"
        found.problem(root, what, "an alias bomb, or repeated lists of aliases: write them out")
    return bool(found.problems)


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**12 else f"about 10^{len(str(number)) - 1}"


def _children(node: Node) -> list[Node]:
    if isinstance(node, ScalarNode):
        return []
    return [child for pair in node.value for child in pair] if isinstance(node, MappingNode) else node.value


class Reader:
    """Turns nodes into values. One for each document."""

    def __init__(self, found: Found) -> None:
        self.found = found

    def value(self, node: Node, path: Path) -> Any:
        """The plain value of a node at `path`."""
        if isinstance(node, ScalarNode):
            return node.value if node.tag == _STR else self._scalar(node, path)
        if len(path) >= DEPTH:
            self.found.problem(node, f"nested deeper than {DEPTH} levels")
            return None
        if isinstance(node, SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._mapping(node, path) if isinstance(node, MappingNode) else None

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        try:
            value, surprise = read_scalar(node.tag, node.value, str(path[-1]) if path else "")
        except ValueError:
            self.found.problem(node, f"the tag {node.tag} means nothing here", "write the value itself")
            return node.value
        if surprise is not None:
            self.found.surprises.append((path, line_of(node), surprise))
        return value

    def _mapping(self, node: MappingNode, path: Path) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged.append(value_node)
                continue
            if not isinstance(key_node, ScalarNode):
                self.found.problem(key_node, "a key is text, not a list or a mapping")
                continue
            key = key_node.value if key_node.tag != _INT else self._scalar(key_node, (*path, key_node.value))
            if key in lines:
                what = f"the key `{key_node.value}` is already on line {lines[key]}"
                self.found.problem(key_node, what, "the later would silently replace the earlier: keep one")
                continue
            lines[key] = line_of(key_node)
            values[key] = self.value(value_node, (*path, key))
        for value_node in merged:
            self._merge(value_node, values, path)
        return values

    def _merge(self, node: Node, values: dict[Any, Any], path: Path) -> None:
        """`<<: *anchor` or a list of them: what is not there yet."""
        for source in _sources(node):
            if not isinstance(source, MappingNode):
                self.found.problem(node, "`<<` takes a mapping, or a list of mappings")
                return
            for key, value in self._mapping(source, path).items():
                values.setdefault(key, value)


def step(node: Node, key: str | int) -> tuple[Node, Node] | None:
    """The key node and value node one step down, through `<<` too; None where there is none."""
    if isinstance(node, SequenceNode):
        inside = isinstance(key, int) and 0 <= key < len(node.value)
        return (node.value[key], node.value[key]) if inside else None
    if not isinstance(node, MappingNode):
        return None
    for key_node, value_node in node.value:
        if isinstance(key_node, ScalarNode) and key_node.tag != _MERGE and key_node.value == str(key):
            return key_node, value_node
    steps = (step(source, key) for pair in node.value if pair[0].tag == _MERGE for source in _sources(pair[1]))
    return next((found for found in steps if found is not None), None)


def _sources(node: Node) -> list[Node]:
    """What `<<` names: a mapping, or a list of them."""
    return node.value if isinstance(node, SequenceNode) else [node]
