"""The plan of one host's boot: which file systems it sees, and the files that are its own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gigactl.lab.effect import Effect, Root
from gigactl.lab.inside import KERNEL_LOG, STATE
from gigactl.lab.layers import Layers
from gigactl.lab.plan import NODEV, NOEXEC, NOSUID, Plan

_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_DEV_LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
# below /proc: what root could do there would be done to this machine
_MACHINE_WIDE = ("sys", "sysrq-trigger", "irq", "bus")
_NVIDIA_MAJOR, _CONTROL_MINOR = 195, 255  # Documentation/admin-guide/devices.txt
_RUN_DIRECTORIES = {"sshd": 0o755, "lock": 0o1777, "user": 0o755, "systemd": 0o755, "systemd/system": 0o755,
                    "nvidia-lab": 0o755, "nvidia-lab/sys": 0o700, "nvidia-lab/sys/changes": 0o755,
                    "nvidia-lab/sys/work": 0o755, "nvidia-lab/units": 0o755}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Disk:
    """Where a host's root overlay is put together: mount point, and the writable pair on one file system."""

    root: Path
    upper: Path
    work: Path


@dataclass(frozen=True, slots=True)
class Content:
    """The files that only this host has: NVML state, kernel log, and what differs below /sys."""

    name: str
    state: str
    kernel_log: str
    sys: Mapping[str, str]
    gpus: Sequence[int]


def boot_plan(disk: Disk, layers: Layers, content: Content, change: Effect) -> Plan:
    """Everything labhost does for a boot, in order."""
    plan = Plan()
    lower = [layers.base, Path("/")] if change.python else [layers.no_python, layers.base, Path("/")]
    plan.root(disk.root, lower, disk.upper, disk.work)
    plan.mount("proc", "proc", "hidepid=0", NOSUID | NODEV | NOEXEC)
    _run(plan, content)
    _dev(plan, content)
    _sys(plan, layers, content)
    for path in _MACHINE_WIDE:
        if Path("/proc", path).exists():
            plan.bind(f"proc/{path}", f"proc/{path}")
    plan.bind("run/nvidia-lab/boot_id", "proc/sys/kernel/random/boot_id")
    for source, target in ((layers.modules, "proc/modules"), (layers.driver, "proc/driver")):
        if Path("/", target).exists():  # a kernel without loadable modules has no place for the first
            plan.bind(source, target)
    plan.name(content.name)
    if change.root is Root.READONLY:
        plan.readonly()
    return plan


def _run(plan: Plan, content: Content) -> None:
    plan.mount("tmpfs", "run", "mode=755", NOSUID | NODEV)
    for path, mode in _RUN_DIRECTORIES.items():
        plan.directory(f"run/{path}", mode)
    plan.file("run/utmp", "", 0o664)
    plan.file("run/nvidia-lab/boot_id", f"{uuid.uuid4()}\n", 0o444)
    plan.file(STATE, content.state)


def _dev(plan: Plan, content: Content) -> None:
    plan.mount("tmpfs", "dev", "mode=755", NOSUID)
    for name, (major, minor) in _DEVICES.items():
        plan.node(f"dev/{name}", major, minor)
    for name, target in _DEV_LINKS.items():
        plan.link(f"dev/{name}", target)
    plan.directory("dev/pts")
    plan.directory("dev/shm", 0o1777)
    plan.mount("devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=620,gid=5", NOSUID | NOEXEC)
    for number in content.gpus:
        plan.node(f"dev/nvidia{number}", _NVIDIA_MAJOR, number)
    plan.node("dev/nvidiactl", _NVIDIA_MAJOR, _CONTROL_MINOR)
    plan.file(KERNEL_LOG, content.kernel_log)


def _sys(plan: Plan, layers: Layers, content: Content) -> None:
    """The shared /sys with this host's changes on top; processors and memory stay this machine's."""
    changes = "upperdir=run/nvidia-lab/sys/changes,workdir=run/nvidia-lab/sys/work"
    plan.mount("overlay", "sys", f"lowerdir={layers.sys},{changes}", NOSUID | NODEV | NOEXEC)
    for path, text in content.sys.items():
        plan.file(f"sys/{path}", text, 0o400)
    plan.bind("/sys/devices/system", "sys/devices/system")
