"""Bytes to YAML nodes, or what is wrong before there are nodes, in plain words: encoding, tabs, syntax, emptiness."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

import yaml
from yaml.nodes import Node, ScalarNode

from gigactl.errors import InvalidDocument, Problem

LIMIT_BYTES = 64 << 20  # 10,000 hosts written one by one, with everything, take 4 MB

_TAB_INDENT = re.compile(r"^ *\t[\t ]*(?=[^\s#])")
_BEGUN_EARLIER = re.compile(
    r"unexpected end of stream|expected ':'|expected ',' or"
)  # the line that began it is the one to mend
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PLAIN_WORDS = {
    "mapping values are not allowed": "a colon where none can be: wrong indentation, or text that needs quotes",
    "could not find expected ':'": "a key without its colon",
    "did not find expected key": "does not fit the line above: wrong indentation, or a missing `-`, comma or quote",
    "did not find expected '-' indicator": "this line does not fit the list above: wrong indentation, or a missing `-`",
    "did not find expected ',' or ']'": "a list in [ ] is not closed, or a comma is missing",
    "did not find expected ',' or '}'": "a mapping in { } is not closed, or a comma is missing",
    "found unexpected end of stream": "these quotes are never closed",
    "found character that cannot start any token": "a character that cannot start a value: put quotes around the text",
    "did not find expected alphabetic or numeric character": "`*` and `&` are YAML's anchors: quote the text",
    "found undefined alias": "an alias to an anchor that is nowhere above",
    "found duplicate anchor": "an anchor of this name is already there",
    "exceeded maximum nesting depth": "nested deeper than any document of ours is",
    "control characters are not allowed": "a control character",
    "found unknown escape character": "in double quotes a backslash starts an escape: double it, or use single quotes",
    "unacceptable character": "a control character",
    "special characters are not allowed": "a control character",
}


def compose(data: bytes, file: str) -> Node:
    """The root node of the one document in `data`. Raises InvalidDocument with everything found."""
    if len(data) > LIMIT_BYTES:
        raise _invalid(file, None, f"{len(data) >> 20} MiB of YAML; more than {LIMIT_BYTES >> 20} MiB is not read")
    text = _decode(data, file)
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise InvalidDocument(tuple(_syntax(error, text, file))) from None
    if root is None or (isinstance(root, ScalarNode) and not root.value):
        raise _invalid(file, None, "the file is empty", "a document starts with `version: 1`")
    return root


def _invalid(file: str, line: int | None, what: str, suggestion: str = "") -> InvalidDocument:
    return InvalidDocument((Problem(file, line, what, suggestion),))


def _decode(data: bytes, file: str) -> str:
    if data.startswith(_UTF16):
        raise _invalid(file, 1, "the file is UTF-16, not UTF-8", "save it as UTF-8")
    problems = []
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    for number, line in enumerate(data[start:].split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = line[error.start]
            what = f"not UTF-8: byte 0x{byte:02x} at offset {start + error.start}"
            problems.append(Problem(file, number, what, "save the file as UTF-8"))
        start += len(line) + 1
    if problems:
        raise InvalidDocument(tuple(problems))
    return data.decode("utf-8-sig")


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Iterator[Problem]:
    """The first syntax error; where tabs indent lines, every such line instead: they are its cause."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if _BEGUN_EARLIER.search(str(getattr(error, "problem", None))) and getattr(error, "context_mark", None) is not None:
        mark = getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else _line_of_position(error, text)
    tabbed = [number for number, row in enumerate(text.split("\n"), 1) if _TAB_INDENT.match(row)]
    if tabbed and (line is None or tabbed[0] <= line):
        for number in tabbed:
            yield Problem(file, number, "a tab indents this line", "YAML is indented with spaces")
        return
    yield Problem(file, line, _in_plain_words(error, text, line))


def _line_of_position(error: yaml.YAMLError, text: str) -> int | None:
    position = getattr(error, "position", None)
    return None if position is None else text.encode("utf-8")[:position].count(b"\n") + 1


def _in_plain_words(error: yaml.YAMLError, text: str, line: int | None) -> str:
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if "expected a single document" in str(error) or "but found another document" in said:
        return "a second document starts here (`---`); one file is one document"
    for words, plain in _PLAIN_WORDS.items():
        if words in said:
            row = text.split("\n")[line - 1].strip() if line is not None and line <= text.count("\n") + 1 else ""
            return f"{plain}: {row[:80]!r}" if row and row.isprintable() else plain
    return f"not YAML: {said}"
