"""The health of a fleet on the screen: one line per distinct problem, and a last line readable at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gigactl.errors import ConnectionLost, ConnectRefused, ConnectTimeout, DeadlineExceeded, Stopped
from gigactl.render.problems import Problem, counts, in_words, problems, table
from gigactl.render.table import Screen, draw, painted
from gigactl.render.text import count, one_line, seconds
from gigactl.results import Verdict
from gigactl.sweep.look import HostLook

_SAYS_ALL = (ConnectRefused, ConnectTimeout, ConnectionLost, DeadlineExceeded, Stopped)
_GLANCE = 40
"""Characters of host names that still are a glance."""


def screen(looks: Sequence[HostLook], took: float, on: Screen, *, verbose: bool = False) -> str:
    """The table (left out when there is nothing to say) and the last line."""
    lines = problems(looks, verbose=verbose)
    text = draw(table(lines), on) + "\n" if lines else ""
    text += "".join(f"e.g. {one_line(cause)}\n" for cause in _causes(looks))
    text += "".join(f"hint: {one_line(hint)}\n" for hint in _hints(looks))
    worst = min((look.judgement.verdict for look in looks), key=lambda verdict: verdict.rank, default=Verdict.OK)
    return text + painted(last_line(looks, took, verbose=verbose), worst.value, on) + "\n"


def quiet(looks: Sequence[HostLook]) -> bool:
    """Whether `-q` has nothing to print: every host ok."""
    return all(look.judgement.verdict is Verdict.OK for look in looks)


def last_line(looks: Sequence[HostLook], took: float, *, verbose: bool = False) -> str:
    """`16 hosts: 11 ok, 2 warning, 3 critical · 9.2 s · worst: gpu003 GPU 5: fell off the bus`."""
    numbers = counts(looks)
    parts = [f"{count(numbers['hosts'], 'host')}: {in_words(numbers)}", seconds(took)]
    lines = problems(looks, verbose=False)
    hidden = 0 if verbose else len(problems(looks, verbose=True)) - len(lines)
    if hidden:
        parts.append(f"{count(hidden, 'note')} not shown (-v)")
    if lines:
        parts.append(f"worst: {_where(lines[0])}: {one_line(lines[0].key.summary)}")
    return " · ".join(parts)


def _where(line: Problem) -> str:
    """The hosts of one line where they are readable at a glance, else how many they are."""
    return one_line(line.places) if len(line.places) <= _GLANCE else count(len(line.gpus), "host")


def _causes(looks: Sequence[HostLook]) -> Iterable[str]:
    """One host's words for each kind of failure that has its cause on our side or in a configuration: the folded line
    says what happened, not why."""
    said: dict[str, str] = {}
    for look in looks:
        failure = look.failure
        if failure is not None and failure.detail and not isinstance(failure, _SAYS_ALL):
            said.setdefault(failure.summary, f"{look.host}: {failure}")
    return said.values()


def _hints(looks: Sequence[HostLook]) -> Iterable[str]:
    """What to do about hosts that could not be reached, each once."""
    return dict.fromkeys(look.failure.hint for look in looks if look.failure is not None and look.failure.hint)
