"""The README cannot drift: commands, options, exit codes, environment and example against the program."""

from __future__ import annotations

import re
from pathlib import Path

from gigactl.cli.surface import surface
from gigactl.inventory.load import load_inventory
from gigactl.inventory.selector import select
from gigactl.settings import DEFAULTS, ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands_named() -> set[str]:
    """`health check`, … as the block of commands lists them; `a|b` stands for two."""
    named = set()
    for line in re.findall(r"^gigactl (\S+(?: \S+)?)", README.split("## Commands")[1].split("```")[1], re.MULTILINE):
        noun, _, verbs = line.partition(" ")
        named |= {f"{noun} {verb}" for verb in verbs.split("|")} if verbs[:1].isalpha() else {noun}
    return named


def test_every_command_is_there_and_no_other() -> None:
    assert commands_named() == {command for command in surface().commands if command}


def test_every_option_is_there() -> None:
    options = {option for options in surface().commands.values() for option in options}
    assert {option for option in options if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", README)} == set()


def test_no_option_is_made_up() -> None:
    known = {option for options in surface().commands.values() for option in options} | {"--help", "-h"}
    later = {"--detailed-exitcode"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) <= known | later


def test_exit_codes_are_the_programs_in_their_order() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", README, re.MULTILINE)
    assert [(int(code), meaning) for code, meaning in rows] == list(surface().exit_codes.items())


def test_every_setting_is_there() -> None:
    rows = re.findall(r"^\| (?:`(GIGACTL_\w+)`|–) \| `(\w+)`", README, re.MULTILINE)
    assert {name: setting for name, setting in rows if name} == dict(ENVIRONMENT)
    assert {setting for _, setting in rows} == set(DEFAULTS)
    assert {name for name in surface().environment if name not in README} == set()


def test_the_example_fleet_loads(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(# fleet.yaml.*?)```", README, re.DOTALL)
    assert example is not None
    file = tmp_path / "fleet.yaml"
    file.write_text(example.group(1), encoding="utf-8")
    inventory = load_inventory(file)
    assert len(inventory.hosts) == 8
    assert [host.name for host in select(inventory, "@rack:r01!gpu003")] == ["gpu001", "gpu002", "gpu004"]


def test_links_lead_somewhere() -> None:
    assert [name for name in re.findall(r"\]\(([^)]+)\)", README) if not (ROOT / name).exists()] == []
