"""For every test: an environment that says nothing, so that CI's, a terminal's and a developer's own cannot leak in."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_SPEAKS_TO_US = (
    "CI", "GITHUB_ACTIONS", "GITLAB_CI", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TERM", "COLUMNS", "LINES",
    "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "NVIDIA_LAB_STATE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Own HOME and XDG directories, no GIGACTL_* setting; afterwards nothing may have changed logging's level."""
    for name in [*_SPEAKS_TO_US, *(name for name in os.environ if name.startswith("GIGACTL_"))]:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for variable, folder in (
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_STATE_HOME", ".local/state"),
        ("XDG_CACHE_HOME", ".cache"),
    ):
        monkeypatch.setenv(variable, str(home / folder))
    level = logging.getLogger().level
    yield
    assert logging.getLogger().level == level, "the test changed the root logger's level"
