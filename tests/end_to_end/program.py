"""Running `gigactl` as a user does: a process of its own, no terminal, an environment we choose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Ran:
    """What came back from one run."""

    code: int
    stdout: str
    stderr: str

    @property
    def answer(self) -> Any:
        """stdout as one JSON value."""
        return json.loads(self.stdout)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "gigactl", *(str(argument) for argument in arguments)]


def environment(**more: str) -> dict[str, str]:
    """As cron gives it: next to nothing, and a HOME of the test's own."""
    root = str(Path(__file__).resolve().parents[2])
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ["HOME"], "PYTHONPATH": root, **more}


def gigactl(*arguments: str | Path, env: Mapping[str, str] | None = None, seconds: float = 90) -> Ran:
    done = subprocess.run(
        command(*arguments),
        env=environment() if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
