"""The house rules that ruff does not know: sizes of modules and functions, module docstrings, words we do not use."""

from __future__ import annotations

import ast
import re
import statistics
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "gigactl").rglob("*.py"))
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTION):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_modules_stay_small() -> None:
    sizes = {path.relative_to(ROOT): lines(path) for path in MODULES if path.name != "__init__.py"}
    assert {path: size for path, size in sizes.items() if size > 500} == {}
    assert statistics.median(sizes.values()) <= 150


def test_functions_stay_small() -> None:
    sizes = {
        f"{path.relative_to(ROOT)}:{name}": size
        for path in MODULES
        for name, size in functions(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert {name: size for name, size in sizes.items() if size > 80} == {}
    assert statistics.quantiles(sizes.values(), n=20)[-1] <= 35


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_the_fields_words(path: Path) -> None:
    """manager, helper, util and handler say nothing about what a thing is (libraries' own names are theirs)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [node.name for node in ast.walk(tree) if isinstance(node, (*FUNCTION, ast.ClassDef))] + [path.stem]
    wrong = re.compile(r"(?i)(^|_)(manager|helper|utils?|handler)s?(_|$)|[a-z](Manager|Helper|Util|Handler)$")
    assert [name for name in named if wrong.search(name)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_type_that_is_ignored_says_why(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if re.search(r"# type: ignore(?!\[[\w,-]+\]  # \w)", line)] == []


def test_every_library_that_is_imported_is_asked_for() -> None:
    """What only comes along with another library goes when that one drops it."""
    imported = {
        name.partition(".")[0]
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imports(node)
    }
    distributions = packages_distributions()
    others = {name for name in imported - sys.stdlib_module_names - {"gigactl"} if not name.startswith("_")}
    needed = {distributions[name][0].lower() for name in others}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[<>=!~\[ ]", requirement)[0].lower() for requirement in project["dependencies"]}
    assert needed == asked


def imports(node: ast.AST) -> Iterator[str]:
    """Absolute names that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module


def test_nothing_of_this_machine_is_committed() -> None:
    """No path of a developer's machine, no registry address."""
    pattern = re.compile(r"/wor[k]/|/far[m]/|/root/\.pyen[v]|index-ur[l]|\"resolved\": *\"http")
    found = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*")
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yaml", ".sh", ".c", ".h"}
        and ".venv" not in path.parts
        and path != Path(__file__).resolve()
        and pattern.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
