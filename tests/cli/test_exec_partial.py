"""What a command wrote before its time was up is kept and shown; how it ended is not known, and said so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FLEET = "version: 1\nhosts:\n  here: {address: 127.0.0.1, transport: local}\n"


def test_output_that_came_before_the_deadline_is_kept(tmp_path: Path) -> None:
    inventory = tmp_path / "fleet.yaml"
    inventory.write_text(FLEET, encoding="utf-8")
    argv = [sys.executable, "-m", "gigactl", "-i", str(inventory), "-o", "json", "exec", "-l", "here", "-y"]
    argv += ["--timeout", "3", "--", "echo partial; exec sleep 30"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    [host] = json.loads(done.stdout)["hosts"]
    assert (host["status"], host["exit_code"], host["stdout"]) == ("unknown", None, "partial\n")
    assert done.returncode == 5
