"""Cuts pynvml.py down to what the payload uses: importing all of it costs a host 50 ms per probe, the part 5.

Statements are kept whole and unchanged, with the licence header; a test compares each kept function with the
original's.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

# pynvml makes an exception class of each of these by looking through its own names
_BY_REFLECTION = "NVML_ERROR_"


def pruned(source: str, users: Iterable[str]) -> str:
    """The statements of `source` that `users` (modules that import it as nv) need, themselves or through others."""
    tree = ast.parse(source)
    definitions: dict[str, list[ast.stmt]] = defaultdict(list)
    wanted = {name for user in users for name in _names_used(user)}
    kept: set[ast.stmt] = set()
    for statement in tree.body:
        for name in _defines(statement):
            definitions[name].append(statement)
        if _acts(statement):
            kept.add(statement)
    wanted |= {name for name in definitions if name.startswith(_BY_REFLECTION)}
    wanted |= {name for statement in kept for name in _refers(statement)}
    done: set[str] = set()
    while wanted:
        name = wanted.pop()
        done.add(name)
        for statement in definitions.get(name, ()):
            kept.add(statement)
            wanted |= set(_refers(statement)) - done
    lines = source.splitlines(keepends=True)
    header = lines[: _first_line(tree.body[0]) - 1]
    body = (lines[_first_line(one) - 1 : one.end_lineno] for one in tree.body if one in kept)
    return "".join(header) + "".join(line for part in body for line in part)


def _names_used(user: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(user)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nv":
            yield node.attr


def _defines(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in statement.names)
    else:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def _acts(statement: ast.stmt) -> bool:
    """Whether a statement is kept for what it does, not for what it names: a bare call, or `from ctypes import *`."""
    if isinstance(statement, ast.ImportFrom):
        return any(alias.name == "*" for alias in statement.names)
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


def _refers(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Global):
            yield from node.names


def _first_line(statement: ast.stmt) -> int:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef) and statement.decorator_list:
        return min(statement.lineno, *(decorator.lineno for decorator in statement.decorator_list))
    return statement.lineno
