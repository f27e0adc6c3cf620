"""A tree of small files as a value, and laying it down: what the shared layers of the hosts are made of."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Tree:
    """Paths (relative, no leading slash) and what stands there. Directories come into being as needed, mode 755."""

    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: dict[str, int] = field(default_factory=dict)
    opaque: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)

    def file(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """A regular file; text is UTF-8."""
        self.files[path] = (content.encode() if isinstance(content, str) else content, mode)

    def sysfs(self, directory: str, **values: str | int) -> None:
        """Attributes as sysfs shows them: one line each, for reading."""
        for name, value in values.items():
            self.file(f"{directory}/{name}", f"{value}\n", 0o444)

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self.links[path] = target

    def directory(self, path: str, mode: int = 0o755) -> None:
        """An own directory, merged with what lies below."""
        self.directories[path] = mode

    def mask(self, path: str, mode: int = 0o755) -> None:
        """A directory that shows nothing of what lies below it in the overlay."""
        self.directories[path] = mode
        self.opaque.add(path)

    def hide(self, path: str) -> None:
        """Nothing is there, whatever lies below in the overlay."""
        self.hidden.add(path)

    def add(self, other: Tree) -> None:
        """Take over everything of `other`."""
        self.files.update(other.files)
        self.links.update(other.links)
        self.directories.update(other.directories)
        self.opaque |= other.opaque
        self.hidden |= other.hidden

    def lay(self, root: Path) -> None:
        """Write the tree below `root`. Masks and hidden paths need root and an overlay that reads them (overlayfs)."""
        for path, mode in sorted(self.directories.items()):
            (root / path).mkdir(parents=True, exist_ok=True)
            (root / path).chmod(mode)
        for path in self.opaque:
            os.setxattr(root / path, "trusted.overlay.opaque", b"y")
        for path in self.hidden:
            _parent(root / path)
            os.mknod(root / path, stat.S_IFCHR, os.makedev(0, 0))
        for path, (content, mode) in self.files.items():
            _parent(root / path).write_bytes(content)
            (root / path).chmod(mode)
        for path, target in self.links.items():
            _parent(root / path).symlink_to(target)


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def remove(path: Path) -> None:
    """A file, link or directory and all below it; nothing there is well too."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
