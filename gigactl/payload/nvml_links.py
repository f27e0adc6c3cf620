"""The links of a GPU (NVLink, or C2C on Grace), one call for each: what each says, and what all of them say together.

What no link has is told once, under `N`: else hardware without it, or a driver that does not know it, says so 18
times.
"""

from gigactl.payload.nvml_fields import ber

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence, Set, Tuple

    Said = Tuple[Dict[str, Any], Dict[str, str]]
    # (step, (name, field, scope, conversion) of each) to values and reasons by name
    Ask = Callable[[str, List[Tuple[str, int, int, Any]]], Said]
    Field = Tuple[str, int, Callable[[Any], Any]]

_OF_ALL = ("not-supported", "driver-too-old")  # what one link in use says so, no other one has


def each(fields: "Sequence[Field]", links: "Sequence[int]", ask: "Ask") -> "Said":
    """These fields of each link; `links[0]` says what there is to ask of the others, so it should be one in use."""
    values: "Dict[str, Any]" = {}
    unread: "Dict[str, str]" = {}
    lacking: "Set[str]" = set()
    for link in links:
        wanted = [(name % link, field, link, convert) for name, field, convert in fields if name not in lacking]
        if not wanted:
            break
        found, refused = ask(wanted[0][0], wanted)
        values.update(found)
        if link == links[0]:
            lacking = {name for name, _, _ in fields if refused.get(name % link) in _OF_ALL}
            for name in lacking:
                unread[name % "N"] = refused.pop(name % link)
        unread.update(refused)
    return values, unread


def together(fields: "Sequence[Field]", links: "Sequence[int]", said: "Said") -> "None":
    """Fold these fields of `each`: told for all links together, and of a link only what sets it apart.

    Counts are added up and stay with a link where they are not 0; of a rate the worst speaks for all, and each link
    keeps its own where they differ. Where a link refused there is no sum, and every other one keeps its number.
    """
    values, unread = said
    for name, _, convert in fields:
        names = [name % link for link in links]
        refused = [unread[one] for one in names if one in unread]
        if name % "N" in unread:
            unread[name % "links"] = unread.pop(name % "N")
        elif refused:
            unread[name % "links"] = refused[0]
        else:
            found = {one: values.pop(one) for one in names}
            values[name % "links"] = (max if convert is ber else sum)(found.values())
            values.update(_apart(found, convert is ber))


def _apart(found: "Dict[str, Any]", rate: bool) -> "Dict[str, Any]":
    if rate:
        return found if len(set(found.values())) > 1 else {}
    return {name: count for name, count in found.items() if count}
