"""A reply coming in: however it is cut into pieces, and however much a host sends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.errors import ReplyInvalid
from gigactl.payload.schema import Snapshot
from gigactl.remote.reply import LIMIT_BYTES, LIMIT_GPUS, LIMIT_NOISE_LINE, Assembly
from tests.cli.harness import wire
from tests.health.snapshots import snapshot

WIRE = wire(snapshot())
HELLO = WIRE.splitlines(keepends=True)[0]


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def fed(*chunks: bytes) -> Assembly:
    assembly = Assembly()
    for chunk in chunks:
        assembly.feed(chunk)
    return assembly


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5_000))
def test_pieces_of_any_size_give_the_same_snapshot(size: int) -> None:
    whole: Snapshot = fed(WIRE).snapshot()
    assert whole["complete"]
    assert fed(*pieces(WIRE, size)).snapshot() == whole


def test_a_long_line_in_small_pieces_costs_what_its_length_costs() -> None:
    """Joining all that came at each piece took half a minute for this one."""
    assembly = fed(HELLO)
    begun = time.process_time()
    for piece in pieces(b"x" * 1_200_000, 20):
        assembly.feed(piece)
    assert time.process_time() - begun < 3


def test_a_reply_past_its_limit_is_refused() -> None:
    assembly = fed(HELLO, b"x" * (LIMIT_BYTES - len(HELLO)))
    with pytest.raises(ReplyInvalid, match=f"more than {LIMIT_BYTES} bytes"):
        assembly.feed(b"x")


def test_a_line_without_end_before_our_first_is_refused() -> None:
    assembly = fed(b"x" * LIMIT_NOISE_LINE)
    with pytest.raises(ReplyInvalid, match="in one line before our first"):
        assembly.feed(b"x")


def test_gpus_past_their_limit_are_refused() -> None:
    def numbered(index: int) -> bytes:
        return json.dumps({**snapshot()["gpus"][0], "index": index}).encode() + b"\n"

    assembly = fed(HELLO, numbered(LIMIT_GPUS - 1))
    assert [gpu["index"] for gpu in assembly.snapshot()["gpus"]] == [LIMIT_GPUS - 1]
    for index in (LIMIT_GPUS, -1):
        with pytest.raises(ReplyInvalid, match=f"GPU number {index}"):
            assembly.feed(numbered(index))
