"""What a rule is, and where it puts what it finds. A rule is a small pure function with its metadata declared beside
it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gigactl.health.policy import Policy
from gigactl.health.tables import Ask, definitions
from gigactl.health.view import View
from gigactl.results import Evidence, Finding, GpuRef, NotMeasured, Reason, Unread


@dataclass(slots=True)
class Collect:
    """Takes in findings, gaps and notes; the policy has its say on every finding."""

    policy: Policy
    findings: list[Finding] = field(default_factory=list)
    gaps: list[NotMeasured] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(
        self,
        finding: str,
        evidence: Evidence | None = None,
        *,
        gpu: GpuRef | None = None,
        summary: str = "",
        variant: str = "",
        ask: Ask | None = None,
    ) -> None:
        """Something was found. Summary and ask are those of the definition (or its variant) unless given."""
        if ask is None or not summary:
            definition = definitions()[finding]
            ask = ask or definition.ask(variant)
            summary = summary or definition.title
        ask = self.policy.ask(finding, ask)
        self.findings.append(Finding(finding, ask.severity, ask.when, ask.remedy, summary, gpu, evidence))

    def gap(self, rule: Rule, reading: str, why: Unread, gpu: GpuRef | None = None) -> None:
        """A reading the rule needs is missing; one the hardware does not have is no gap."""
        if why.reason is Reason.NOT_SUPPORTED:
            return
        required = rule.required and why.detail not in ACCEPTED
        self.gaps.append(NotMeasured(rule.name, reading, why.reason, required, gpu, why.detail))

    def note(self, text: str) -> None:
        """Something worth saying that is no finding; said once."""
        if text not in self.notes:
            self.notes.append(text)


# While MIG is on the driver hides row remapping. Such a host would be unknown for ever; a row that fails meanwhile
# still shows as Xid 63 or 64 in the kernel log, which is required.
ACCEPTED = frozenset({"MIG is on"})


@dataclass(frozen=True, slots=True)
class Rule:
    """`ids` it may emit, `needs`: the readings it rests on (their absence is a gap), `required`: a host with that gap
    is unknown."""

    name: str
    ids: tuple[str, ...]
    needs: tuple[str, ...]
    required: bool
    check: Callable[[Rule, View, Collect], None]
