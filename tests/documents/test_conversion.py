"""A document to typed values: every problem with its line, in plain words, with the nearest key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from gigactl.documents import convert, did_you_mean, json_schema, nearest, parse_document, salvage
from gigactl.errors import InvalidDocument


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    """A part."""

    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    user: str | None = None
    files: str | list[str] | None = None


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry."""

    address: str | None = None
    labels: dict[str, str] = {}
    vars: dict[str, Any] = {}
    ssh: Inner | None = None
    become: Literal["sudo", "none"] | None = None
    groups: list[str] = []
    rate: float | None = None
    on: bool = False
    pci: Annotated[str, Meta(pattern="^[0-9a-f]{4}$")] | None = None


class Whole(Struct, frozen=True, forbid_unknown_fields=True):
    """A document."""

    version: Literal[1]
    name: str
    hosts: dict[str, Entry | None] = {}


def problems(text: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(InvalidDocument) as caught:
        convert(parse_document(text.encode(), "f.yaml"), Whole)
    return [(problem.line, problem.what, problem.suggestion) for problem in caught.value.problems]


def entry(text: str) -> list[tuple[str, str]]:
    """The problems of one entry, which starts on line 3."""
    found = problems(f"version: 1\nname: x\nhosts: {{h: {{{text}}}}}\n")
    assert {line for line, _, _ in found} <= {3}
    return [(what, suggestion) for _, what, suggestion in found]


def test_a_sound_document() -> None:
    whole = convert(parse_document(b"version: 1\nname: x\nhosts:\n  a:\n  b: {rate: 3, labels: {x: y}}\n", "f"), Whole)
    assert whole == Whole(1, "x", {"a": None, "b": Entry(rate=3.0, labels={"x": "y"})})


def test_all_problems_at_once_in_the_order_of_lines() -> None:
    text = """\
version: 2
hosts:
  a: {adress: x, labels: {site: no}}
  b:
    ssh: {port: 70000, user: [a], files: 5}
    become: sudoo
    groups: training
    labels:
  c: 5
extra: 1
"""
    assert problems(text) == [
        (1, "`version` should be 1, not the number 2", ""),
        (1, "the key `name` is missing", ""),
        (3, "`labels.site` should be text, not false: `no` is read as false", 'if the text is meant, quote it: "no"'),
        (3, "unknown key `adress`", "did you mean `address`?"),
        (5, "`ssh.port` is 70000: it must be at most 65535", ""),
        (5, "`ssh.user` should be text, not a list", ""),
        (5, "`ssh.files` should be text or a list, not the number 5", 'write "5"'),
        (6, '`b.become` cannot be the text "sudoo"', "did you mean `sudo`? (none, sudo)"),
        (7, '`b.groups` should be a list, not the text "training"', "write [training]"),
        (8, "`b.labels` should be a mapping, not empty", "remove the key, or give it a value"),
        (9, "`hosts.c` should be a mapping, not the number 5", ""),
        (10, "unknown key `extra`", "known here: name"),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("labels: {rack: 01}", "`01` is read as 1: a leading 0 makes a number octal"),
        ("labels: {mode: 0755}", "`0755` is read as 493: a leading 0 makes a number octal"),
        ("vars: {mode: 0755}", "`0755` is read as 493: a leading 0 makes a number octal"),
        ("vars: {n: 1_000}", "`1_000` is read as 1000: YAML drops underscores from numbers"),
        ("vars: {t: 22:22}", "`22:22` is read as 1342: YAML counts with colons to the base of 60"),
        (f"vars: {{n: {'7' * 5000}}}", "a number of 5000 characters is too long"),
        ("vars: {n: 0b11}", "`0b11` is read as 3: 0b makes a number binary"),
        ("vars: {driver: 580.10}", "`580.10` is read as the number 580.1"),
        ("vars: {cuda: 12.8}", "`12.8` is read as a number, not as a version"),
        ("labels: {on: yes}", "`labels.on` should be text, not true: `yes` is read as true"),
        ("labels: {v: 1.50}", "`labels.v` should be text, not the number 1.5: `1.50` is read as the number 1.5"),
    ],
)
def test_scalars_that_are_read_otherwise_than_they_look(text: str, what: str) -> None:
    found = entry(text)
    assert what in [said for said, _ in found]
    assert any("quote it" in suggestion for said, suggestion in found if said == what)


