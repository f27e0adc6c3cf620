"""Keys as OpenSSH reads them."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

from gigactl.lab.keys import known_host, make_key, write_key


def test_openssh_reads_the_private_key(tmp_path: Path) -> None:
    key = make_key("gpu001")
    path = tmp_path / "id_ed25519"
    write_key(path, key)
    done = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:2] == key[1].split()[:2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.with_name("id_ed25519.pub").read_text(encoding="ascii") == key[1]


def test_ports_in_known_hosts() -> None:
    line = "ssh-ed25519 AAAA gpu001\n"
    assert known_host("127.77.0.1", 2222, line) == "[127.77.0.1]:2222 ssh-ed25519 AAAA\n"
    assert known_host("127.77.0.1", 22, line) == "127.77.0.1 ssh-ed25519 AAAA\n"
