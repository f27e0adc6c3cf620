"""What is wrong with a file before its meaning is looked at: encoding, tabs, syntax, keys twice, aliases."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gigactl.documents import parse_document, read_document
from gigactl.errors import InvalidDocument


def problems(data: bytes) -> list[tuple[int | None, str]]:
    with pytest.raises(InvalidDocument) as caught:
        parse_document(data, "f.yaml")
    assert {problem.file for problem in caught.value.problems} == {"f.yaml"}
    return [(problem.line, problem.what) for problem in caught.value.problems]


BOMB = b"a: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (level, level, b", ".join([b"*a%d" % (level - 1)] * 10)) for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"", None, "the file is empty"),
        (b"# only a comment\n\n", None, "the file is empty"),
        (b"---\n", None, "the file is empty"),
        (b"- a\n", 1, "the document is not a mapping (`key: value` lines)"),
        (b"just text\n", 1, "the document is not a mapping (`key: value` lines)"),
        ("a: 1\n".encode("utf-16"), 1, "the file is UTF-16, not UTF-8"),
        (b"a: [1, 2\nb: 3\n", 1, "a list in [ ] is not closed, or a comma is missing: 'a: [1, 2'"),
        (b"a: {b: 1\nc: 2\n", 1, "a mapping in { } is not closed, or a comma is missing: 'a: {b: 1'"),
        (b"a: 'x\nb: 1\n", 1, 'these quotes are never closed: "a: \'x"'),
        (b"a: b: c\n", 1, "a colon where none can be: wrong indentation, or text that needs quotes: 'a: b: c'"),
        (b"a: 1\nb 2\nc: 3\n", 2, "a key without its colon: 'b 2'"),
        (b"a: @x\n", 1, "a character that cannot start a value: put quotes around the text: 'a: @x'"),
        (b"a: *x\n", 1, "an alias to an anchor that is nowhere above: 'a: *x'"),
        (b"a: 1\n---\nb: 2\n", 2, "a second document starts here (`---`); one file is one document"),
        (b"a: \x00\n", 1, "a control character"),
        (b"a: 1\nb: \x07\n", 2, "a control character"),
        (b"a: !vault x\n", 1, "the tag !vault means nothing here"),
        (b"? [a, b]\n: 1\n", 1, "a key is text, not a list or a mapping"),
        (b"a: 1\n<<: 2\n", 2, "`<<` takes a mapping, or a list of mappings"),
        (b"x: 1\na: &a [1, *a]\n", 2, "an anchor that contains itself"),
        (b"[" * 5000, 1, "nested deeper than any document of ours is"),
        (b"a: " + b"[" * 70 + b"]" * 70, 1, "nested deeper than 64 levels"),
        (BOMB, 1, "aliases multiply the document to 12,345,679,021 nodes; 400,000 is the most"),
    ],
)
def test_what_cannot_be_read(data: bytes, line: int | None, what: str) -> None:
    (found,) = problems(data)
    assert found[0] == line
    assert found[1].startswith(what)


def test_every_line_that_is_not_utf8() -> None:
    assert problems(b"\xef\xbb\xbfa: 1\nb: \xff\nc: \xc3\xa4\nd: \xe4\n") == [
        (2, "not UTF-8: byte 0xff at offset 11"),
        (4, "not UTF-8: byte 0xe4 at offset 22"),
    ]


def test_every_line_that_a_tab_indents() -> None:
    assert problems(b"a:\n\tb: 1\n  \tc: 2\nd: 1\n") == [(2, "a tab indents this line"), (3, "a tab indents this line")]


def test_tabs_elsewhere_are_fine() -> None:
    assert parse_document(b"a:\t1\t# x\nb: |\n  x\n  \ty\n", "f").value == {"a": 1, "b": "x\n\ty\n"}


def test_every_key_given_twice_with_both_lines() -> None:
    assert problems(b"a: 1\nb: {c: 1, c: 2}\na: 3\n") == [
        (2, "the key `c` is already on line 2"),
        (3, "the key `a` is already on line 1"),
    ]


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfa: 1\n", b"a: 1\r\n", b"--- # x\na: 1\n...\n"])
def test_byte_order_mark_line_ends_and_markers_are_fine(data: bytes) -> None:
    assert parse_document(data, "f").value == {"a": 1}


def test_aliases_and_merges_that_are_meant() -> None:
    document = parse_document(b"a: &a {x: 1, y: 2}\nb: *a\nc:\n  <<: *a\n  y: 3\nd: {<<: [*a, {z: 9}]}\n", "f")
    assert document.value["b"] == {"x": 1, "y": 2}
    assert document.value["c"] == {"x": 1, "y": 3}
    assert document.value["d"] == {"x": 1, "y": 2, "z": 9}
    assert document.line("c", "x") == 1
    assert document.line("c", "y") == 5


def test_many_aliases_are_not_a_bomb() -> None:
    text = "a: &a {x: [1, 2, 3], y: 2}\n" + "".join(f"k{number}: *a\n" for number in range(10_000))
    assert len(parse_document(text.encode(), "f").value) == 10_001


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("Off", False), ("~", None), ("", None), ("7", 7), ("-7", -7), ("0x1F", 31), ("1.5", 1.5),
        (".inf", float("inf")), ("1e3", "1e3"), ("2026-11-22", "2026-11-22"), ("'no'", "no"), ("=", "="),
        ("580.126.20", "580.126.20"), ("10.20.1.1", "10.20.1.1"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    assert parse_document(f"a: {text}\n".encode(), "f").value == {"a": value}


def test_lines_of_what_is_and_is_not_there() -> None:
    document = parse_document(b"a: 1\n\nb:\n  c:\n    - x\n    - y\n", "f")
    assert [document.line(), document.line("b"), document.line("b", "c", 1), document.line("b", "nope", 3)] == [
        1,
        3,
        6,
        3,
    ]
    assert document.lines("b") == {"c": 4}
    assert document.lines() == {"a": 1, "b": 3}
    assert document.lines("a") == document.lines("nope") == {}


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "a directory, not a file"), (tmp_path / "x", "there is no such file")):
        with pytest.raises(InvalidDocument) as caught:
            read_document(path)
        assert str(caught.value) == f"invalid document: {path}: {why}"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 10_000) | st.text("abc xyz", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def written(value: object) -> str:
    """A value as flow YAML, every text quoted."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {written(inner)}' for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f'"{value}"' if isinstance(value, str) else str(value)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=4), VALUES, max_size=5))
def test_what_is_written_is_read(value: dict[str, object]) -> None:
    assert parse_document(written(value).encode(), "f").value == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_said_to_be_wrong(data: bytes) -> None:
    try:
        document = parse_document(data, "f")
    except InvalidDocument as error:
        wrong = error.problems
    else:
        wrong = ()
        assert isinstance(document.value, dict)
    assert bool(wrong) or bool(document)
