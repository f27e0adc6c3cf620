"""A lab host as everybody else sees it: through the real OpenSSH, with what the lab's files say."""

from __future__ import annotations

import inspect
import subprocess
from dataclasses import dataclass
from types import ModuleType

from gigactl.lab.options import HostStatus, LabStatus


@dataclass(frozen=True, slots=True)
class Seen:
    """One host of a lab."""

    lab: LabStatus
    host: HostStatus

    def ssh(
        self, command: str, *, user: str = "root", stdin: str = "", timeout: int = 10
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line there; host keys are checked strictly. 255: ssh itself failed, `stderr` says how."""
        options = [
            f"UserKnownHostsFile={self.lab.dir / 'known_hosts'}",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            f"ConnectTimeout={timeout}",
        ]
        arguments = ["ssh", "-F", "none", "-p", str(self.host.port), "-i", str(self.lab.dir / "id_ed25519")]
        arguments += [part for option in options for part in ("-o", option)]
        return subprocess.run(
            [*arguments, f"{user}@{self.host.address}", command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout + 20,
            check=False,
        )

    def says(self, command: str, *, user: str = "root", stdin: str = "") -> str:
        """What a command that succeeds prints."""
        done = self.ssh(command, user=user, stdin=stdin)
        assert done.returncode == 0, f"{command}: exit {done.returncode}: {done.stderr}"
        return done.stdout.strip()

    def kernel_log(self) -> str:
        """The kernel log as dmesg prints it."""
        return self.says("dmesg")

    def nvml(self, expression: str, *, timeout: int = 20) -> subprocess.CompletedProcess[str]:
        """Print a Python expression, every name of pynvml known, on the host's own python3 after nvmlInit."""
        import pynvml

        program = f"{_source(pynvml)}\nnvmlInit()\nprint({expression})\n"
        return self.ssh("python3 -", stdin=program, timeout=timeout)

    def reads(self, expression: str) -> str:
        """The same where it succeeds."""
        done = self.nvml(expression)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def _source(module: ModuleType) -> str:
    return inspect.getsource(module)


def bdf(index: int) -> str:
    """An expression: the PCI address of a GPU as sysfs writes it."""
    return f"nvmlDeviceGetPciInfo(nvmlDeviceGetHandleByIndex({index})).busId[4:].lower()"
