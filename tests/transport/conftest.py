"""One sshd for all tests of a process; those that need another configuration start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transport.sshd import Sshd, prepare, serving


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with host keys and a user's key."""
    return prepare(tmp_path_factory.mktemp("sshd"))


@pytest.fixture(scope="session")
def sshd(keys: Path) -> Iterator[Sshd]:
    with serving(keys) as server:
        yield server
