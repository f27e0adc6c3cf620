"""What an `SshTransport` is told once. Loads nothing heavy."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"


def login_name() -> str:
    """Whose process this is, as ssh asks it: by its user id, never by what LOGNAME or USER say."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


@dataclass(frozen=True, slots=True)
class SshOptions:
    """Phase limits in seconds, and this user's surroundings.

    `connect_s`: TCP, name resolution included; `exchange_s`: banner and key exchange; `login_s`: authentication.
    `user`: who we are where nobody says otherwise; `agent_socket` None: no agent; `home`: where `.ssh` is.
    `system_known_hosts`: what is @revoked there holds for every host, whichever file its keys are looked for in.
    """

    connect_s: float = 10.0
    exchange_s: float = 15.0
    login_s: float = 15.0
    user: str = field(default_factory=login_name)
    home: Path = field(default_factory=Path.home)
    system_known_hosts: str = SYSTEM_KNOWN_HOSTS
    agent_socket: str | None = field(default_factory=lambda: os.environ.get("SSH_AUTH_SOCK") or None)

    @property
    def banner_s(self) -> float:
        """What listens and says nothing is given no longer than what does not listen."""
        return min(self.connect_s, self.exchange_s)

    @property
    def default_known_hosts(self) -> tuple[str, ...]:
        return (str(self.home / ".ssh/known_hosts"), str(self.home / ".ssh/known_hosts2"), self.system_known_hosts)

    @property
    def default_keys(self) -> tuple[str, ...]:
        return tuple(str(self.home / ".ssh" / name) for name in ("id_ed25519", "id_ecdsa", "id_rsa"))
