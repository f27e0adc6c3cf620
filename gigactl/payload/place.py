"""Keeps a bundle on the host: compiled, in the first place that takes it, the newest two of each place, leftovers
swept."""

import marshal
import os
import shutil
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, List, Optional

KEPT = 2
LEFTOVER_AGE = 3600.0  # seconds after which what an interrupted install left is nobody's any more


def install(
    bundle: "Any",
    digest: str,
    places: "Iterable[str]",
    name: str,
    ours: "Callable[[os.stat_result], bool]",
    on_network: "Callable[[str], bool]",
    sha256: "Callable[[bytes], Any]",
) -> str:
    """Write all of the bundle's code below the first place that takes it and return that place; empty when none does.

    `name` is the file of code for this interpreter. It appears by rename, so that a reader sees all of it or none,
    and it begins with the hash of the rest, so that what a crash or a bad disk made of it is found out.
    """
    body = marshal.dumps({part: bundle.compiled(part) for part in sorted(bundle.parts)})
    data = sha256(body).digest() + body
    for place in places:
        try:
            if on_network(place) or not _prepared(place, ours):
                continue
            _write(place, digest, name, data)
        except OSError:  # read-only, full, not ours: the next place
            continue
        sweep(place, digest)
        return place
    return ""


def _prepared(place: str, ours: "Callable[[os.stat_result], bool]") -> bool:
    parent = os.path.dirname(place)
    if not os.path.isdir(parent):
        _make(parent)  # a user's first cache directory; deeper than that nothing is made
    if not os.path.isdir(place):
        _make(place)
    return ours(os.lstat(place))


def _make(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass  # somebody else's install came first


def _write(place: str, digest: str, name: str, data: bytes) -> None:
    directory = place + "/" + digest
    _make(directory)
    temporary = "%s/.new-%d-%s" % (directory, os.getpid(), os.urandom(4).hex())
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        try:
            rest = data
            while rest:
                rest = rest[os.write(fd, rest) :]
        finally:
            os.close(fd)
        os.rename(temporary, directory + "/" + name)
    except OSError:
        os.unlink(temporary)
        raise
    os.utime(directory)


def sweep(place: str, digest: str, now: "Optional[float]" = None) -> None:
    """Remove all but this bundle and the newest others, and what interrupted installs left. Never raises: it is
    housekeeping."""
    now = time.time() if now is None else now
    ages = []
    for name in _names(place):
        path = place + "/" + name
        if len(name) == 64 and os.path.isdir(path):
            ages.append((name != digest, -_changed(path), path))
            leftovers = [path + "/" + file for file in _names(path) if file.startswith(".new-")]
            for file in leftovers:
                _unlink(file, before=now - LEFTOVER_AGE)
    for _, _, path in sorted(ages)[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def _names(path: str) -> "List[str]":
    try:
        return os.listdir(path)
    except OSError:
        return []


def _changed(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _unlink(path: str, before: float) -> None:
    """Remove a file that was last written before this time."""
    try:
        if os.lstat(path).st_mtime < before:
            os.unlink(path)
    except OSError:
        pass
