"""What the lab needs of this machine, asked before anything is made; and the one C program, compiled once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from gigactl.errors import LabError, LabMisuse

# tool: the Debian and Ubuntu package that has it
TOOLS = {
    "gcc": "gcc",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "sudo": "sudo",
    "unshare": "util-linux",
    "mount": "mount",
    "umount": "mount",
    "losetup": "mount",
    "mkfs.ext4": "e2fsprogs",
    "ldconfig": "libc-bin",
    "chroot": "coreutils",
    "cp": "coreutils",
    "stat": "coreutils",
    "dmesg": "util-linux",
}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SOURCE = Path(__file__).parent / "host" / "labhost.c"
# mounted apart from the root file system these would be missing from the hosts, whose base it is
_ONE_FILE_SYSTEM = ("/usr", "/etc", "/var", "/var/lib")


def require_root() -> None:
    """LabMisuse unless this is Linux and we are root."""
    if sys.platform != "linux":
        raise LabMisuse(f"the rehearsal fleet needs Linux, this is {sys.platform}")
    if os.geteuid() != 0:
        raise LabMisuse("the rehearsal fleet needs root (namespaces, mounts)", hint="run it with sudo")


def find(tool: str) -> str:
    """The path of a tool, also where the caller's PATH has no sbin."""
    path = shutil.which(tool, path=SYSTEM_PATH)
    if path is None:
        raise LabMisuse(f"{tool} is missing", hint=f"apt-get install {TOOLS[tool]}")
    return path


def check_tools(path: str = SYSTEM_PATH) -> None:
    """LabMisuse naming every tool that is not on the path, and the packages that have them."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        packages = " ".join(sorted({TOOLS[tool] for tool in missing}))
        raise LabMisuse(f"missing: {', '.join(missing)}", hint=f"apt-get install {packages}")


def check_machine() -> None:
    """LabMisuse for what about this machine cannot carry a lab."""
    require_root()
    check_tools()
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        subprocess.run(["/sbin/modprobe", "overlay"], capture_output=True, check=False)
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        raise LabMisuse("this kernel has no overlayfs", hint="modprobe overlay")
    root = Path("/").stat().st_dev
    apart = [path for path in _ONE_FILE_SYSTEM if Path(path).stat().st_dev != root]
    if apart:
        raise LabMisuse(f"{', '.join(apart)} is not on the root file system, which is what the hosts are made of")


def run(command: Iterable[str]) -> str:
    """Run a tool of this machine; LabError with what it said when it fails. Returns its standard output."""
    name, *arguments = command
    done = subprocess.run(
        [find(name), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": SYSTEM_PATH, "LC_ALL": "C"},
    )
    if done.returncode != 0:
        raise LabError(f"{name} {' '.join(arguments)}: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done.stdout


def cache_directory() -> Path:
    """Where compiled and fetched things are kept between labs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gigactl" / "lab"


def build_labhost(cache: Path) -> Path:
    """The compiled `labhost`, from the cache when its source has not changed."""
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    target = cache / f"labhost-{digest}"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / f".labhost-{os.getpid()}"
    command = [find("gcc"), "-O2", "-std=gnu11", "-o", str(partial), str(_SOURCE)]
    # statically linked, a sleeping PID 1 costs a third of the memory
    done = subprocess.run([*command, "-static"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            f"gcc could not compile labhost.c: {done.stderr.strip()[-500:]}", hint="apt-get install gcc libc6-dev"
        )
    partial.rename(target)
    return target


def masked_paths(lab: Path) -> tuple[str, ...]:
    """Directories of this machine that no host may see: gigactl's checkout and environment, the lab itself."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent if (package.parent / "pyproject.toml").exists() else package
    found = {str(checkout), str(lab)}
    if sys.prefix != sys.base_prefix:
        found.add(str(Path(sys.prefix).resolve()))
    return tuple(sorted(found))
