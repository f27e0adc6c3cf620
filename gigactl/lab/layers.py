"""What all hosts of a lab share, laid down once in memory: the layer above this machine's root, /sys, /proc's files.

Layers are on a tmpfs of their own, in the supervisor's mount namespace: overlayfs refuses a lower layer that lies
inside another.
"""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from gigactl.errors import LabError, LabMisuse
from gigactl.lab.fixtures.accounts import accounts, own_homes
from gigactl.lab.fixtures.modules import driver_files, modules
from gigactl.lab.fixtures.units import services, units
from gigactl.lab.tools import run
from gigactl.lab.tree import Tree

_TRIPLETS = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
LIBRARY = "libnvidia-ml.so"
# of this machine, and not of a host: people's files, its logs, what other software keeps there; with the mode of what
# a host has instead
_MASKED = {
    "root": 0o700, "home": 0o755, "tmp": 0o1777, "media": 0o755, "mnt": 0o755, "srv": 0o755, "run": 0o755, "dev": 0o755,
    "var/tmp": 0o1777, "var/log": 0o755, "var/lib/apt/lists": 0o755, "var/lib/gigactl": 0o755,
}  # fmt: skip
# the Filesystem Hierarchy Standard, and what distributions add at the top
_TOP_LEVEL = re.compile(r"bin|boot|dev|etc|home|lib\w*|media|mnt|nix|opt|proc|root|run|sbin|srv|sys|tmp|usr|var")
# every place an interpreter is looked for or commonly stands
_PYTHON_PLACES = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "usr/libexec", "opt/bin")
_PYTHONS = ("python*", "pypy*", "platform-python*")
_DMESG = Path(__file__).parent / "fixtures" / "dmesg.sh"
_REAL_DMESG = "usr/lib/gigactl-lab/dmesg"
# as NVIDIA's packages name the GSP firmware; its content is read by no one but the driver
_FIRMWARE = ("gsp_ga10x.bin", "gsp_tu10x.bin")


@dataclass(frozen=True, slots=True)
class Layers:
    """Paths of the shared layers below the lab's `layers` directory."""

    base: Path
    no_python: Path
    sys: Path
    modules: Path
    driver: Path

    @classmethod
    def below(cls, directory: Path) -> Layers:
        return cls(*(directory / name for name in ("base", "no-python", "sys", "modules", "driver")))


def library_directory() -> str:
    """Where a distribution's packages put libnvidia-ml, relative to the root."""
    kind = platform.machine()
    if kind not in _TRIPLETS:
        raise LabMisuse(f"the rehearsal fleet does not know where libraries stand on {kind}")
    return f"usr/lib/{_TRIPLETS[kind]}"


def base(
    driver: str, public_key: str, masked: Sequence[str], *, fabric_manager: bool, machine: Path = Path("/")
) -> Tree:
    """The layer right above this machine's root."""
    tree = accounts(public_key, machine)
    for path, mode in _MASKED.items():
        tree.mask(path, mode)
    for path in _alien(masked, machine):
        tree.hide(path)
    tree.add(services(units(fabric_manager=fabric_manager)))
    tree.file("usr/bin/dmesg", _DMESG.read_bytes(), 0o755)
    for name in _FIRMWARE:
        tree.file(f"usr/lib/firmware/nvidia/{driver}/{name}", b"\x7fELF lab\n")
    for name in ("wtmp", "btmp", "lastlog"):
        tree.file(f"var/log/{name}", b"", 0o664)
    return tree


def _alien(masked: Sequence[str], machine: Path) -> Iterator[str]:
    """What no host has: top-level directories that only this machine has, and the paths given, unless hidden so."""
    hidden = {*_MASKED, *(path.name for path in machine.iterdir() if not _TOP_LEVEL.fullmatch(path.name))}
    yield from sorted(hidden - set(_MASKED))
    for path in masked:
        relative = PurePath(path).relative_to("/")
        if not hidden & {str(relative), *map(str, relative.parents)}:
            yield str(relative)


def no_python(machine: Path = Path("/")) -> Tree:
    """A layer in which no Python interpreter of this machine can be seen."""
    tree = Tree()
    for place in _PYTHON_PLACES:
        for pattern in _PYTHONS:
            for path in (machine / place).glob(pattern):
                tree.hide(str(path.relative_to(machine)))
    return tree


def proc(driver: str, switches: tuple[str, ...]) -> Tree:
    """What is shown over files of /proc: `modules` and the directory `driver`."""
    tree = Tree()
    tree.file("modules", modules(), 0o444)
    for path, (content, mode) in driver_files(driver, switches).files.items():
        tree.file(f"driver/{path}", content, mode)
    return tree


def add_software(layers: Layers, driver: str, library: Path, nvidia_smi: str) -> None:
    """Put the NVML library (and nvidia-smi, where there is one) into the base layer, as packages would."""
    directory = layers.base / library_directory()
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(library, directory / f"{LIBRARY}.{driver}")
    (directory / f"{LIBRARY}.1").symlink_to(f"{LIBRARY}.{driver}")
    if nvidia_smi:
        target = layers.base / "usr/bin/nvidia-smi"
        shutil.copyfile(nvidia_smi, target)
        target.chmod(0o755)
    shutil.copy("/usr/bin/dmesg", layers.base / _REAL_DMESG)
    own_homes(layers.base)


def run_ldconfig(layers: Layers, scratch: Path) -> None:
    """Bring the linker's cache of the base layer up to date, by the distribution's own ldconfig in the merged view.

    `scratch`: a directory to be made where the hosts will write. LabMisuse where that can be no overlay's upper layer.
    """
    upper, work, merged = (scratch / name for name in ("upper", "work", "merged"))
    for path in (upper, work, merged):
        path.mkdir(parents=True)
    options = f"lowerdir={layers.base}:/,upperdir={upper},workdir={work}"
    try:
        run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)])
    except LabError as error:
        kind = run(["stat", "--file-system", "--format=%T", str(scratch)]).strip()
        raise LabMisuse(
            f"{scratch.parent} is on {kind}, which cannot be what an overlay writes to",
            hint="choose a directory on a disk or a tmpfs with --dir, for example /dev/shm/lab",
        ) from error
    try:
        run(["chroot", str(merged), "/sbin/ldconfig"])
    finally:
        run(["umount", str(merged)])
    shutil.copyfile(upper / "etc/ld.so.cache", layers.base / "etc/ld.so.cache")
    shutil.rmtree(scratch)
