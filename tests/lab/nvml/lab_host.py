"""A directory with the lab's library and a state in it, and programs that run against it as on a host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gigactl.lab import boards, nvml_build, nvml_state, tools

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 60
CACHE = tools.cache_directory()  # read before any test has a HOME of its own: compiled once, fetched once


@dataclass(frozen=True)
class LabHost:
    """`state`: the file. `environment`: what makes a program take the library and the state from here."""

    directory: Path

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "LD_LIBRARY_PATH": str(self.directory), "NVIDIA_LAB_STATE": str(self.state),
                "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C"}  # fmt: skip

    def run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """A program from beginning to end."""
        return subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            cwd=self.directory,
            env=self.environment,
            check=False,
        )

    def python(self, code: str) -> str:
        """What a piece of Python prints; it begins with pynvml imported as `nv`."""
        done = self.run([sys.executable, "-c", f"import ctypes\nimport pynvml as nv\n{code}"])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def everything(self) -> Any:
        """What `every_call` finds here."""
        done = self.run([sys.executable, "-m", "tests.lab.nvml.every_call"])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def change(self, changes: Mapping[str, str | None]) -> None:
        """Alter the state while programs run."""
        nvml_state.rewrite(self.state, changes)


def make(
    directory: Path,
    board: str = "h200",
    driver: str = "580.126.20",
    gpus: int = 8,
    overrides: Mapping[str, str] | None = None,
    hostname: str = "gpu001",
) -> LabHost:
    """A host with this board and driver; `overrides` are state lines."""
    directory.mkdir(parents=True, exist_ok=True)
    library = nvml_build.build(driver, CACHE)
    (directory / "libnvidia-ml.so.1").symlink_to(library)
    state = nvml_state.render(boards.load()[board], hostname, gpus, driver, overrides or {})
    (directory / "state").write_text(state, encoding="utf-8")
    return LabHost(directory)
