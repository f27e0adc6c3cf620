"""What `python3 -c` is given: finds the bundle on this host, or takes it from stdin, and runs it. Sent with every
probe, so small.

Arguments: digest of the bundle, entry module, the size of the bundle on stdin (0: it should be here), places parted
by colons (`~`: the user's cache). It runs before anything else of ours is there, so it stands alone. Answers
`{"type":"need-bundle"}` when it finds none that is whole.
"""

import sys

if sys.version_info < (3, 6):
    sys.exit(97)

try:  # a minimal Python may lack what the probe needs; the next one may not
    for name in ("ctypes", "mmap"):
        __import__(name)
except ImportError:
    sys.exit(97)

import _signal  # type: ignore[import-not-found]  # no stub; without the enums of signal
import marshal
import os
import zlib
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER

try:
    from _sha2 import sha256  # type: ignore[import-not-found]  # no stub; 3.12 on, without OpenSSL
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]  # no stub
    except ImportError:
        from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

ALARM = 300  # seconds until one that still waits for its bundle or request ends; the entry sets its own timer
LINKS = 40  # as many links in a path as the kernel follows
NETWORK = (
    "nfs", "cifs", "smb", "autofs", "afs", "ceph", "lustre", "gpfs", "beegfs", "gluster", "fuse", "9p", "wekafs",
    "panfs", "pvfs", "orangefs", "ocfs2", "gfs2",
)  # fmt: skip


class Bundle:
    """Imports from memory. `parts`: module name → source text, or marshalled code."""

    def __init__(self, parts: "Dict[str, Union[str, bytes]]") -> None:
        self.parts = parts

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Optional[ModuleSpec]":
        if name in self.parts:
            package = any(other.startswith(name + ".") for other in self.parts)
            return ModuleSpec(name, self, origin="gigactl:" + name, is_package=package)  # type: ignore[arg-type]  # duck-typed
        return None

    def create_module(self, spec: "Any") -> None:
        return None

    def exec_module(self, module: "Any") -> None:
        exec(marshal.loads(self.compiled(module.__name__)), module.__dict__)

    def compiled(self, name: str) -> bytes:
        part = self.parts[name]
        if isinstance(part, str):
            part = self.parts[name] = marshal.dumps(compile(part, "gigactl:" + name, "exec", dont_inherit=True))
        return part


def on_network(path: str, mounts: str = "") -> bool:
    """Whether a path leads to a file system that another host can take away; decided without touching that: a link is
    read only where it lies on a local one."""
    if not mounts:
        with open("/proc/self/mounts", "rb") as file:
            mounts = file.read().decode("utf-8", "surrogateescape")
    table = [line.split(" ") for line in mounts.splitlines() if line.count(" ") > 1]
    here, rest = "", path.split("/")
    for _ in range(LINKS):
        while rest and not taken_away(here, table):
            name = rest.pop(0)
            here = here.rpartition("/")[0] if name == ".." else here + "/" + name if name not in ("", ".") else here
            target = "" if taken_away(here, table) else link(here)
            if target:
                break
        else:  # what follows lies below a mount point, or there is no more
            return taken_away("/".join([here, *rest]), table)
        here, rest = "" if target.startswith("/") else here.rpartition("/")[0], target.split("/") + rest
    return True


def link(path: str) -> str:
    """Where a link leads; empty for what is none."""
    try:
        return os.readlink(path or "/")
    except (OSError, ValueError):
        return ""


def taken_away(path: str, table: "List[List[str]]") -> bool:
    """Whether another host can take away the file system that a path without links lies on. `table`: of mounts."""
    best, kind = "", ""
    for line in table:
        point = line[1]
        for code, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
            point = point.replace(code, plain)
        if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, line[2]
    return kind.startswith(NETWORK)


def usable(places: str, network: "Callable[[str], bool]" = on_network) -> "Iterator[str]":
    """The places that may hold a bundle, best first; the user's cache only where the user's home is ours (sudo may
    keep HOME)."""
    home = os.environ.get("HOME", "")
    for place in places.split(":"):
        if place != "~":
            yield place
        elif home.startswith("/") and not network(home) and os.path.isdir(home) and ours(os.stat(home)):
            cache = os.environ.get("XDG_CACHE_HOME", "")
            cache = cache if cache.startswith("/") else home + "/.cache"
            if not network(cache):
                yield cache + "/gigactl"


def ours(status: "os.stat_result") -> bool:
    """Whether something belongs to us and nobody else can write to it."""
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def code_name() -> str:
    """The file of compiled code for this very interpreter."""
    return "%s-%s.code" % (sys.implementation.cache_tag, MAGIC_NUMBER.hex())


def cached(digest: str, places: str) -> "Tuple[str, Optional[Dict[str, Any]]]":
    """(place, parts) of a whole bundle on this host; parts are None without one."""
    for place in usable(places):
        try:
            if not (ours(os.lstat(place)) and ours(os.lstat(place + "/" + digest))):
                continue
            fd = os.open(place + "/" + digest + "/" + code_name(), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        with open(fd, "rb") as file:
            data = file.read() if ours(os.fstat(fd)) else b""
        if data[:32] == sha256(data[32:]).digest():
            return place, marshal.loads(data[32:])
    return "", None


def piped(digest: str, size: int) -> "Dict[str, Any]":
    """The parts of the bundle on stdin, checked against its digest."""
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            sys.exit("gigactl: the bundle was cut")
        data += part
    data = zlib.decompress(data)
    if sha256(data).hexdigest() != digest:
        sys.exit("gigactl: the bundle is not what its digest says")
    pieces = data.decode("utf-8").split("\0")
    return dict(zip(pieces[::2], pieces[1::2]))


def main(digest: str, entry: str, size: str, places: str, seconds: "Union[str, int]" = ALARM) -> "Any":
    _signal.alarm(int(seconds))
    carried = int(size)
    place, parts = ("", piped(digest, carried)) if carried else cached(digest, places)
    if parts is None:
        os.write(1, b'\n{"type":"need-bundle"}\n')  # a greeting may not have ended its line
        return 0
    bundle = Bundle(parts)
    sys.meta_path.insert(0, bundle)
    if carried:
        from gigactl.payload import place as installed

        place = installed.install(bundle, digest, usable(places), code_name(), ours, on_network, sha256)
    return __import__(entry, fromlist=["main"]).main(place)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
