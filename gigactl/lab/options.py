"""What a rehearsal fleet is asked to be, and what it is: requests in, statuses out, both frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gigactl.errors import LabMisuse

DEFAULT_DRIVER = "580.126.20"
MOST_HOSTS = 5000
_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,30}")
DRIVER_VERSION = re.compile(r"\d{3}\.\d{1,3}(\.\d{1,3})?")
# overlayfs reads `:` and `,` in its options as its own, and blanks would have to be escaped in /proc/mounts
_DIRECTORY = re.compile(r"[A-Za-z0-9_./+@=-]+")


@dataclass(frozen=True, slots=True)
class LabOptions:
    """What `lab up` is asked for.

    `dir`: where the fleet lives, made by `up` and removed by `down`. `gpus`: per host. `model`: a server model the lab
    knows (`gigactl.lab.models.MODELS`); `board`: `h100`, `h200`, `b200`, `a100`, … (empty: the model's usual one).
    `driver`: the version loaded on every host. Hosts are called `prefix` and a number of at least three digits. `port`:
    where sshd answers.
    """

    dir: Path
    hosts: int = 16
    gpus: int = 8
    model: str = "sr680a-v3"
    board: str = ""
    driver: str = DEFAULT_DRIVER
    prefix: str = "gpu"
    port: int = 2222

    def check(self) -> None:
        """Raise LabMisuse for what no lab can be."""
        wrong = [
            text
            for right, text in (
                (1 <= self.hosts <= MOST_HOSTS, f"hosts: {self.hosts} is not 1 to {MOST_HOSTS}"),
                (1 <= self.gpus <= 8, f"gpus: {self.gpus} is not 1 to 8"),
                (1 <= self.port <= 65535, f"port: {self.port} is not 1 to 65535"),
                (_PREFIX.fullmatch(self.prefix), f"prefix: {self.prefix!r} is not a host name's beginning"),
                (
                    DRIVER_VERSION.fullmatch(self.driver),
                    f"driver: {self.driver!r} is not a version such as {DEFAULT_DRIVER}",
                ),
                (_DIRECTORY.fullmatch(str(self.dir)), f"dir: {self.dir} holds characters that overlayfs cannot take"),
            )
            if not right
        ]
        if wrong:
            raise LabMisuse("; ".join(wrong))


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one host: its kind (`gigactl.lab.faults.KINDS`) and every option, defaults filled in."""

    kind: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{name}={value}" for name, value in self.options.items())])


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host: where it answers, `state` (`up`, or `off` when its PID 1 is gone), the faults it has."""

    name: str
    address: str
    port: int
    state: str
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class LabStatus:
    """A fleet that is up; `port`: of every host's sshd.

    `nvidia_smi`: every host has the real one; if not, `nvidia_smi_reason` says why.
    """

    dir: Path
    inventory: Path
    port: int
    supervisor: int
    model: str
    board: str
    gpus: int
    driver: str
    frozen: bool
    nvidia_smi: bool
    nvidia_smi_reason: str
    hosts: tuple[HostStatus, ...]
