"""A tree of files as a value, laid down."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gigactl.lab.tree import Tree, remove


def test_what_is_laid_is_there(tmp_path: Path) -> None:
    tree = Tree()
    tree.file("etc/motd", "hello\n", 0o640)
    tree.sysfs("class/thing", size=4)
    tree.link("class/alias", "thing")
    tree.directory("tmp", 0o1777)
    tree.lay(tmp_path)
    assert (tmp_path / "etc/motd").read_text(encoding="utf-8") == "hello\n"
    assert stat.S_IMODE((tmp_path / "etc/motd").stat().st_mode) == 0o640
    assert (tmp_path / "class/alias/size").read_text(encoding="ascii") == "4\n"
    assert stat.S_IMODE((tmp_path / "tmp").stat().st_mode) == 0o1777


def test_added_trees_are_both_there(tmp_path: Path) -> None:
    first, second = Tree(), Tree()
    first.file("a", "1")
    second.file("b", "2")
    first.add(second)
    first.lay(tmp_path / "root")
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == ["a", "b"]


@pytest.mark.skipif(os.geteuid() != 0, reason="overlayfs's marks need root")
def test_hidden_and_masked_as_overlayfs_reads_them(tmp_path: Path) -> None:
    tree = Tree()
    tree.hide("usr/bin/python3")
    tree.mask("home")
    tree.lay(tmp_path)
    found = (tmp_path / "usr/bin/python3").stat()
    assert stat.S_ISCHR(found.st_mode)
    assert found.st_rdev == 0
    assert os.getxattr(tmp_path / "home", "trusted.overlay.opaque") == b"y"


def test_removing_what_is_not_there_is_well(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "full").mkdir(parents=True)
    (root / "full/file").touch()
    (root / "link").symlink_to("full")
    for name in ("link", "full", "nothing"):
        remove(root / name)
    assert list(root.iterdir()) == []
