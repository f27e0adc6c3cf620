"""One fleet for all the tests here: a host for every expected fault, and a few that stay healthy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gigactl.lab import fleet
from tests.end_to_end.expected import CASES

HEALTHY = 3


@pytest.fixture(scope="session")
def lab() -> Iterator[fleet.LabStatus]:
    """The fleet, healthy. Outside /tmp, which lab hosts do not see but pytest cleans."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    with tempfile.TemporaryDirectory(prefix="gigactl-e2e-", dir="/var/tmp") as folder:
        directory = Path(folder) / "lab"
        try:
            yield fleet.up(fleet.LabOptions(dir=directory, hosts=len(CASES) + HEALTHY, gpus=8, board="h200"))
        finally:
            fleet.down(directory)
