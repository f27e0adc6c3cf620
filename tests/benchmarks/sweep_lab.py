"""The health of 1,000 lab hosts × 8 GPUs, payload cached: everyone accounted for, controller CPU and memory, what one
probe costs on the host. Beside it what operators do today, `clush … nvidia-smi -q -x`, over a part of the same hosts.

`GIGACTL_BENCH_HOSTS` (default 1000) sets the number of hosts. Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from gigactl.lab import fleet
from tests.benchmarks.measure import Goal, Measured, gigactl, noise, run, verdict

PEER_HOSTS = 50


def check(inventory: Path) -> Measured:
    return run(gigactl("-i", str(inventory), "health", "check", "-o", "json"))


def accounted(sweep: Measured, hosts: int) -> dict[str, int]:
    """The summary, after a look that every host is in it exactly once."""
    answer = json.loads(sweep.stdout)
    names = [host["host"] for host in answer["hosts"]]
    assert len(names) == len(set(names)) == hosts == answer["summary"]["hosts"]
    summary: dict[str, int] = answer["summary"]
    return summary


def host_cpu_ms(sweep: Measured) -> list[float]:
    return [1000 * host["probe"]["cpu_s"] for host in json.loads(sweep.stdout)["hosts"] if host.get("probe")]


def peer(lab: Path, count: int) -> Measured | None:
    """clush with curve25519, which flatters it: the sntrup761 that OpenSSH picks by itself costs five times as much."""
    clush = shutil.which("clush", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if clush is None:
        return None
    status = fleet.status(lab)
    addresses = ",".join(host.address for host in status.hosts[:count])
    options = (
        f"-p {status.hosts[0].port} -i {lab / 'id_ed25519'} -o StrictHostKeyChecking=yes "
        f"-o UserKnownHostsFile={lab / 'known_hosts'} -o KexAlgorithms=curve25519-sha256"
    )
    return run(
        [clush, "-f", "64", "-l", "root", "-O", f"ssh_options={options}", "-w", addresses, "nvidia-smi", "-q", "-x"]
    )


def row(name: str, measured: Measured, hosts: int) -> None:
    print(f"  {name:<54} {measured.cpu_ms_per(hosts):8.2f} ms CPU per host, {measured.wall:6.1f} s")


def main() -> int:
    hosts = int(os.environ.get("GIGACTL_BENCH_HOSTS", "1000"))
    spread = noise()
    with tempfile.TemporaryDirectory(prefix="gigactl-bench-", dir="/var/tmp") as folder:
        lab = Path(folder) / "lab"
        try:
            status = fleet.up(fleet.LabOptions(dir=lab, hosts=hosts, gpus=8, model="sr680a-v3", board="h200"))
            shipping = check(status.inventory)
            cached = check(status.inventory)
            beside = peer(lab, min(PEER_HOSTS, hosts))
        finally:
            fleet.down(lab)
    summary = accounted(cached, hosts)
    probes = host_cpu_ms(cached)
    print(f"  {hosts} hosts x 8 GPUs: {', '.join(f'{count} {name}' for name, count in summary.items() if count)}")
    row("first sweep (ships the payload)", shipping, hosts)
    row("second sweep (payload cached)", cached, hosts)
    if beside is not None and beside.code == 0:
        count = min(PEER_HOSTS, hosts)
        row(f"clush -f 64 nvidia-smi -q -x, {count} hosts, no verdict", beside, count)
        print(f"  clush costs {beside.cpu_ms_per(count) / cached.cpu_ms_per(hosts):.1f} x ours per host")
    else:
        print("  clush: not measured here")
    goals = (
        Goal("controller CPU per host, cached", cached.cpu_ms_per(hosts), 10, "ms"),
        Goal("controller peak memory", cached.peak_mb, 150, "MB"),
        Goal("host-side CPU of one probe, median", statistics.median(probes), 200, "ms"),
        Goal("controller CPU per host (design's goal)", cached.cpu_ms_per(hosts), 2.8, "ms", later=True),
        Goal("controller peak memory (design's goal)", cached.peak_mb, 75, "MB", later=True),
    )
    return verdict(goals, max(spread, noise()))


if __name__ == "__main__":
    sys.exit(main())
