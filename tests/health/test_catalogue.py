"""Every id that can be found is explained, and every id explained can be found."""

from __future__ import annotations

import re

import pytest

from gigactl.errors import UsageError
from gigactl.health import absent, compare
from gigactl.health.catalogue import all_ids, explain
from gigactl.health.rules import RULES
from gigactl.health.tables import definitions
from gigactl.results import Remedy, Severity, When


def emitted() -> set[str]:
    """What rules, comparisons and absent hosts say they may emit."""
    return {name for rule in RULES for name in rule.ids if not name.endswith("*")} | set(compare.IDS) | set(absent.IDS)


def test_what_can_be_found_is_defined_and_what_is_defined_can_be_found() -> None:
    assert emitted() == set(definitions())


@pytest.mark.parametrize("name", all_ids())
def test_every_id_is_explained(name: str) -> None:
    explanation = explain(name)
    assert explanation.id == name
    for text in (explanation.title, explanation.means, explanation.evidence, explanation.do, explanation.source):
        assert len(text) > 5
        assert "\n" not in text
    assert len(explanation.title) <= 90


@pytest.mark.parametrize("name", sorted(definitions()))
def test_explanations_speak_of_work_and_not_of_jobs(name: str) -> None:
    """A job is a scheduler's; not every host has one."""
    explanation = explain(name)
    text = " ".join((explanation.title, explanation.means, explanation.evidence, explanation.do))
    assert re.search(r"(?i)\bjobs?\b", text) is None


@pytest.mark.parametrize("name", ["XID-61", "XID-4711", "SXID-77777"])
def test_a_code_beyond_the_catalogue_is_explained_as_unknown(name: str) -> None:
    explanation = explain(name)
    assert "unknown" in explanation.title
    assert explanation.asks.severity is Severity.WARNING
    assert explanation.asks.remedy == (Remedy.INSPECT,)


@pytest.mark.parametrize("written", ["xid-48", "XID 48", " Xid-48 "])
def test_case_and_spaces_do_not_matter(written: str) -> None:
    assert explain(written).id == "XID-48"


def test_a_wrong_id_names_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        explain("GPU-LOSST")
    assert raised.value.hint == "did you mean `GPU-LOST`?"
    assert raised.value.exit_code == 2


def test_where_tools_disagree_both_are_shown() -> None:
    means = explain("XID-63").means
    assert "NVIDIA's first action: IGNORE" in means
    assert "gpud calls it fatal (reboot, hardware inspection)" in means


def test_what_varies_is_shown() -> None:
    assert len(explain("XID-154").variants) == 8
    assert dict(explain("XID-149").variants)["reset"].remedy == (Remedy.RESET_GPU,)
    assert dict(explain("NVLINK-DOWN").variants)["unproved"].severity is Severity.WARNING


def test_information_asks_for_nothing_and_the_rest_for_something() -> None:
    """Hosts that gave no answer are information for their own reason: nothing is known of them, and somebody has to
    look."""
    silent = set(absent.IDS)
    for name in set(all_ids()) - silent:
        for ask in (explain(name).asks, *(variant for _, variant in explain(name).variants)):
            assert (ask.severity is Severity.INFO) == (ask.when is When.NONE) == (ask.remedy == ()), name
