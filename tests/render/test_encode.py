"""JSON that survives what hosts write, and harms no terminal it is looked at on."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gigactl.errors import ConnectRefused, HostKeyUnknown
from gigactl.render.encode import encode, encode_list, failure, instant, line

ANY = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\x1b\x9b\u202e\u2028\n")))


@given(ANY)
def test_what_goes_in_comes_out(text: str) -> None:
    assert json.loads(encode({"stdout": text})) == {"stdout": text}


@given(st.lists(st.one_of(st.dictionaries(ANY, ANY, max_size=2), st.just(["null"])), max_size=4))
def test_a_list_in_pieces_is_the_same_text(items: list[object]) -> None:
    head = {"schema": "one", "summary": {"hosts": None}}
    assert "".join(encode_list(head, "hosts", items)) == encode({**head, "hosts": items})


@given(ANY)
def test_a_message_is_one_safe_line(text: str) -> None:
    written = line("host", {"stdout": text})
    assert written.count("\n") == 1
    assert not set(written) & set("\x1b\x9b\x07\u202e\u2028")
    assert json.loads(written) == {"type": "host", "stdout": text}


def test_instants_are_utc_seconds() -> None:
    assert instant(datetime(2026, 11, 22, 3, 0, 0, 999, UTC)) == "2026-11-22T03:00:00Z"


def test_a_failure_says_what_and_what_to_do() -> None:
    assert failure(ConnectRefused("127.77.0.1:22")) == {"error": "connection refused", "detail": "127.77.0.1:22"}
    assert failure(HostKeyUnknown("gpu001"))["hint"].startswith("check the fingerprint")
