"""Answers: all of it comes back, equal texts are kept once, memory is bounded whatever hosts write."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigactl.cli.answers import Answers
from gigactl.render.exec import Said, document, output
from gigactl.render.table import PIPE
from gigactl.results import Status

SIZE, HOSTS, IN_MEMORY = 200_000, 100, 1 << 20
NAMES = [f"gpu{number:03}" for number in range(HOSTS)]


@given(
    st.lists(st.tuples(st.binary(max_size=9), st.sampled_from([b"", b"err"])), max_size=8),
    st.sampled_from([0, 5, 1 << 20]),
)
def test_what_was_said_comes_back(texts: list[tuple[bytes, bytes]], in_memory: int) -> None:
    said = [Said(f"gpu{at}", Status.OK, 0, None, *both) for at, both in enumerate(texts)]
    with closing(Answers(in_memory)) as answers:
        for one in reversed(said):
            answers.add(one)
        assert list(answers.of(["gpu99", *(one.host for one in said)])) == said
        assert not [one for one in answers.bare.values() if one.stdout or one.stderr]


@pytest.fixture
def measured() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("view", [document, lambda said: output(said, PIPE)])
def test_memory_does_not_grow_with_what_hosts_write(view: object) -> None:
    assert callable(view)
    with closing(Answers(IN_MEMORY)) as answers:
        for number, name in enumerate(NAMES):
            answers.add(Said(name, Status.OK, 0, stdout=b"%06d" % number + b"x" * SIZE))
        written = sum(len(text) for text in view(answers.of(NAMES)))
    _, peak = tracemalloc.get_traced_memory()
    assert written > SIZE * HOSTS
    assert peak < IN_MEMORY + 10 * SIZE


@pytest.mark.usefixtures("measured")
def test_equal_outputs_are_kept_once() -> None:
    with closing(Answers()) as answers:
        for name in NAMES:
            answers.add(Said(name, Status.OK, 0, stdout=bytes(SIZE)))
    assert tracemalloc.get_traced_memory()[0] < 3 * SIZE
