"""Debian's real nvidia-smi for the lab's hosts: fetched into a cache, unpacked there, never installed, never shipped.

It is NVIDIA's and proprietary (Debian's section non-free). The version may be older than the lab's driver: NVML's
interface is stable, so that a program of branch 535 runs on the library of a newer driver.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from gigactl.errors import LabError

PACKAGE, VERSION = "nvidia-smi", "535.261.03-1"
_SOURCE = "deb [signed-by={keyring}] http://deb.debian.org/debian bookworm non-free\n"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_BINARY = "usr/lib/nvidia/current/nvidia-smi"
_LIMIT_S = 90
# apt's own places, moved into a directory of ours: this machine's sources, lists and cache stay as they are
_CONFIGURATION = """\
Dir::Etc::SourceList "{at}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "{at}/lists";
Dir::Cache "{at}/cache";
APT::Architecture "amd64";
APT::Architectures "amd64";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "15";
APT::Sandbox::User "root";
"""


def fetch(cache: Path) -> Path:
    """The program, from the cache or else from Debian's archive.

    Raises LabError saying why it cannot be had: no apt, no keyring of Debian's, the archive out of reach.
    """
    target = cache / f"nvidia-smi-{VERSION}"
    if target.exists():
        return target
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if missing:
        raise LabError(f"nvidia-smi cannot be fetched: this machine has no {' and no '.join(missing)}")
    if not _KEYRING.exists():
        hint = "apt-get install debian-archive-keyring"
        raise LabError("nvidia-smi cannot be fetched: Debian's keys are missing", hint=hint)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".nvidia-smi-", dir=cache) as place:
        found = _unpacked(Path(place))
        found.rename(target)
    return target


def _unpacked(place: Path) -> Path:
    for directory in ("lists/partial", "cache/archives/partial"):
        (place / directory).mkdir(parents=True)
    (place / "sources.list").write_text(_SOURCE.format(keyring=_KEYRING), encoding="ascii")
    (place / "apt.conf").write_text(_CONFIGURATION.format(at=place), encoding="utf-8")
    _run(place, "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
    _run(place, "apt-get", "-q", "download", f"{PACKAGE}={VERSION}")
    packages = sorted(place.glob("*.deb"))
    if not packages:
        raise LabError("nvidia-smi cannot be fetched: apt-get downloaded nothing")
    _run(place, "dpkg", "-x", str(packages[0]), str(place / "unpacked"))
    return place / "unpacked" / _BINARY


def _run(place: Path, *command: str) -> None:
    """Run one of the package tools in our directory; LabError with its last words when it fails."""
    environment = {**os.environ, "APT_CONFIG": str(place / "apt.conf"), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"nvidia-smi cannot be fetched: {command[0]} took longer than {_LIMIT_S} s") from None
    if done.returncode != 0:
        raise LabError(
            f"nvidia-smi cannot be fetched: {(done.stdout.strip().splitlines() or [f'exit {done.returncode}'])[-1]}"
        )
