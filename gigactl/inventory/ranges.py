"""Names written as ranges, `gpu[001-064]`, and ranges made of names: ClusterShell's grammar, its errors translated."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from ClusterShell.RangeSet import RangeSet, RangeSetParseError

from gigactl.errors import UsageError

LIMIT = 65_536
"""Names one range may stand for. More is a typing error rather than a fleet, and would fill memory before it shows."""

_FEW = 256  # names; up to here ClusterShell folds several numbers at once in a blink
_TWO_NUMBERS = re.compile(r"\d\D+\d")
_LAST_NUMBER = re.compile(r"(.*?)(\d+)(\D*)")
_BRACKETS = "in brackets stand numbers: [1-4], [001-064], [1,3,7-9]"
_ITEM = re.compile(r"(?P<first>[0-9]{1,18})(?:-(?P<last>[0-9]{1,18})(?:/(?P<step>[0-9]{1,18}))?)?")
# what ClusterShell would take for an operator, a range or a number too long for it stands as it is
_FOLDABLE = re.compile(r"(?:[A-Za-z._-]|(?<![0-9])[0-9]{1,18}(?![0-9]))+")


def expand(pattern: str) -> tuple[str, ...]:
    """Every name a pattern stands for, in the order in which it is written; the last bracket runs fastest.

    `gpu[001-003,7]` is gpu001 gpu002 gpu003 gpu7; `r[1-2]n[1-2]` is r1n1 r1n2 r2n1 r2n2; `gpu[1-9/2]` counts by twos.
    Raises UsageError for a range that is empty, reversed, padded unequally, names something twice, or is too large.
    """
    if "[" not in pattern and "]" not in pattern:
        return (pattern,)
    fixed, brackets = _split(pattern)
    counted = 1
    for items in brackets:
        counted *= sum(_size(item, pattern) for item in items)
        if counted > LIMIT:
            raise UsageError(f"{pattern} stands for more than {LIMIT:,} names", hint="is a digit too many?")
    numbers = [[number for item in items for number in _numbers(item, pattern)] for items in brackets]
    names = tuple("".join(_woven(fixed, choice)) for choice in itertools.product(*numbers))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{pattern} names {twice} twice")
    return names


def fold(names: Iterable[str]) -> str:
    """Names as short as ranges make them: gpu001, gpu002, gpu003 is `gpu[001-003]`; no names are an empty text."""
    wanted: list[str] = []
    plain: list[str] = []
    for name in names:
        (wanted if _FOLDABLE.fullmatch(name) else plain).append(name)
    if len(wanted) <= _FEW or _TWO_NUMBERS.search(wanted[0]) is None:
        folded = str(NodeSet.fromlist(wanted, resolver=RESOLVER_NOGROUP))
    else:
        folded = _fold_many(wanted)
    return ",".join(filter(None, [folded, *plain]))


def outside_brackets(text: str, separators: str) -> list[tuple[str, str]]:
    """`text` cut at separators that stand in no bracket: each part with the separator before it (first: none)."""
    parts, depth, start, before = [], 0, 0, ""
    for at, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth == 0 and character in separators:
            parts.append((before, text[start:at]))
            before, start = character, at + 1
    parts.append((before, text[start:]))
    return parts


def _fold_many(names: list[str]) -> str:
    """Folds the last number of each name, then what is before it.

    Not always as short as ClusterShell's folding of several numbers at once, which takes seconds for thousands.
    """
    numbers: dict[tuple[str, str], list[str]] = {}
    whole: list[str] = []
    for name in names:
        match = _LAST_NUMBER.fullmatch(name)
        if match is None:
            whole.append(name)
        else:
            numbers.setdefault((match[1], match[3]), []).append(match[2])
    heads: dict[str, list[str]] = {}
    for (head, tail), found in numbers.items():
        folded = str(RangeSet.fromlist(found))
        heads.setdefault((f"[{folded}]" if len(found) > 1 else folded) + tail, []).append(head)
    folds = [
        part + tail for tail, before in heads.items() for _, part in outside_brackets(fold(filter(None, before)), ",")
    ]
    return ",".join(filter(None, [*folds, fold(whole)]))


def _split(pattern: str) -> tuple[list[str], list[list[str]]]:
    """The texts around the brackets, one more than there are brackets, and the items in each."""
    fixed, brackets, rest = [], [], pattern
    while "[" in rest:
        before, _, rest = rest.partition("[")
        inside, closed, rest = rest.partition("]")
        if not closed or "[" in inside or "]" in before:
            raise UsageError(f"{pattern}: brackets do not match")
        items = [item.strip() for item in inside.split(",")]
        if not all(items):
            raise UsageError(f"{pattern}: an empty range", hint=_BRACKETS)
        fixed.append(before)
        brackets.append(items)
    if "]" in rest:
        raise UsageError(f"{pattern}: brackets do not match")
    return [*fixed, rest], brackets


def _size(item: str, pattern: str) -> int:
    """How many numbers an item stands for, found without listing them."""
    match = _ITEM.fullmatch(item)
    if match is None:
        raise UsageError(f"{pattern}: [{item}] is no range", hint=_BRACKETS)
    first, last = match["first"], match["last"]
    if last is None:
        return 1
    if int(last) < int(first):
        raise UsageError(f"{pattern}: the range {item} runs backwards", hint=f"write {last}-{first}")
    if len(first) != len(last) and (last.startswith("0") or (first.startswith("0") and first != "0")):
        digits = max(len(first), len(last))
        hint = f"write {first.zfill(digits)}-{last.zfill(digits)}"
        raise UsageError(f"{pattern}: both ends of {item} need as many digits", hint=hint)
    step = int(match["step"] or 1)
    if step == 0:
        raise UsageError(f"{pattern}: {item} counts by nothing")
    return (int(last) - int(first)) // step + 1


def _numbers(item: str, pattern: str) -> list[str]:
    try:
        return list(RangeSet(item).striter())
    except RangeSetParseError as error:
        raise UsageError(f"{pattern}: {error}") from None


def _woven(fixed: list[str], choice: tuple[str, ...]) -> Iterator[str]:
    for text, number in itertools.zip_longest(fixed, choice, fillvalue=""):
        yield text
        yield number
