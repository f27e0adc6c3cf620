"""One small fleet for all tests of this room; each test that breaks a host gives it back whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gigactl.lab import fleet, tools, traces
from gigactl.lab.options import LabOptions, LabStatus
from tests.lab.seen import Seen


@pytest.fixture(scope="session")
def cache() -> Path:
    """What labs have compiled and fetched before; asked for while HOME is still the user's own."""
    return tools.cache_directory()


@pytest.fixture(scope="session")
def lab(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStatus]:
    """Three hosts; when the last test is done nothing of them may be left."""
    if os.geteuid() != 0:
        pytest.skip("the rehearsal fleet needs root")
    directory = tmp_path_factory.mktemp("fleet") / "lab"
    found = fleet.up(LabOptions(directory, hosts=3, port=2322), cache)
    yield found
    fleet.down(directory)
    assert not traces.find(directory)
    assert not directory.exists()


@pytest.fixture
def host(lab: LabStatus) -> Iterator[Seen]:
    """The first host, without faults before and after."""
    yield Seen(lab, lab.hosts[0])
    fleet.clear(lab.dir, [lab.hosts[0].name])


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A directory for a second lab, taken down whatever happens."""
    if os.geteuid() != 0:
        pytest.skip("the rehearsal fleet needs root")
    directory = tmp_path / "second"
    yield directory
    fleet.down(directory)
