"""The payload as one deterministic bundle named by its digest, and the command line that finds a Python and runs it."""

from __future__ import annotations

import ast
import binascii
import hashlib
import importlib.util
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gigactl import payload
from gigactl.remote.prune import pruned

_NOT_SHIPPED = frozenset(
    {"loader", "schema", "readings"}
)  # the loader travels with each probe, the others are the controller's

# Tried in this order, each only until one runs our loader: `python3`, RHEL 8's own, then by version, newest first.
_PYTHONS = ("python3", "/usr/libexec/platform-python", *(f"python3.{minor}" for minor in range(14, 5, -1)))
# No newline and no single quote, so that any login shell passes it on. The loader says 97 when its Python is too old;
# 2 is Python 2 refusing -I; 126 and 127 are a name on the PATH with nothing behind it. None of them has touched
# stdin. Each first line of ours, here and on the host, begins a new one: a greeting may not have ended its last.
_FIND = (
    "PATH=$PATH:/usr/local/bin:/usr/bin:/bin; "
    f"for p in {' '.join(_PYTHONS)}; do "
    'command -v "$p" >/dev/null 2>&1 || continue; '
    '"$p" -I -S -B -c "$@" && exit 0; r=$?; '
    "case $r in 2|97|126|127) ;; *) exit $r;; esac; done; "
    'echo; echo "{\\"type\\":\\"no-python\\"}"; exit 97'
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """`data` goes over the wire (zlib); `digest` is the SHA-256 of what it unpacks to, so the compressor does not
    matter."""

    digest: str
    data: bytes


@cache
def probe_bundle() -> Bundle:
    """Everything the probe needs, from this very installation."""
    here = Path(payload.__file__).parent
    parts = {
        "gigactl": '"""Only its payload is here."""\n',
        "gigactl.payload": (here / "__init__.py").read_text(encoding="utf-8"),
    }
    for path in here.glob("*.py"):
        if path.stem not in _NOT_SHIPPED and path.stem != "__init__":
            parts[f"gigactl.payload.{path.stem}"] = path.read_text(encoding="utf-8")
    users = [source for source in parts.values() if "import pynvml" in source]
    parts["pynvml"] = pruned(_pynvml_source(), users)
    return make(parts)


def make(parts: dict[str, str]) -> Bundle:
    """The bundle of these modules' sources: names and texts in order of name, parted by NUL."""
    plain = "\0".join(piece for name in sorted(parts) for piece in (name, parts[name])).encode("utf-8")
    return Bundle(hashlib.sha256(plain).hexdigest(), zlib.compress(plain, 9))


def _pynvml_source() -> str:
    spec = importlib.util.find_spec("pynvml")
    if spec is None or spec.origin is None:
        raise ImportError("pynvml (nvidia-ml-py) is not installed")
    return Path(spec.origin).read_text(encoding="utf-8")


# the host's own places for root, then the user's cache directory
PLACES = ("/var/lib/gigactl", "/run/gigactl", "~")


def command(bundle: Bundle, entry: str, places: Sequence[str] = PLACES, *, carried: bool) -> tuple[str, ...]:
    """argv that runs `entry` of the bundle; `carried`: the bundle's data is what stdin begins with."""
    size = len(bundle.data) if carried else 0
    return ("sh", "-c", _FIND, "gigactl", _loader(), bundle.digest, entry, str(size), ":".join(places))


@cache
def _loader() -> str:
    """The loader without its comments, packed into one line without quotes that a shell could trip over."""
    tree = ast.parse((Path(payload.__file__).parent / "loader.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    packed = binascii.b2a_base64(zlib.compress(ast.unparse(tree).encode("utf-8"), 9), newline=False).decode("ascii")
    return f'import zlib,binascii;exec(zlib.decompress(binascii.a2b_base64("{packed}")))'
