"""Fleets for the commands: simulated ones for most tests, one rehearsal fleet for the end-to-end ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.harness import Program

INVENTORY = """\
version: 1
defaults:
  ssh: {user: ops}
hosts:
  gpu[001-004]: {address: "10.20.1.[1-4]", model: sr680a-v3, board: h200, labels: {rack: r01}, groups: [training]}
  gpu[005-008]: {address: "10.20.1.[5-8]", model: sr680a-v3, board: h200, labels: {rack: r02}, groups: [training]}
groups:
  training: {vars: {driver: "580.126.20"}}
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """Eight hosts; `-i` is not needed in the directory of `program`."""
    file = tmp_path / "fleet.yaml"
    file.write_text(INVENTORY, encoding="utf-8")
    return file


@pytest.fixture
def program(tmp_path: Path, inventory: Path) -> Program:
    """gigactl in a directory whose inventory has eight hosts."""
    return Program(tmp_path, environ={"GIGACTL_INVENTORY": str(inventory)})
