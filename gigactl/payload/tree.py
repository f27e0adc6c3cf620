"""Reading small files below a root: `/` on a host, a recorded tree in tests. Nothing here raises for what is not there."""

import os


def read(root, path, limit=65536):
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


def read_bytes(root, path, count):
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


def names(root, path):
    """Names in a directory, sorted; empty where it cannot be listed."""
    try:
        return sorted(os.listdir(join(root, path)))
    except OSError:
        return []


def join(root, path):
    """`path` (absolute) below `root`."""
    return path if root == "/" else root.rstrip("/") + path


def link_name(root, path):
    """The last part of what a symbolic link points to; an empty string where there is no link."""
    try:
        return os.path.basename(os.readlink(join(root, path)))
    except OSError:
        return ""


def number(text, default=0):
    """The leading decimal number of a text (`16`, `32.0 GT/s PCIe`, `400 Gb/sec (4X NDR)`), or the default."""
    head = text.split(" ", 1)[0]
    try:
        return type(default)(float(head))
    except (ValueError, OverflowError):
        return default
