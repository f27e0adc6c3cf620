"""Ranges: what they stand for, in which order, what is wrong with them; the same as ClusterShell says."""

from __future__ import annotations

import pytest
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from hypothesis import given
from hypothesis import strategies as st

from gigactl.errors import UsageError
from gigactl.inventory.ranges import LIMIT, expand, fold, outside_brackets


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("gpu001", "gpu001"),
        ("gpu[001-003,7]", "gpu001 gpu002 gpu003 gpu7"),
        ("gpu[3,1-2]", "gpu3 gpu1 gpu2"),
        ("r[1-2]n[01-02]", "r1n01 r1n02 r2n01 r2n02"),
        ("gpu[1-9/4]", "gpu1 gpu5 gpu9"),
        ("gpu[08-10]-ib", "gpu08-ib gpu09-ib gpu10-ib"),
        ("gpu[9-11]", "gpu9 gpu10 gpu11"),
        ("gpu1[0-1]", "gpu10 gpu11"),
        ("10.20.1.[254-255]", "10.20.1.254 10.20.1.255"),
        ("2001:db8::[1-2]", "2001:db8::1 2001:db8::2"),
    ],
)
def test_what_a_range_stands_for(pattern: str, names: str) -> None:
    assert expand(pattern) == tuple(names.split())


@pytest.mark.parametrize(
    ("pattern", "what", "hint"),
    [
        ("a[9-1]", "a[9-1]: the range 9-1 runs backwards", "write 1-9"),
        ("a[001-64]", "a[001-64]: both ends of 001-64 need as many digits", "write 001-064"),
        ("a[1-064]", "a[1-064]: both ends of 1-064 need as many digits", "write 001-064"),
        ("a[]", "a[]: an empty range", "in brackets stand numbers: [1-4], [001-064], [1,3,7-9]"),
        ("a[1,]", "a[1,]: an empty range", "in brackets stand numbers: [1-4], [001-064], [1,3,7-9]"),
        ("a[x-y]", "a[x-y]: [x-y] is no range", "in brackets stand numbers: [1-4], [001-064], [1,3,7-9]"),
        ("a[1-9/0]", "a[1-9/0]: 1-9/0 counts by nothing", ""),
        ("a[1,2,1]", "a[1,2,1] names a1 twice", ""),
        ("a[1", "a[1: brackets do not match", ""),
        ("a1]", "a1]: brackets do not match", ""),
        ("a[[1]]", "a[[1]]: brackets do not match", ""),
        ("a[1-99999999999]", "a[1-99999999999] stands for more than 65,536 names", "is a digit too many?"),
        ("a[1-300]b[1-300]", "a[1-300]b[1-300] stands for more than 65,536 names", "is a digit too many?"),
    ],
)
def test_what_is_no_range(pattern: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(pattern)
    assert (caught.value.detail, caught.value.hint) == (what, hint)


def test_the_largest_range() -> None:
    assert len(expand(f"a[1-{LIMIT}]")) == LIMIT


ITEM = st.tuples(st.integers(0, 120), st.integers(0, 12), st.integers(1, 3), st.sampled_from([0, 3])).map(
    lambda it: f"{it[0]:0{it[3]}}-{it[0] + it[1]:0{it[3]}}/{it[2]}" if it[1] else f"{it[0]:0{it[3]}}"
)
BRACKET = st.lists(ITEM, min_size=1, max_size=3).map(lambda items: f"[{','.join(items)}]")
PATTERN = st.lists(st.tuples(st.sampled_from(["a", "gpu-", "x."]), BRACKET), min_size=1, max_size=2).map(
    lambda parts: "".join(text + bracket for text, bracket in parts)
)


@given(PATTERN)
def test_ranges_are_those_of_clustershell(pattern: str) -> None:
    wanted = set(NodeSet(pattern, resolver=RESOLVER_NOGROUP))
    try:
        names = expand(pattern)
    except UsageError as error:
        names, strictness = (), error.detail
    else:
        strictness = ""
    # the one way in which we are stricter: a name given twice
    assert set(names) == wanted or strictness.endswith("twice")
    assert len(names) == len(set(names))


NAME = st.one_of(
    st.integers(0, 400).map(lambda number: f"gpu{number:03}"),
    st.tuples(st.integers(0, 9), st.integers(0, 99)).map(lambda pair: f"r{pair[0]}-n{pair[1]:02}"),
    st.sampled_from(["login", "a1b", "0", "7x"]),
)


@given(st.sets(NAME, max_size=60))
def test_folding_and_expanding_is_nothing_lost(names: set[str]) -> None:
    folded = fold(names)
    parts = [part for _, part in outside_brackets(folded, ",") if part]
    assert {name for part in parts for name in expand(part)} == names


def test_many_names_of_two_numbers_fold_in_a_blink() -> None:
    names = [f"r{rack:03}-gpu{slot:02}" for rack in range(200) for slot in range(16) if (rack * slot) % 7]
    folded = fold(names)
    parts = [part for _, part in outside_brackets(folded, ",")]
    assert sorted(name for part in parts for name in expand(part)) == sorted(names)
    assert fold([f"r{rack:02}-gpu{slot}" for rack in range(40) for slot in range(16)]) == "r[00-39]-gpu[0-15]"


@pytest.mark.parametrize("name", ["a%b", "a,b", "@x", "a[1", "", "n" + "1" * 150, "٣", "a b", "*"])
def test_names_that_are_no_names_fold_to_themselves(name: str) -> None:
    assert fold(["gpu1", name, "gpu2"]) == ",".join(filter(None, ["gpu[1-2]", name]))


def test_numbers_too_long_are_no_range() -> None:
    with pytest.raises(UsageError, match="is no range"):
        expand(f"a[{'1' * 5000}]")


def test_nothing_folds_to_nothing() -> None:
    assert fold([]) == ""
