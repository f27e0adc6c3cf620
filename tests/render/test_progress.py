"""One line that fits: how far, how it looks, who is still out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gigactl.render.progress import progress_line


def test_names_of_the_last_few_numbers_of_the_many() -> None:
    few = progress_line(
        12, 16, {"ok": 11, "critical": 1, "warning": 0}, [f"gpu{n:03}" for n in range(13, 17)], 3.14, 200
    )
    assert few == "12/16 · 11 ok, 1 critical · 3.1 s · waiting for gpu[013-016]"
    many = progress_line(0, 900, {}, [f"gpu{n:03}" for n in range(900)], 0.0, 200)
    assert many == "0/900 · 0.0 s · waiting for 900 hosts"


@given(st.integers(2, 100), st.integers(0, 30))
def test_it_never_overruns_the_line(width: int, out: int) -> None:
    assert len(progress_line(3, 3 + out, {"ok": 3}, [f"host{n}" for n in range(out)], 1.0, width)) < width
