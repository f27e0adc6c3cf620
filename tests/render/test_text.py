"""What a host says cannot steer the operator's screen."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigactl.render.text import clean, count, one_line, seconds, size


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\x1b[]0;m\x9b\x07\r\n\t\u202e"))))
def test_nothing_a_terminal_obeys_is_left(text: str) -> None:
    safe = clean(text)
    assert not [one for one in safe if unicodedata.category(one) == "Cc" and one not in "\n\t"]
    assert not set(safe) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200f")
    assert clean(safe) == safe


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S"))))
def test_plain_text_is_left_alone(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x9b31mred", "red"),
        ("10%\r20%\r\ndone", "10%\n20%\ndone"),
        ("tab\tstays\n", "tab\tstays\n"),
        ("\x1bPdevice\x1b\\x", "x"),
    ],
)
def test_sequences_go_whole(raw: str, safe: str) -> None:
    assert clean(raw) == safe


def test_one_line_is_one_line() -> None:
    assert one_line("a\n\tb\x1b[1m  c\r\n") == "a b c"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.44, "0.4 s"), (59.9, "59.9 s"), (75, "75 s"), (600, "10 min"), (7200, "2.0 h"), (172800, "2.0 d")],
)
def test_seconds_in_the_unit_one_would_say(value: float, shown: str) -> None:
    assert seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(512, "512 B"), (1536, "1.5 KiB"), (151397597184, "141 GiB"), (2 << 40, "2.0 TiB"), (200 << 40, "200 TiB")],
)
def test_sizes_in_powers_of_1024(value: float, shown: str) -> None:
    assert size(value) == shown


def test_counts_agree_with_their_noun() -> None:
    assert [count(0, "host"), count(1, "host"), count(2, "NVSwitch", "NVSwitches")] == [
        "0 hosts",
        "1 host",
        "2 NVSwitches",
    ]
