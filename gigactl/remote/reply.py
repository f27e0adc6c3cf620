"""Decodes a probe's reply, strictly and line by line, and assembles the snapshot. Replies are untrusted."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gigactl.errors import ReplyInvalid
from gigactl.payload.schema import (
    PROTOCOL,
    SNAPSHOT_SCHEMA,
    Driver,
    End,
    Facts,
    Gpu,
    Hello,
    KernelLog,
    Snapshot,
)

LIMIT_BYTES = 4 << 20  # a snapshot of 8 GPUs is 60 KB; a kernel log full of Xids is the rest
LIMIT_NOISE = 200  # lines a login shell may print before ours
LIMIT_NOISE_LINE = 64 << 10  # bytes of one of them; the longest of our first lines has 200
LIMIT_GPUS = 64
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")

# as our own payload writes the long lines; that the line is what it says is the decoder's to find out
_QUICK = re.compile(rb'\{"type":"(facts|gpu|kernel)",')


class _Line(msgspec.Struct):
    type: str


_LINE = msgspec.json.Decoder(_Line)
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "hello": msgspec.json.Decoder(Hello),
    "facts": msgspec.json.Decoder(Facts),
    "driver": msgspec.json.Decoder(Driver),
    "gpu": msgspec.json.Decoder(Gpu),
    "kernel": msgspec.json.Decoder(KernelLog),
    "end": msgspec.json.Decoder(End),
}


class Assembly:
    """A reply coming in. `feed` takes bytes as they arrive; `snapshot` is what they amount to so far.

    `asked` holds `need-bundle` or `no-python` when the host answered that instead.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the line that is not over; joined once, however small they come
        self._rest = 0
        self._bytes = 0
        self._noise = 0
        self._hello: Hello | None = None
        self._parts: dict[str, Any] = {}
        self._gpus: dict[int, Gpu] = {}
        self.asked = ""

    @property
    def begun(self) -> bool:
        """Whether any line of ours has come."""
        return self._hello is not None

    @property
    def worth_keeping(self) -> bool:
        """Whether a cut reply still says something: its facts came."""
        return "facts" in self._parts

    @property
    def complete(self) -> bool:
        return "end" in self._parts

    def feed(self, chunk: bytes) -> None:
        """Take in bytes of stdout. Raises ReplyInvalid with what was wrong."""
        self._bytes += len(chunk)
        if self._bytes > LIMIT_BYTES:
            raise ReplyInvalid(f"more than {LIMIT_BYTES} bytes")
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = b"".join((*self._pieces, end))
            self._pieces.clear()
            self._rest = 0
            self._take(line)
        if rest:
            self._pieces.append(rest)
            self._rest += len(rest)
        if self._hello is None and self._rest > LIMIT_NOISE_LINE:
            raise ReplyInvalid(f"more than {LIMIT_NOISE_LINE} bytes in one line before our first")

    def _take(self, line: bytes) -> None:
        quick = _QUICK.match(line)
        try:
            kind = quick.group(1).decode("ascii") if quick else _LINE.decode(line).type
        except msgspec.MsgspecError as error:
            if self._hello is None and not self.asked:
                self._count_noise()
                return
            raise ReplyInvalid(f"not a line of ours: {error}") from error
        if kind in {"need-bundle", "no-python"} and self._hello is None:
            self.asked = kind
            return
        decoder = _DECODERS.get(kind)
        if decoder is None or (self._hello is None) != (kind == "hello") or self.complete:
            raise ReplyInvalid(f"unexpected line of type {_CONTROL.sub(' ', kind)[:40]!r}")
        try:
            value = decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise ReplyInvalid(f"line of type {kind}: {error}") from error
        self._keep(kind, value if line.isascii() and b"\\" not in line else _cleaned(value))

    def _count_noise(self) -> None:
        self._noise += 1
        if self._noise > LIMIT_NOISE:
            raise ReplyInvalid("the login shell prints without end before our first line")

    def _keep(self, kind: str, value: Any) -> None:
        if kind == "hello":
            if value["protocol"] != PROTOCOL:
                raise ReplyInvalid(f"protocol {value['protocol']}, not {PROTOCOL}")
            self._hello = value
        elif kind == "gpu":
            if not 0 <= value["index"] < LIMIT_GPUS:
                raise ReplyInvalid(f"GPU number {value['index']}")
            self._gpus[value["index"]] = value
        else:
            self._parts[kind] = value

    def snapshot(self) -> Snapshot:
        """The snapshot of what came; `complete` says whether that was all."""
        end = self._parts.get("end")
        hello = self._hello
        return {
            "schema": SNAPSHOT_SCHEMA,
            "source": "nvml",
            "complete": end is not None,
            "python": hello["python"] if hello else "",
            "euid": hello["euid"] if hello else -1,
            "facts": self._parts.get("facts"),
            "driver": self._parts.get("driver"),
            "gpus": [self._gpus[index] for index in sorted(self._gpus)],
            "kernel": self._parts.get("kernel"),
            "seconds": end["seconds"] if end else 0.0,
            "cpu_s": end["cpu_s"] if end else 0.0,
        }


def _cleaned(value: Any) -> Any:
    """The value without control characters: they would reach the operator's terminal."""
    if isinstance(value, str):
        return _CONTROL.sub(" ", value)
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value
