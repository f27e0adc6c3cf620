"""Streams that were closed before we began: cron and supervisors do that, and the exit code must still be true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FLEET = "version: 1\nhosts:\n  here: {address: 127.0.0.1, transport: local}\n"


def run(folder: Path, words: str, closed: str) -> int:
    (folder / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    script = f'exec "{sys.executable}" -m gigactl -i "{folder}/fleet.yaml" {words} {closed}'
    return subprocess.run(["sh", "-c", script], capture_output=True, timeout=60, check=False).returncode


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"])
def test_the_exit_code_does_not_depend_on_who_listens(tmp_path: Path, closed: str) -> None:
    assert run(tmp_path, "exec -l here -y -- true", closed) == 0
    assert run(tmp_path, "exec -l here -y -- false", closed) == 5


def test_without_a_stdin_nobody_is_asked(tmp_path: Path) -> None:
    assert run(tmp_path, "exec -l here --become -- true", "<&-") == 2


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1"])
def test_a_timeout_is_a_number_of_seconds(tmp_path: Path, seconds: str) -> None:
    assert run(tmp_path, f"health check --timeout {seconds}", "") == 2
