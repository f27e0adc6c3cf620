"""What `labhost boot` reads on its standard input: the mounts, directories and files of one host, in order."""

from __future__ import annotations

from pathlib import Path

NOSUID, NODEV, NOEXEC = 2, 4, 8  # the MS_* bits of sys/mount.h


class Plan:
    """Collects operations. Paths are relative to the host's root; `outside` ones are absolute on this machine."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def _line(self, *fields: object) -> None:
        texts = [str(field) for field in fields]
        if any(not text or "\t" in text or "\n" in text for text in texts):
            raise ValueError(f"a field is empty or holds a tab or a newline: {texts}")
        self._parts.append("\t".join(texts).encode() + b"\n")

    def root(self, outside: Path, lower: list[Path], upper: Path, work: Path) -> None:
        """The overlay that becomes the host's root; `lower` from top to bottom."""
        stack = ":".join(map(str, lower))
        self._line("root", outside, f"lowerdir={stack},upperdir={upper},workdir={work}")

    def mount(self, kind: str, target: str, options: str, flags: int = 0) -> None:
        """A new file system."""
        self._line("mount", kind, target, flags, options)

    def bind(self, source: Path | str, target: str, *, writable: bool = False) -> None:
        """An existing directory or file shown at a second place."""
        self._line("bind", source, target, "rw" if writable else "ro")

    def directory(self, path: str, mode: int = 0o755) -> None:
        """A directory."""
        self._line("dir", f"{mode:o}", path)

    def node(self, path: str, major: int, minor: int, mode: int = 0o666) -> None:
        """A character device."""
        self._line("node", f"{mode:o}", major, minor, path)

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self._line("link", target, path)

    def file(self, path: str, content: str, mode: int = 0o644) -> None:
        """A file with its content."""
        data = content.encode()
        self._line("file", f"{mode:o}", len(data), path)
        self._parts.append(data + b"\n")

    def name(self, hostname: str) -> None:
        """What the host calls itself."""
        self._line("name", hostname)

    def readonly(self) -> None:
        """The root file system is made read-only in the end."""
        self._parts.append(b"readonly\n")

    def __bytes__(self) -> bytes:
        return b"".join(self._parts)
