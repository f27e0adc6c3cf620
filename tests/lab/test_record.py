"""The record that makes a directory a lab's."""

from __future__ import annotations

from pathlib import Path

import pytest

from gigactl.errors import LabError
from gigactl.lab import record
from gigactl.lab.options import LabOptions
from gigactl.lab.record import Layout, Record


def test_what_is_written_is_read(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    made = Record(
        1, LabOptions(tmp_path), Path("/c/labhost"), Path("/c/lib.so"), Path("/c"), "", "offline", ("/a", "/b")
    )
    record.write(layout, made)
    assert record.read(layout) == made


def test_a_record_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text("{}", encoding="ascii")
    with pytest.raises(LabError, match=r"lab\.json"):
        record.read(Layout(tmp_path))


def test_whose_a_directory_is(tmp_path: Path) -> None:
    directory = tmp_path / "directory"
    assert record.claims(directory)
    directory.mkdir()
    assert record.claims(directory)
    (directory / "lab.new").touch()
    assert record.claims(directory)
    (directory / "thesis").touch()
    assert not record.claims(directory)
    (directory / "lab.json").touch()
    assert record.claims(directory)
