"""What each fault must give, from the data files beside the rules: written from the sources, before the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gigactl.documents import convert, read_document

FOLDER = Path(__file__).resolve().parents[1] / "health" / "faults"


@dataclass(frozen=True, slots=True)
class Case:
    """One fault and what is said of a host that has it."""

    kind: str
    options: Mapping[str, str]
    verdict: str
    findings: tuple[Mapping[str, Any], ...]
    basis: str | None

    def __str__(self) -> str:
        return "-".join([self.kind, *(f"{name}={value}" for name, value in self.options.items())])


def _cases() -> list[Case]:
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        data = convert(read_document(path), dict[str, Any])
        for case in data["cases"]:
            options = {str(name): str(value) for name, value in case["options"].items()}
            found.append(Case(data["kind"], options, case["verdict"], tuple(case["findings"]), case.get("basis")))
    return found


CASES = _cases()
