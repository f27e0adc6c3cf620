"""Grouping: nothing said is lost, equal words are said once."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from gigactl.errors import ConnectionLost
from gigactl.inventory.ranges import expand
from gigactl.render.exec import Said, counts, errors, output, problems
from gigactl.render.table import PIPE
from gigactl.results import Status

WORDS = st.sampled_from([b"", b"\n", b"up\n", b"up", b"down\n", b"two\nlines\n"])


@given(st.dictionaries(st.integers(1, 40), WORDS, max_size=12))
def test_every_host_that_said_something_has_one_header(words: dict[int, bytes]) -> None:
    said = [Said(f"gpu{number:02}", Status.OK, 0, stdout=text) for number, text in words.items()]
    headers = re.findall(r"^-+\n(\S+).*\n-+$", "".join(output(said, PIPE)), re.MULTILINE)
    named = [name for header in headers for name in expand(header)]
    assert sorted(named) == sorted(f"gpu{number:02}" for number, text in words.items() if text.strip())
    assert len(headers) == len({text.rstrip(b"\n") for text in words.values() if text.strip()})


def test_stderr_is_apart_and_says_so() -> None:
    said = [Said("gpu1", Status.FAILED, 1, stdout=b"out\n", stderr=b"err\n")]
    assert "err" not in "".join(output(said, PIPE))
    assert "gpu1 stderr" in "".join(errors(said, PIPE))


def test_ways_to_fail_are_folded() -> None:
    said = [
        Said("gpu1", Status.FAILED, 1), Said("gpu2", Status.FAILED, 1), Said("gpu3", Status.FAILED, None, "KILL"),
        Said("gpu4", Status.FAILED, 0, truncated=True), Said("gpu5", Status.UNKNOWN, failure=ConnectionLost("cut")),
        Said("gpu6", Status.OK, 0),
    ]  # fmt: skip
    assert problems(said) == [
        "gpu[1-2]: exit 1", "gpu3: ended by KILL", "gpu4: output cut: more than the limit",
        "gpu5: connection lost: cut",
    ]  # fmt: skip
    assert counts(said) == {"ok": 1, "failed": 4, "unknown": 1, "unreachable": 0, "skipped": 0}
