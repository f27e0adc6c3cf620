"""Every reading of a GPU, with its unit, nothing left out."""

from __future__ import annotations

import pytest

from gigactl.payload.readings import READINGS
from gigactl.payload.schema import Gpu
from gigactl.render.all_readings import GENERAL, numbers, shown, table
from gigactl.results import Scalar
from tests.health.snapshots import BOARDS, gpu


@pytest.fixture
def whole() -> Gpu:
    return gpu(BOARDS["b200"], 3)


def rows(one: Gpu) -> dict[str, list[str]]:
    return {row.cells[0]: row.cells[1].split(", ") for row in table(one).rows}


def test_each_reading_is_there_once(whole: Gpu) -> None:
    """Those of links under the one name they share, since all of them read the same."""
    alone = [name for name in whole["values"] if not name.startswith("nvlink.") or name in READINGS]
    of_links = {name.split(".")[2] for name in set(whole["values"]) - set(alone)}
    said = [f"{group}.{one.split()[0]}".removeprefix(f"{GENERAL}.") for group, all_ in rows(whole).items()
            for one in all_ if not one.startswith("link ")]  # fmt: skip
    assert sorted(said) == sorted(alone)
    assert of_links
    assert [one.split()[2] for one in rows(whole)["nvlink"] if one.startswith("link ")] == [
        name.split(".")[2] for name in READINGS if name.startswith("nvlink.N.") and name.split(".")[2] in of_links
    ]


def test_groups_stand_in_the_order_of_the_readings(whole: Gpu) -> None:
    assert table(whole).columns[0].title == "GPU 3"
    order = [name.partition(".")[0] if "." in name else GENERAL for name in READINGS if name in whole["values"]]
    assert list(rows(whole)) == list(dict.fromkeys(order))
    assert rows(whole)["temperature"][:2] == ["core 34 C", "memory 41 C"]


def test_links_that_read_the_same_are_one(whole: Gpu) -> None:
    whole["values"]["nvlink.7.active"] = False
    said = next(one for one in table(whole).rows if one.cells[0] == "nvlink").cells[1]
    assert "link 0-6,8-17 active yes, link 7 active no, " in said
    assert numbers(["4"]) == "4"


def test_a_reading_of_a_newer_payload_is_shown_too(whole: Gpu) -> None:
    whole["values"].update({"nvlink.2.warmth": 3, "smell.burnt": True})
    assert "link 2 warmth 3" in rows(whole)["nvlink"]
    assert rows(whole)["smell"] == ["burnt yes"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (76.412, "W", "76.412 W"),
        (76.0, "W", "76 W"),
        (150_754_820_096, "B", "140 GiB"),
        (0b1010, "mask", "0xa"),
        (123_456_789_012, "ns", "123456789012 ns"),
        (3, "count", "3"),
        (True, "bool", "yes"),
        ("", "text", "-"),
        (0, "%", "0 %"),
    ],
)
def test_a_value_keeps_its_unit(value: Scalar, unit: str, text: str) -> None:
    assert shown(value, unit) == text
