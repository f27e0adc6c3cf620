"""Reading small files below a root: `/` on a host, a recorded tree in tests. Nothing here raises for what is not
there."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional


def read(root: str, path: str, limit: int = 65536) -> str:
    """The text of a file without surrounding white space; an empty string where it cannot be read."""
    try:
        fd = os.open(join(root, path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        parts = []
        while limit > 0:
            part = os.read(fd, min(limit, 65536))
            if not part:
                break
            parts.append(part)
            limit -= len(part)
        return b"".join(parts).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(fd)


def read_bytes(root: str, path: str, count: int) -> "Optional[bytes]":
    """The first `count` bytes of a file in one read; None where it cannot be read."""
    try:
        fd = os.open(join(root, path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, count)
    except OSError:
        return None
    finally:
        os.close(fd)


def names(root: str, path: str) -> "List[str]":
    """Names in a directory, sorted; empty where it cannot be listed."""
    try:
        return sorted(os.listdir(join(root, path)))
    except OSError:
        return []


def join(root: str, path: str) -> str:
    """`path` (absolute) below `root`."""
    return path if root == "/" else root.rstrip("/") + path


def link_name(root: str, path: str) -> str:
    """The last part of what a symbolic link points to; an empty string where there is no link."""
    try:
        return os.path.basename(os.readlink(join(root, path)))
    except OSError:
        return ""


def number(text: str, default: "Any" = 0) -> "Any":
    """The leading decimal number of a text (`16`, `32.0 GT/s PCIe`, `400 Gb/sec (4X NDR)`), or the default."""
    head = text.split(" ", 1)[0]
    try:
        return type(default)(float(head))
    except (ValueError, OverflowError):
        return default
