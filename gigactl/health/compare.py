"""Compares each host with the hosts of its own kind (equal model, board and GPU). Few rules, and none that alone makes
a host sick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gigactl.health.features import Features
from gigactl.health.policy import Policy
from gigactl.health.tables import definitions
from gigactl.results import Evidence, Finding, Scalar


@dataclass(frozen=True, slots=True)
class Comparison:
    """One trait and the finding of those that differ. `wrong(mine, usual)` says whether a difference counts."""

    id: str
    reading: str
    trait: Callable[[Features], Hashable]
    shown: Callable[[Features], Scalar]
    wrong: Callable[[Features, Features], bool]


def _differs(_: Features, __: Features) -> bool:
    return True


def _fewer(mine: Features, usual: Features) -> bool:
    return mine.nvlinks is not None and usual.nvlinks is not None and mine.nvlinks < usual.nvlinks


COMPARISONS = (
    Comparison("FLEET-DRIVER-DRIFT", "driver", lambda one: one.driver, lambda one: one.driver, _differs),
    Comparison("FLEET-VBIOS-DRIFT", "vbios", lambda one: one.vbios, lambda one: ", ".join(one.vbios), _differs),
    # a firmware belongs to its driver: only hosts of one driver are compared
    Comparison(
        "FLEET-FIRMWARE-DRIFT",
        "gsp_firmware",
        lambda one: one.firmware,
        lambda one: ", ".join(one.firmware),
        lambda mine, usual: mine.driver == usual.driver,
    ),
    Comparison(
        "FLEET-NVLINKS-FEWER", "nvlink.links.active", lambda one: one.nvlinks, lambda one: one.nvlinks or 0, _fewer
    ),
)
IDS = tuple(comparison.id for comparison in COMPARISONS)


def compare(
    fleet: Iterable[Features], policy: Policy, now: datetime | None = None
) -> Mapping[str, tuple[Finding, ...]]:
    """Findings by host name, hosts without any left out. A kind is compared when it has enough hosts and one value is
    usual.

    Overrides that expired by `now` no longer hold; without it every one does.
    """
    holding = policy if now is None else policy.holding(now.date())
    kinds: dict[tuple[str, str, str], list[Features]] = {}
    for one in fleet:
        if one.gpu or one.board:
            kinds.setdefault((one.model, one.board, one.gpu), []).append(one)
    found: dict[str, list[Finding]] = {}
    for kind in kinds.values():
        for comparison in COMPARISONS:
            for odd, usual in _odd(kind, comparison, policy):
                found.setdefault(odd.host, []).append(_finding(comparison, odd, usual, holding))
    return {host: tuple(findings) for host, findings in found.items()}


def _odd(kind: Sequence[Features], comparison: Comparison, policy: Policy) -> Iterator[tuple[Features, Features]]:
    """Each host that differs, with one that is as usual. Hosts that did not tell (empty, None) are on neither side."""
    told = [one for one in kind if comparison.trait(one) not in ("", (), None)]
    if len(told) < policy.limit("fleet.min_hosts"):
        return
    value, count = Counter(comparison.trait(one) for one in told).most_common(1)[0]
    if 100 * count < policy.limit("fleet.majority_percent") * len(told):
        return
    usual = next(one for one in told if comparison.trait(one) == value)
    for one in told:
        if comparison.trait(one) != value and comparison.wrong(one, usual):
            yield one, usual


def _finding(comparison: Comparison, odd: Features, usual: Features, policy: Policy) -> Finding:
    definition = definitions()[comparison.id]
    ask = policy.ask(comparison.id, definition.ask())
    evidence = Evidence(comparison.reading, comparison.shown(odd), comparison.shown(usual), "the fleet's usual value")
    return Finding(comparison.id, ask.severity, ask.when, ask.remedy, definition.title, None, evidence)
