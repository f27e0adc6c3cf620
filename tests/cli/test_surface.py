"""The commands there are, what each understands, and that every one of them explains itself."""

from __future__ import annotations

import pytest

from gigactl.cli.options import EVERYWHERE, GLOBALS
from gigactl.cli.surface import surface
from tests.cli.harness import Program
from tests.cli.test_startup import LEAVES

FLAGS = {name: set(option.flags) for name, option in GLOBALS.items()}


def test_these_are_the_commands() -> None:
    assert list(surface().commands) == ["", *LEAVES]


def test_the_root_knows_every_global_option() -> None:
    assert set().union(*FLAGS.values()) <= set(surface().commands[""])


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_command_understands_what_all_do_and_explains_itself(program: Program, leaf: str) -> None:
    options = set(surface().commands[leaf])
    assert all(FLAGS[name] <= options for name in EVERYWHERE)
    text = program(*leaf.split(), "-h").out
    assert all(option in text for option in options)


@pytest.mark.parametrize("leaf", ["exec", "inventory trust", "inventory clean"])
def test_what_changes_something_can_be_tried_and_confirmed(leaf: str) -> None:
    assert {"--dry-run", "--yes", "--limit"} <= set(surface().commands[leaf])


def test_yes_limit_and_dry_run_have_no_environment_form(program: Program) -> None:
    said = {f"GIGACTL_{name.upper()}": "1" for name in ("yes", "dry_run", "limit")}
    done = program.among(said)("exec", "-l", "gpu001", "--become", "--", "true")
    assert done.code == 3
    assert all(f"{variable} has no meaning" in done.err for variable in said)
    assert not set(said) & set(surface().environment)