@pytest.mark.parametrize(
    "text", ["rate: 1.50", "on: yes", "vars: {on: yes, x: 1.5}", 'labels: {rack: "01"}', "vars: {n: 0x10}"]
)
def test_scalars_that_are_meant(text: str) -> None:
    convert(parse_document(f"version: 1\nname: x\nhosts: {{h: {{{text}}}}}\n".encode(), "f"), Whole)


def test_a_number_where_text_belongs() -> None:
    assert entry("labels: {n: 7}") == [("`labels.n` should be text, not the number 7", 'write "7"')]


def test_a_key_that_is_a_number() -> None:
    assert problems("version: 1\nname: x\nhosts:\n  7: {}\n") == [(4, "the key `7` is not text", 'write "7"')]


def test_a_pattern() -> None:
    assert entry("pci: xyz") == [('`h.pci` cannot be the text "xyz"', "it must match ^[0-9a-f]{4}$")]


def test_control_characters_are_not_shown() -> None:
    assert entry('become: "\\e[31m"')[0][0] == '`h.become` cannot be the text "?[31m"'


def test_integers_as_keys_are_possible() -> None:
    class Table(Struct, forbid_unknown_fields=True):
        rows: dict[int, Entry]

    good = parse_document(b"rows: {13: {address: x}}\n", "f")
    assert convert(good, Table).rows[13].address == "x"
    with pytest.raises(InvalidDocument) as caught:
        convert(parse_document(b"rows:\n  13: {adress: x}\n", "f"), Table)
    assert [(problem.line, problem.what) for problem in caught.value.problems] == [(2, "unknown key `adress`")]


def test_salvage_keeps_what_is_sound() -> None:
    hosts = b"  a: {adress: q, become: none}\n  b: 5\n  c: {ssh: {port: 0}, groups: [a, 5, b]}\n"
    value, found = salvage(parse_document(b"version: 1\nname: x\nhosts:\n" + hosts, "f"), Whole)
    assert value is not None
    assert value.hosts == {"a": Entry(become="none"), "b": None, "c": Entry(ssh=Inner(), groups=["a", "b"])}
    assert len(found) == 4


def test_salvage_gives_up_without_what_is_required() -> None:
    value, found = salvage(parse_document(b"hosts: {}\n", "f"), Whole)
    assert value is None
    assert [problem.what for problem in found] == ["the key `version` is missing", "the key `name` is missing"]


def test_the_schema_is_the_types_own() -> None:
    assert json_schema(Whole)["$defs"]["Entry"]["additionalProperties"] is False
    assert json_schema(Whole)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("adress", ["address", "labels"], "address"),
        ("LABELS", ["address", "labels"], "labels"),
        ("zzz", ["address", "labels"], None),
        ("x", [], None),
    ],
)
def test_nearest(word: str, known: list[str], found: str | None) -> None:
    assert nearest(word, known) == found


def test_did_you_mean_lists_a_few_and_never_many() -> None:
    assert did_you_mean("zzz", ["a", "b"]) == "there are a, b"
    assert did_you_mean("zzz", [f"name{number}" for number in range(20)]) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70_000) | st.sampled_from(["", "sudo", "a", "x y"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["version", "name", "hosts", "ssh", "port", "labels", "groups", "z"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["version", "name", "hosts", "extra"]), JSON, max_size=4))
def test_problems_are_found_exactly_where_msgspec_refuses(value: dict[str, object]) -> None:
    """The two ways of checking agree: a document is refused with problems, or converted."""
    document = parse_document(msgspec.json.encode(value), "f")
    try:
        wanted = msgspec.convert(value, Whole)
    except msgspec.ValidationError:
        with pytest.raises(InvalidDocument) as caught:
            convert(document, Whole)
        assert caught.value.problems
    else:
        assert convert(document, Whole) == wanted
