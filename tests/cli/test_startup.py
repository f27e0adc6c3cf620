"""What a fresh process loads: nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

NAMES_AND_HELPS = {"gigactl", "typer", "annotated_doc", "shellingham"}
"""All that may be loaded, beside the standard library, before a command runs; typer brings the last two."""

LEAVES = [
    "health check", "health show", "health explain", "exec", "inventory list", "inventory show", "inventory hosts",
    "inventory validate", "inventory trust", "inventory clean",
    "lab up", "lab status", "lab fault", "lab freeze", "lab down",
]  # fmt: skip

PROGRAM = """
import sys
before = set(sys.modules)  # what the installation itself loads in every process
sys.argv = ["gigactl", *{argv!r}]
from gigactl.__main__ import main
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = 0
modules = {{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names
print(code, *sorted(modules), *sorted({{"asyncio"}} & set(sys.modules)), file=sys.stderr)
print(*sorted(name for name in sys.modules if name.startswith("gigactl.")), file=sys.stderr)
"""


def loaded(*argv: str) -> tuple[str, set[str], set[str], str]:
    """Exit code, top-level modules beside the standard library's (and asyncio), gigactl's own modules, stdout."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(argv=list(argv))], capture_output=True, text=True, check=True
    )
    first, second = done.stderr.splitlines()[-2:]
    code, *modules = first.split()
    return code, set(modules), set(second.split()), done.stdout


def test_the_version_loads_nothing() -> None:
    code, modules, own, stdout = loaded("--version")
    assert (code, stdout.split()[0]) == ("0", "gigactl")
    assert own == {"gigactl.__main__"}
    assert modules == {"gigactl"}


def test_help_loads_names_and_one_line_helps_only() -> None:
    code, modules, own, stdout = loaded("--help")
    assert code == "0"
    assert all(name in stdout for name in ("health", "exec", "inventory", "lab"))
    assert modules <= NAMES_AND_HELPS
    rooms = {name.split(".")[1] for name in own}
    assert rooms <= {"__main__", "cli", "errors", "results"}
    assert not [name for name in own if name.split(".")[2:3] in (["health"], ["exec"], ["inventory"], ["lab"])]


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_commands_help_loads_its_declaration_only(leaf: str) -> None:
    code, modules, own, stdout = loaded(*leaf.split(), "--help")
    assert code == "0"
    assert stdout.startswith(f"Usage: gigactl {leaf}")
    assert modules <= NAMES_AND_HELPS
    assert any(name.startswith("gigactl.lab") for name in own) == (leaf == "lab fault")  # its help lists the faults


def test_arguments_are_read_without_a_validation_library() -> None:
    code, modules, _, _ = loaded("-i", "nowhere.yaml", "lab", "up", "--hosts", "4")
    assert code == "2"
    assert modules <= NAMES_AND_HELPS
