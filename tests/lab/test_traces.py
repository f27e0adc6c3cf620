"""What a lab has left is found by its directory, and by nothing else."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gigactl.errors import LabError, LabMisuse
from gigactl.lab import fleet, traces
from gigactl.lab.record import MARK, RECORD


def test_only_what_carries_this_directory_is_found(tmp_path: Path) -> None:
    lab, other = tmp_path / "lab", tmp_path / "lab2"
    sleeping = [
        subprocess.Popen(["sleep", "60"], env={MARK: str(directory)}, stdin=subprocess.DEVNULL)
        for directory in (lab, other)
    ]
    try:
        _wait_for(lambda: traces.find(lab).processes != ())
        assert traces.find(lab).processes == (sleeping[0].pid,)
        traces.remove(lab)
        assert sleeping[0].wait() == -9
        assert sleeping[1].poll() is None
    finally:
        for process in sleeping:
            process.kill()
            process.wait()


def _wait_for(condition: Callable[[], bool]) -> None:
    """A process has its environment only once it has become the program."""
    for _ in range(100):
        if condition():
            return
        time.sleep(0.02)


def test_nothing_there(tmp_path: Path) -> None:
    assert not traces.find(tmp_path / "lab")
    traces.remove(tmp_path / "lab")


def test_asking_where_no_lab_is(tmp_path: Path) -> None:
    for ask in (fleet.status, lambda place: fleet.fault(place, ["gpu001"], "refused", {})):
        with pytest.raises(LabMisuse, match="is no lab") as nothing:
            ask(tmp_path)
        assert "lab up" in nothing.value.hint
        assert nothing.value.exit_code == 2


def test_asking_a_lab_whose_supervisor_is_gone(tmp_path: Path) -> None:
    (tmp_path / RECORD).touch()
    with pytest.raises(LabError, match="no supervisor answers") as silent:
        fleet.fault(tmp_path, ["gpu001"], "refused", {})
    assert "lab down" in silent.value.hint
    assert silent.value.exit_code == 5
