"""What a plain YAML 1.1 scalar is read as, and where people mean something else: `no`, `0755`, `22:22`, `580.10`."""

from __future__ import annotations

import re
from dataclasses import dataclass

Scalar = None | bool | int | float | str

_TAG = "tag:yaml.org,2002:"
_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"[-+]?0x[0-9a-fA-F]+")
_LONGEST_NUMBER = 64  # characters; in binary, what 64 bits hold
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
_VERSION_KEY = re.compile(r"(^|[_.-])(version|driver|cuda|kernel|firmware|release|nccl|vbios)$")
_SPECIAL = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}


@dataclass(frozen=True, slots=True)
class Surprise:
    """A scalar read otherwise than it looks. `always`: whatever its place; else only where text may be meant."""

    text: str
    what: str
    always: bool


def read_scalar(tag: str, text: str, key: str) -> tuple[Scalar, Surprise | None]:
    """The value of a scalar node, and what is surprising about it. `key`: what it is said of.

    Raises ValueError for a tag that is not YAML's own (`!vault`). Dates stay text: what wants a date reads it.
    """
    kind = tag.removeprefix(_TAG)
    if kind in {"str", "timestamp", "value"}:
        return text, None
    if kind == "null":
        return None, None
    if kind == "bool" and text.lower() in _BOOLS:
        return _bool(text)
    if kind == "int":
        return _int(text)
    if kind == "float":
        return _float(text, key)
    raise ValueError(tag)


def _bool(text: str) -> tuple[Scalar, Surprise | None]:
    value = _BOOLS[text.lower()]
    plain = "true" if value else "false"
    if text.lower() == plain:
        return value, None
    return value, Surprise(text, f"`{text}` is read as {plain}", always=False)


def _int(text: str) -> tuple[Scalar, Surprise | None]:
    if len(text) > _LONGEST_NUMBER:
        return text, Surprise(text, f"a number of {len(text)} characters is too long", always=True)
    if _DECIMAL.fullmatch(text):
        return int(text), None
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16), None
    return text, Surprise(text, f"`{text}` is read as {_eleven(text)}: {_why(text)}", always=True)


def _eleven(text: str) -> int:
    """What YAML 1.1 makes of a number that is neither plain decimal nor hexadecimal."""
    bare = text.replace("_", "").lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    if ":" in bare:
        value = 0
        for part in bare.split(":"):
            value = value * 60 + int(part)
        return sign * value
    if bare.lower().startswith("0x"):
        return sign * int(bare, 16)
    if bare.startswith("0b"):
        return sign * int(bare, 2)
    return sign * int(bare, 8 if bare.startswith("0") else 10)


def _why(text: str) -> str:
    if ":" in text:
        return "YAML counts with colons to the base of 60"
    if "_" in text:
        return "YAML drops underscores from numbers"
    return "a leading 0 makes a number octal" if not text.lower().startswith("0b") else "0b makes a number binary"


def _float(text: str, key: str) -> tuple[Scalar, Surprise | None]:
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()], None
    if not _FLOAT.fullmatch(text):
        return text, Surprise(text, f"`{text}` is read as a number: {_why(text)}", always=True)
    value = float(text)
    if repr(value) != text:
        return value, Surprise(text, f"`{text}` is read as the number {value!r}", always=False)
    if _VERSION_KEY.search(key.lower()):
        return value, Surprise(text, f"`{text}` is read as a number, not as a version", always=False)
    return value, None
