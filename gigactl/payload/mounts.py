"""Which file systems are judged, and how full they are. Only local ones are ever touched: a dead NFS server blocks
statvfs."""

import os

from gigactl.payload import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

LOCAL = frozenset(("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "bcachefs", "overlay", "vfat"))
MEMORY = frozenset(("tmpfs", "ramfs", "rootfs"))
# container layers, per-service and per-user mounts come and go with what runs; images (squashfs, iso9660) are always
# full
_NOT_OURS = (
    "/var/lib/docker/",
    "/var/lib/containers/",
    "/var/lib/containerd/",
    "/var/lib/kubelet/",
    "/var/snap/",
    "/snap/",
    "/run/",
    "/dev/",
    "/sys/",
    "/proc/",
    "/media/",
    "/mnt/",
)
_MEMORY_PLACES = ("/", "/run", "/tmp", "/var", "/var/tmp", "/var/log", "/var/lib")


def judged(root: str) -> "List[Any]":
    """Mounts worth judging, each device once (its shortest path): Mount shapes whose sizes are still 0."""
    return parse(tree.read(root, "/proc/self/mountinfo", 4 << 20))


def parse(text: str) -> "List[Any]":
    """The same from mountinfo's text."""
    seen: "Dict[str, Dict[str, Any]]" = {}
    by_path: "Dict[str, Tuple[str, Dict[str, Any]]]" = {}
    for line in text.splitlines():
        mount = _parse(line)
        if mount is not None:
            by_path[mount[1]["path"]] = mount  # what is mounted over another hides it
    for device, judged_one in sorted(
        by_path.values(), key=lambda one: (one[1]["path"] != "/", len(one[1]["path"]), one[1]["path"])
    ):
        seen.setdefault(device, judged_one)
    return list(seen.values())


def _parse(line: str) -> "Optional[Tuple[str, Dict[str, Any]]]":
    left, mark, right = line.partition(" - ")
    here, there = left.split(), right.split()
    if not mark or len(here) < 6 or len(there) < 3:
        return None
    path, kind = _unescaped(here[4]), there[0]
    if path in ("/sys", "/proc", "/dev") or path.startswith(_NOT_OURS):
        return None
    if not (kind in LOCAL or (kind in MEMORY and path in _MEMORY_PLACES)):
        return None
    options = here[5].split(",") + there[2].split(",")
    return here[2], {
        "path": path,
        "device": _unescaped(there[1]),
        "kind": kind,
        "size": 0,
        "available": 0,
        "inodes": 0,
        "inodes_free": 0,
        "readonly": "ro" in options,
    }


def _unescaped(text: str) -> str:
    for code, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, plain)
    return text


def measured(root: str, mount: "Dict[str, Any]", statvfs: "Callable[[str], Any]" = os.statvfs) -> "Dict[str, Any]":
    """The mount with its sizes. Raises OSError where the file system does not answer."""
    sizes = statvfs(tree.join(root, mount["path"]))
    return dict(
        mount,
        size=sizes.f_blocks * sizes.f_frsize,
        available=sizes.f_bavail * sizes.f_frsize,
        inodes=sizes.f_files,
        inodes_free=sizes.f_ffree,
    )
