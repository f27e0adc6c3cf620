"""Lines in, lines out: one JSON request on stdin, JSON lines on stdout, both capped; no control characters leave the
host."""

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

VERSION = "1"  # of the bundle's behaviour; stands in `hello` so that a kept reply says what wrote it
LINE_LIMIT = 1 << 20  # bytes; a snapshot's longest line (one GPU) is about 10 KB
REQUEST_LIMIT = 64 << 10

# runs of control characters and lone surrogates: the first would reach the operator's screen, the second no decoder
# takes
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class RequestInvalidError(Exception):
    """What came on stdin is not a request of this protocol."""


def encode(line: "Dict[str, Any]") -> bytes:
    """One JSON line as bytes: pure ASCII, ended by a newline, free of control characters; a line over the cap is
    refused.

    >>> encode({"type": "end", "text": "a\\x1b[2Jb"})
    b'{"type":"end","text":"a [2Jb"}\\n'
    """
    text = json.dumps(line, separators=(",", ":"), allow_nan=False)
    if "\\" in text:
        text = json.dumps(_cleaned(line), separators=(",", ":"), allow_nan=False)
    data = text.encode("ascii") + b"\n"
    if len(data) > LINE_LIMIT:
        raise ValueError("line of %d bytes is over the cap" % len(data))
    return data


def printable(text: str, limit: int = 400) -> str:
    """`text` without control characters (each run becomes one space) and without lone surrogates, at most `limit`
    long."""
    return _CONTROL.sub(" ", text[: limit * 2]).strip()[:limit]


def _cleaned(value: "Any") -> "Any":
    if isinstance(value, str):
        return _CONTROL.sub(" ", value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value


def read_request(data: bytes, protocol: int) -> "Dict[str, Any]":
    """The request of one probe, checked by hand: the host trusts its caller no further than this."""
    if len(data) > REQUEST_LIMIT:
        raise RequestInvalidError("request of %d bytes is over the cap" % len(data))
    try:
        request = json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise RequestInvalidError("request is not JSON: %s" % error) from None
    if not isinstance(request, dict):
        raise RequestInvalidError("request is not an object")
    if request.get("protocol") != protocol:
        raise RequestInvalidError("protocol %r is not %d" % (request.get("protocol"), protocol))
    for name in ("deadline_s", "reading_deadline_s", "kernel_limit_bytes"):
        number = request.get(name)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not number > 0:
            raise RequestInvalidError("%s must be a number above 0" % name)
    cursor = request.get("kernel_cursor")
    if cursor is not None and not (
        isinstance(cursor, dict) and isinstance(cursor.get("boot_id"), str) and isinstance(cursor.get("usec"), int)
    ):
        raise RequestInvalidError("kernel_cursor must hold boot_id and usec")
    return request
