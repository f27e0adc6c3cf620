"""`true` on 500 and 2,500 hosts over SSH with strict host keys: client CPU per host, its slope, and memory; and what
the peers that are installed cost for a part of the same hosts. One sshd on loopback plays every host.

`GIGACTL_BENCH_FANOUT` (default `500,2500`) sets the two numbers of hosts.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gigactl.fanout.asyncio_engine import AsyncioEngine
from gigactl.fanout.base import Limits
from gigactl.inventory.model import Host, SshSettings
from gigactl.remote.shell import Shell
from gigactl.transport.dialogue import Ended
from gigactl.transport.ssh import SshOptions, SshTransport
from tests.benchmarks.measure import Goal, Measured, noise, run, verdict
from tests.transport.sshd import SSHD, USER, Sshd, prepare, serving

PEER_HOSTS = 100
ROOT = Path(__file__).resolve().parent.parent.parent
PARALLEL_SSH = """
import json, sys
from pssh.clients import ParallelSSHClient
hosts = json.loads(sys.argv[3])
client = ParallelSSHClient(hosts, user=sys.argv[4], port=int(sys.argv[1]), pkey=sys.argv[2], pool_size=64)
answers = client.run_command("true", stop_on_errors=False)
client.join(answers)
print(sum(answer.exit_code == 0 for answer in answers))
"""


def addresses(count: int) -> list[str]:
    return [f"127.89.{number >> 8}.{number & 255}" for number in range(1, count + 1)]


async def ours(port: int, directory: Path, count: int) -> Counter[str]:
    """What the child process does: everything from the inventory's values on."""
    settings = SshSettings(USER, port, (str(directory / "id_ed25519"),), str(directory / "known"), None, "none")
    hosts = [Host(address, address, ssh=settings) for address in addresses(count)]
    transport = SshTransport(SshOptions(agent_socket=None))
    ends: Counter[str] = Counter()
    async with AsyncioEngine(lambda host: transport).run(hosts, Shell(("true",)), Limits(window=64)) as arrivals:
        async for arrival in arrivals:
            if isinstance(arrival, Ended):
                ends[str(arrival.status)] += 1
    return ends


def measure(server: Sshd, count: int) -> Measured:
    argv = [sys.executable, "-m", "tests.benchmarks.fanout_true", str(server.port), str(server.directory), str(count)]
    measured = run(argv, env={"PYTHONPATH": str(ROOT)})
    assert measured.code == 0
    assert json.loads(measured.stdout) == {"ok": count}
    return measured


def peers(server: Sshd, count: int) -> dict[str, Measured]:
    """Those that are installed, each told to check host keys where it can, to use curve25519 and 64 at once."""
    key, known = server.directory / "id_ed25519", server.directory / "known"
    options = (
        f"-p {server.port} -i {key} -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes "
        "-o KexAlgorithms=curve25519-sha256"
    )
    hosts = addresses(count)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    commands: dict[str, Sequence[str]] = {}
    if clush := shutil.which("clush", path=path):
        commands["clush -f 64"] = [
            clush,
            "-f",
            "64",
            "-l",
            USER,
            "-O",
            f"ssh_options={options}",
            "-w",
            ",".join(hosts),
            "true",
        ]
    if importlib.util.find_spec("pssh"):
        commands["parallel-ssh, no host key check"] = [
            sys.executable, "-c", PARALLEL_SSH, str(server.port), str(key), json.dumps(hosts), USER
        ]  # fmt: skip
    if ansible := shutil.which("ansible", path=path):
        commands["ansible -m raw -f 64"] = [
            ansible, "all", "-i", ",".join(hosts) + ",", "-u", USER, "-m", "raw", "-a", "true", "-f", "64",
            "--ssh-common-args", options,
        ]  # fmt: skip
    found = {name: run(command) for name, command in commands.items()}
    return {name: measured for name, measured in found.items() if measured.code == 0}


def row(name: str, measured: Measured, hosts: int) -> None:
    cost = measured.cpu_ms_per(hosts)
    print(f"  {name:<40} {hosts:>6} hosts {cost:8.2f} ms CPU each {measured.wall:7.1f} s {measured.peak_mb:6.0f} MB")


def main() -> int:
    if SSHD is None:
        print("  no sshd here: not measured")
        return 0
    few, many = (int(number) for number in os.environ.get("GIGACTL_BENCH_FANOUT", "500,2500").split(","))
    spread = noise()
    with tempfile.TemporaryDirectory(prefix="gigactl-bench-") as folder, serving(prepare(Path(folder))) as server:
        known = "".join(server.known_hosts(address=address) for address in addresses(many))
        (server.directory / "known").write_text(known)
        one, small, big = measure(server, 1), measure(server, few), measure(server, many)
        same = measure(server, PEER_HOSTS)
        beside = peers(server, PEER_HOSTS)
    for name, measured, count in (("gigactl", one, 1), ("gigactl", small, few), ("gigactl", big, many)):
        row(name, measured, count)
    row("gigactl", same, PEER_HOSTS)
    for name, measured in beside.items():
        row(name, measured, PEER_HOSTS)
        print(f"    costs {measured.cpu / same.cpu:.1f} x ours, start-up included")
    slope = 1000 * (big.cpu - small.cpu) / (many - few)
    goals = (
        Goal("marginal client CPU per host (threads)", slope, 3.6, "ms"),
        Goal("marginal client CPU per host (design's goal)", slope, 1.8, "ms", later=True),
        Goal("start-up and one host, CPU", one.cpu, 0.3, "s", later=True),
        Goal(f"peak memory at {many} hosts", big.peak_mb, 75, "MB", later=True),
        Goal(f"more memory at {many} hosts than at {few}", big.peak_mb - small.peak_mb, 5, "MB", later=True),
    )
    return verdict(goals, max(spread, noise()))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ours(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))))
