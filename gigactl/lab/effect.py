"""What faults do to a host, as a value: each fault gives one, and a host's condition is all of its faults' merged."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce


class Reach(enum.Enum):
    """How a host's SSH port behaves."""

    SERVING = "serving"
    REFUSED = "refused"
    SILENT = "silent"  # no answer to a connection attempt at all
    MUTE = "mute"  # accepts, and never says a word


class Root(enum.Enum):
    """How a host's root file system behaves."""

    WRITABLE = "writable"
    READONLY = "readonly"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Effect:
    """`state`: lines of the NVML state that stand instead of the healthy ones. `links`: width by GPU in sysfs, 0:
    answers no more.

    `missing`: GPUs not on the bus. `library`: version of the user-space library installed (empty: the driver's). `log`:
    lines the kernel writes when it begins. `stuck`: a file system on which writers hang and cannot be killed. `boots`:
    it begins with a boot.
    """

    state: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[int, int] = field(default_factory=dict)
    missing: frozenset[int] = frozenset()
    library: str = ""
    log: tuple[str, ...] = ()
    reach: Reach = Reach.SERVING
    root: Root = Root.WRITABLE
    python: bool = True
    stuck: bool = False
    boots: bool = False


HEALTHY = Effect()


def merge(effects: Iterable[Effect]) -> Effect:
    """All of them at once; where two disagree about one thing the later one has it."""
    return reduce(_both, effects, HEALTHY)


def _both(first: Effect, second: Effect) -> Effect:
    return Effect(
        state={**first.state, **second.state},
        links={**first.links, **second.links},
        missing=first.missing | second.missing,
        library=second.library or first.library,
        log=first.log + second.log,
        reach=first.reach if second.reach is Reach.SERVING else second.reach,
        root=first.root if second.root is Root.WRITABLE else second.root,
        python=first.python and second.python,
        stuck=first.stuck or second.stuck,
        boots=first.boots or second.boots,
    )
