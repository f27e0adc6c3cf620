"""Compiles the lab's NVML library, one for each driver version, into a cache."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

from gigactl.errors import LabError, LabMisuse
from gigactl.lab.tools import find

_SOURCES = Path(__file__).parent / "nvml"
_VERSION = re.compile(r"(\d{3})\.(\d{1,3})(?:\.\d{1,3})?")
_OLDEST = 535  # the sources know what came after it, and leave that out of older libraries
_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden", "-Wall", "-Wextra",
          "-Wl,-soname,libnvidia-ml.so.1", "-Wl,-z,defs")  # fmt: skip


def build(version: str, cache: Path, sources: Path = _SOURCES) -> Path:
    """libnvidia-ml of a driver version (`580.126.20`), from the cache unless its source has changed.

    Raises LabMisuse: no such version can be, no compiler. LabError: the compiler's own words.
    """
    parts = _VERSION.fullmatch(version)
    if parts is None or int(parts[1]) < _OLDEST:
        raise LabMisuse(f"driver {version} is not a version from {_OLDEST} on, such as 580.126.20")
    target = cache / f"libnvidia-ml-{version}-{_digest(version, sources)}.so"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / f".{target.name}.{os.getpid()}"
    defines = (f'-DLAB_DRIVER="{version}"', f"-DLAB_MAJOR={int(parts[1])}", f"-DLAB_MINOR={int(parts[2])}")
    command = [find("gcc"), *_FLAGS, *defines, "-o", str(partial), *map(str, sorted(sources.glob("*.c")))]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        partial.unlink(missing_ok=True)
        hint = "apt-get install gcc libc6-dev"
        raise LabError(f"gcc could not compile the NVML library: {done.stderr.strip()[-1000:]}", hint=hint)
    partial.rename(target)
    return target


def _digest(version: str, sources: Path) -> str:
    """Over everything the library is made of."""
    sum_ = hashlib.sha256(" ".join((version, *_FLAGS)).encode())
    for source in sorted(sources.iterdir()):
        sum_.update(source.name.encode() + b"\0" + source.read_bytes())
    return sum_.hexdigest()[:16]
