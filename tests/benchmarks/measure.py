"""Running a command as a whole process tree, and how noisy this machine is while we do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NOISY_ABOVE = 1.15
"""Spread (slowest / fastest) of a fixed piece of work above which times are not evidence."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One command: wall and CPU seconds of its process tree, peak resident memory of its largest process in MB."""

    wall: float
    cpu: float
    peak_mb: float
    code: int
    stdout: str

    def cpu_ms_per(self, count: int) -> float:
        return 1000 * self.cpu / count


def run(argv: Sequence[str], env: Mapping[str, str] | None = None, stdin: str = "") -> Measured:
    """Run to the end, output kept. CPU is what the kernel accounts to the process and the children it waited for."""
    began = time.monotonic()
    process = subprocess.Popen(
        list(argv),
        env=None if env is None else {**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(stdin)
    process.stdin.close()
    stdout = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(time.monotonic() - began, cpu, usage.ru_maxrss / 1024, process.returncode, stdout)


def spin() -> float:
    """CPU-bound wall seconds of a fixed piece of work: what disturbs it disturbs everything."""
    began = time.perf_counter()
    total = 0
    for number in range(400_000):
        total += number * number % 7
    assert total
    return time.perf_counter() - began


def noise(rounds: int = 7) -> float:
    """Slowest over fastest of a few spins; 1.0 is a silent machine."""
    times = [spin() for _ in range(rounds)]
    return max(times) / min(times)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should stay below. `later`: a goal of a later issue: shown, never failed on."""

    name: str
    value: float
    limit: float
    unit: str
    later: bool = False

    @property
    def missed(self) -> bool:
        """Beyond 1.25 × the goal: less is this machine."""
        return not self.later and self.value > 1.25 * self.limit

    def line(self) -> str:
        mark = "later" if self.later else "MISSED" if self.missed else "ok"
        return f"  {self.name:<52} {self.value:>9.2f} {self.unit:<8} goal {self.limit:>7.2f}   {mark}"


def verdict(goals: Sequence[Goal], spread: float) -> int:
    """Print the goals and the noise; the exit code: 1 for a goal missed on a quiet machine."""
    for goal in goals:
        print(goal.line())
    missed = any(goal.missed for goal in goals)
    quiet = spread <= NOISY_ABOVE
    print(f"  machine: {os.cpu_count()} cores, spread of a fixed spin {spread:.2f} ({'quiet' if quiet else 'noisy'})")
    if missed and not quiet:
        print("  noisy: a missed goal is not held against us on this machine now")
    return int(missed and quiet)


def gigactl(*arguments: str) -> list[str]:
    """The program under the interpreter that runs us."""
    return [sys.executable, "-m", "gigactl", *arguments]
