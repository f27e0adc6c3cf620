"""Cleaning a host: everything goes, or it says what did not."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from gigactl.errors import ReplyInvalid
from gigactl.inventory.model import Host
from gigactl.remote.clean import Clean
from gigactl.transport.base import Become
from gigactl.transport.simulated import Reply, Script, SimulatedTransport
from tests.remote.talking import said


def place(directory: Path) -> Path:
    """A place with two bundles in it and a reader's lock."""
    found = directory / "gigactl"
    for name in ("digest", ".new-digest"):
        (found / name).mkdir(parents=True)
        (found / name / "code").touch()
    (found / "reader").touch()
    return found


def test_everything_goes_and_again_nothing_is_left_to_remove(tmp_path: Path) -> None:
    kept = place(tmp_path)
    clean = Clean(places=(str(kept), str(tmp_path / "none" / "gigactl")))
    assert str(kept) in said(clean)[0].paths
    assert not kept.exists()
    assert str(kept) not in said(clean)[0].paths


def test_what_could_not_be_removed_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, other = place(tmp_path / "one"), place(tmp_path / "two")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rm").write_text(
        f'#!/bin/sh\nfor p in "$@"; do [ "$p" != {kept} ] || {{ echo read-only >&2; exit 1; }}; done\n/bin/rm "$@"\n'
    )
    (tmp_path / "bin" / "rm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(ReplyInvalid, match=r"could not remove everything .*read-only"):
        said(Clean(places=(str(kept), str(other))))
    assert kept.exists()
    assert not other.exists()


def test_the_lock_of_a_reader_at_work_stays(tmp_path: Path) -> None:
    kept = place(tmp_path)
    with (kept / "reader").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ReplyInvalid, match="held by a probe"):
            said(Clean(places=(str(kept),)))
        assert [path.name for path in kept.iterdir()] == ["reader"]
    said(Clean(places=(str(kept),)))
    assert not kept.exists()


def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    there = place(tmp_path / "there")
    (tmp_path / "gigactl").symlink_to(there)
    said(Clean(places=(str(tmp_path / "gigactl"),)))
    assert not os.path.lexists(tmp_path / "gigactl")
    assert len(list(there.iterdir())) == 3


def test_the_login_users_cache_goes_too() -> None:
    replies = [Reply(b"/var/lib/gigactl\n/root/.cache/gigactl\n"), Reply(b"/home/ops/.cache/gigactl\n")]
    transport = SimulatedTransport(otherwise=Script(answer=lambda exec: replies.pop(0)))
    removed, execs = said(Clean(), transport, Host("a", "a", become="sudo"))
    assert execs == 2
    assert [one.become for one in transport.received] == [Become("sudo"), None]
    assert transport.received[1].argv[-1] == "~"
    assert removed.paths == ("/var/lib/gigactl", "/root/.cache/gigactl", "/home/ops/.cache/gigactl")
