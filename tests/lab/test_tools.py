"""What the lab asks of a machine before it makes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from gigactl.errors import LabError, LabMisuse
from gigactl.lab import tools


def test_every_missing_tool_is_named_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(LabMisuse, match="missing: gcc, sshd, ssh, ") as missing:
        tools.check_tools(str(tmp_path))
    assert missing.value.hint.startswith("apt-get install ")
    assert {"gcc", "openssh-server", "e2fsprogs", "util-linux"} <= set(missing.value.hint.split())


def test_a_tool_that_fails_says_why() -> None:
    with pytest.raises(LabError, match="cp /nothing/there") as failed:
        tools.run(["cp", "/nothing/there", "/nothing/here"])
    assert failed.value.exit_code == 5


def test_labhost_is_compiled_once(tmp_path: Path) -> None:
    built = tools.build_labhost(tmp_path)
    before = built.stat()
    assert tools.build_labhost(tmp_path) == built
    assert built.stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "labhost"))] == [built.name]


def test_the_checkout_and_the_lab_are_masked() -> None:
    masked = tools.masked_paths(Path("/srv/lab"))
    assert "/srv/lab" in masked
    assert any(Path(tools.__file__).is_relative_to(path) for path in masked)
