"""What a fresh process loads: nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "rich",
    "paramiko",
    "cryptography",
    "yaml",
    "msgspec",
    "jsonschema",
    "ClusterShell",
    "tenacity",
    "asyncio",
    "pydantic",
)

LEAVES = [
    "health check", "health show", "health explain", "exec", "inventory list", "inventory show", "inventory hosts",
    "inventory validate", "inventory trust", "inventory clean",
    "lab up", "lab status", "lab fault", "lab freeze", "lab down",
]  # fmt: skip

PROGRAM = """
import sys
sys.argv = ["gigactl", *{argv!r}]
from gigactl.__main__ import main
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = 0
print(code, *sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
print(*sorted(name for name in sys.modules if name.startswith("gigactl.")), file=sys.stderr)
"""


def loaded(*argv: str) -> tuple[str, set[str], set[str], str]:
    """Exit code, top-level modules, gigactl's own modules, stdout."""
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
    assert not modules & {"typer", *HEAVY}


def test_help_loads_names_and_one_line_helps_only() -> None:
    code, modules, own, stdout = loaded("--help")
    assert code == "0"
    assert all(name in stdout for name in ("health", "exec", "inventory", "lab"))
    assert not modules & set(HEAVY)
    rooms = {name.split(".")[1] for name in own}
    assert rooms <= {"__main__", "cli", "errors", "results"}
    assert not [name for name in own if name.split(".")[2:3] in (["health"], ["exec"], ["inventory"], ["lab"])]


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_commands_help_loads_its_declaration_only(leaf: str) -> None:
    code, modules, _, stdout = loaded(*leaf.split(), "--help")
    assert code == "0"
    assert stdout.startswith(f"Usage: gigactl {leaf}")
    assert not modules & set(HEAVY)


def test_arguments_are_read_without_a_validation_library() -> None:
    code, modules, _, _ = loaded("-i", "nowhere.yaml", "lab", "up", "--hosts", "4")
    assert code == "2"
    assert not modules & set(HEAVY)
