"""Faults as values: what is chosen, what it does, how several add up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.errors import LabMisuse
from gigactl.lab.effect import HEALTHY, Effect, Reach, Root, merge
from gigactl.lab.faults import KINDS, Target, choose, effect
from gigactl.lab.hardware import GpuIdentity
from gigactl.lab.xid import xid_lines

GPUS = tuple(GpuIdentity(index, f"0000:{index + 0x10:02x}:00.0", f"GPU-{index}", f"{index}") for index in range(8))
TARGET = Target(GPUS, nvlinks=18, width=16, driver="580.126.20", banks=2560)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_does_something_with_its_defaults(kind: str) -> None:
    assert KINDS[kind].summary
    assert KINDS[kind].changes
    assert effect(choose(kind, {}), TARGET) != HEALTHY


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("gpu-lots", {}, "did you mean gpu-lost"),
        ("gpu-lost", {"gpus": "1"}, "did you mean gpu"),
        ("gpu-lost", {"gpu": "8"}, "0 to 7"),
        ("gpu-lost", {"gpu": "-1"}, "0 to 7"),
        ("gpu-lost", {"gpu": "one"}, "0 to 7"),
        ("xid", {"code": "0"}, "1 to 999"),
        ("xid", {"count": "0"}, "count=0"),
        ("nvlink-down", {"links": "19"}, "1 to 18"),
        ("pcie-width", {"width": "32"}, "1 to 16"),
        ("nvml-hang", {"kill": "maybe"}, "neither yes nor no"),
        ("ecc-uncorrectable", {"count": "many"}, "count=many"),
        ("driver-mismatch", {"version": "580.126.20"}, "is the one that is loaded"),
        ("driver-mismatch", {"version": "../../etc"}, "not a version"),
        ("refused", {"gpu": "1"}, "there are: none"),
    ],
)
def test_what_makes_no_sense_is_said(kind: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(LabMisuse, match=words):
        effect(choose(kind, options), TARGET)


def test_a_board_without_nvlinks() -> None:
    with pytest.raises(LabMisuse, match="no NVLinks"):
        effect(choose("nvlink-down", {}), replace(TARGET, nvlinks=0))


def test_memory_without_spare_rows() -> None:
    with pytest.raises(LabMisuse, match="no spare rows"):
        effect(choose("row-remap-failed", {}), replace(TARGET, banks=0))


def test_older_drivers_do_not_state_the_recovery() -> None:
    def log(driver: str) -> str:
        return "\n".join(effect(choose("gpu-lost", {}), replace(TARGET, driver=driver)).log)

    assert "154, " in log("580.126.20")
    assert "154, " not in log("550.90.07")


@given(st.integers(1, 999), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_every_xid_has_the_drivers_form(code: int, count: int) -> None:
    lines = xid_lines(code, GPUS[2], count, "580.126.20")
    assert len(lines) == count
    assert lines[0].startswith(f"NVRM: Xid (PCI:0000:12:00): {code}, ")


def test_nvlink5_units_moved_with_r575() -> None:
    (old,), (new,) = (xid_lines(145, GPUS[0], 1, driver) for driver in ("570.172.08", "580.126.20"))
    assert "(0x000000e2 " in old
    assert "(0x00000007 " in new


def test_several_add_up() -> None:
    kinds: tuple[tuple[str, dict[str, str]], ...] = (
        ("gpu-lost", {"gpu": "1"}),
        ("pcie-width", {"gpu": "2"}),
        ("disk-full", {}),
        ("unreachable", {}),
    )
    whole = merge(effect(choose(kind, options), TARGET) for kind, options in kinds)
    assert whole.links == {1: 0, 2: 8}
    assert (whole.root, whole.reach, whole.boots) == (Root.FULL, Reach.SILENT, True)


_EFFECTS = st.builds(
    Effect,
    state=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"])),
    missing=st.frozensets(st.integers(0, 3)),
    log=st.lists(st.sampled_from(["x", "y"]), max_size=2).map(tuple),
    reach=st.sampled_from(Reach),
    root=st.sampled_from(Root),
    python=st.booleans(),
)


@given(st.lists(_EFFECTS, max_size=3), st.lists(_EFFECTS, max_size=3))
@settings(max_examples=50, deadline=None)
def test_merging_can_be_done_in_parts(first: list[Effect], second: list[Effect]) -> None:
    assert merge([*first, *second]) == merge([merge(first), merge(second)])
    assert merge([HEALTHY, *first]) == merge(first)
