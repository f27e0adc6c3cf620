"""What hosts answered to a command, until all of it is shown: every distinct output once, most of it not in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from tempfile import TemporaryFile
from typing import IO

from gigactl.render.exec import Said

IN_MEMORY_BYTES = 64 << 20
"""Of outputs; 320 hosts with 200 KB each. What comes after goes to a temporary file without a name."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the file a text is."""

    start: int
    size: int


@dataclass(slots=True)
class Answers:
    """By host. `close` it."""

    in_memory: int = IN_MEMORY_BYTES
    bare: dict[str, Said] = field(default_factory=dict)
    """Without their outputs."""
    _digests: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    _texts: dict[bytes, bytes | _Place] = field(default_factory=dict)
    _file: IO[bytes] | None = None

    def add(self, one: Said) -> None:
        """Keep it."""
        self.bare[one.host] = replace(one, stdout=b"", stderr=b"")
        self._digests[one.host] = self._keep(one.stdout), self._keep(one.stderr)

    def of(self, names: Iterable[str]) -> Sequence[Said]:
        """Those of these hosts that answered, in this order; each is read when it is asked for."""
        return _Whole([name for name in names if name in self.bare], self)

    def whole(self, name: str) -> Said:
        """With its outputs."""
        stdout, stderr = self._digests[name]
        return replace(self.bare[name], stdout=self._read(stdout), stderr=self._read(stderr))

    def close(self) -> None:
        """Nothing can be read any more; the file is gone."""
        if self._file is not None:
            self._file.close()

    def _keep(self, text: bytes) -> bytes:
        digest = sha256(text).digest()
        if digest not in self._texts:
            fits = len(text) <= self.in_memory
            self.in_memory -= len(text) if fits else 0
            self._texts[digest] = text if fits else self._written(text)
        return digest

    def _written(self, text: bytes) -> bytes | _Place:
        """Kept in memory after all where there is no room on the disk: what a host said must not be lost."""
        try:
            if self._file is None:
                self._file = TemporaryFile(buffering=0)  # noqa: SIM115  # open until `close`
            start = self._file.seek(0, 2)
            left = memoryview(text)
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            return text
        return _Place(start, len(text))

    def _read(self, digest: bytes) -> bytes:
        text = self._texts[digest]
        if isinstance(text, bytes):
            return text
        assert self._file is not None
        self._file.seek(text.start)
        return self._file.read(text.size)


@dataclass(frozen=True, slots=True)
class _Whole(Sequence[Said]):
    """One at a time in memory."""

    names: Sequence[str]
    answers: Answers

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Said]:
        return map(self.answers.whole, self.names)

    def __getitem__(self, at: int) -> Said:  # type: ignore[override]  # slices are nobody's wish here
        return self.answers.whole(self.names[at])
