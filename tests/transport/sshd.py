"""A real OpenSSH server on loopback, as whoever runs the tests, with keys of its own and nothing of this user's."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from gigactl.inventory.model import SshSettings
from gigactl.transport.base import Endpoint
from gigactl.transport.ssh import SshOptions, SshTransport

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
KINDS = ("ed25519", "ecdsa", "rsa")
USER = getpass.getuser()

CONFIG = """
{more}
Port {port}
ListenAddress 0.0.0.0
{host_keys}
AuthorizedKeysFile {directory}/authorized_keys
SetEnv HOME={directory}/home
PidFile none
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 500
MaxSessions 100
LogLevel ERROR
"""


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "", form: str = "RFC4716") -> Path:
    """A new private key at `path`, its public half beside it. `form`: RFC4716 is OpenSSH's own, or PEM."""
    more = ("-b", "2048") if kind == "rsa" else ()
    command = ["ssh-keygen", "-q", "-t", kind, *more, "-m", form, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def public(path: Path) -> str:
    """`TYPE BASE64` of a key's public half."""
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Sshd:
    """A running server. `log`: what it wrote; `address`: any of 127.0.0.0/8 serves."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes]
    address: str = "127.88.0.1"

    @property
    def identity(self) -> Path:
        return self.directory / "id_ed25519"

    def sessions(self) -> list[int]:
        """The processes of its logins now."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, parent = stat.read_text().rpartition(")")[2].split()[:2]
                found += [int(stat.parent.name)] if int(parent) == self.process.pid and state != "Z" else []
        return found

    def label(self, address: str | None = None) -> str:
        return f"[{address or self.address}]:{self.port}"

    def known_hosts(self, *kinds: str, address: str | None = None) -> str:
        lines = [f"{self.label(address)} {public(self.directory / f'host_{kind}')}\n" for kind in kinds or ("ed25519",)]
        return "".join(lines)

    def endpoint(self, name: str = "gpu001", known_hosts: str | None = None, **more: object) -> Endpoint:
        """How the host is reached, its key on record unless `known_hosts` says otherwise."""
        file = self.directory / f"known_hosts.{time.monotonic_ns()}"
        file.write_text(self.known_hosts() if known_hosts is None else known_hosts)
        given: dict[str, object] = {"identity_file": (str(self.identity),), "known_hosts": str(file), **more}
        settings = SshSettings(user=USER, port=self.port, config_file="none")
        settings = SshSettings(**{name: given.get(name, getattr(settings, name)) for name in settings.__slots__})  # type: ignore[arg-type]  # fields by name
        return Endpoint(name, self.address, settings)


def prepare(directory: Path) -> Path:
    """Host keys, a user's key, and a home without anything in it."""
    (directory / "home").mkdir()
    for kind in KINDS:
        keygen(directory / f"host_{kind}", kind)
    keygen(directory / "id_ed25519")
    (directory / "authorized_keys").write_text(public(directory / "id_ed25519") + "\n")
    return directory


@contextmanager
def serving(directory: Path, more: str = "", kinds: tuple[str, ...] = KINDS) -> Iterator[Sshd]:
    """sshd with the keys in `directory`, until left; its sessions end with it."""
    if SSHD is None:
        pytest.skip("no sshd installed")
    port = free_port()
    config = directory / f"sshd_config.{port}"
    host_keys = "\n".join(f"HostKey {directory}/host_{kind}" for kind in kinds)
    config.write_text(CONFIG.format(port=port, directory=directory, host_keys=host_keys, more=more))
    with privilege_separation_directory(), (directory / f"log.{port}").open("wb") as log:
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
        try:
            wait_until_listening(process, port)
            yield Sshd(directory, port, process)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(10)


@contextmanager
def privilege_separation_directory() -> Iterator[None]:
    """sshd as root wants /run/sshd, which a container often lacks."""
    path = Path("/run/sshd")
    if os.geteuid() == 0 and not path.exists():
        path.mkdir(mode=0o755, exist_ok=True)
    yield


def wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        assert process.poll() is None, "sshd did not start"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError("sshd does not listen")


def transport(**options: object) -> SshTransport:
    """One without an agent and without this user's own files."""
    return SshTransport(SshOptions(agent_socket=None, **options))  # type: ignore[arg-type]  # fields by name
