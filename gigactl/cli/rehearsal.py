"""The rehearsal fleet as text. Here and not in `render`, which does not know the lab."""

from __future__ import annotations

import shlex
from collections import defaultdict

from gigactl.inventory.ranges import fold
from gigactl.lab.options import LabStatus
from gigactl.render.encode import encode
from gigactl.render.table import Column, Row, Screen, Table, draw
from gigactl.render.text import count, listed

SCHEMA = "gigactl.lab/1"


def screen(status: LabStatus, on: Screen) -> str:
    """Hosts in the same state with the same faults on one line, then what the fleet is."""
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for host in status.hosts:
        together[host.state, listed(map(str, host.faults))].append(host.name)
    columns = (Column("HOSTS", fold=True), Column("STATE"), Column("FAULTS", fold=True))
    rows = tuple(Row((fold(names), state, faults)) for (state, faults), names in together.items())
    return draw(Table(columns, rows), on) + "\n" + what(status) + "\n"


def what(status: LabStatus) -> str:
    """`16 hosts × 8 GPUs, sr680a-v3 with h200, driver 580.126.20`."""
    frozen = ", frozen" if status.frozen else ""
    board = f" with {status.board}" if status.board else ""
    hosts = f"{count(len(status.hosts), 'host')} × {count(status.gpus, 'GPU')}"
    return f"{hosts}, {status.model}{board}, driver {status.driver}{frozen}, in {status.dir}"


def next_steps(status: LabStatus) -> str:
    """What there is now, and the commands to go on with."""
    names = [host.name for host in status.hosts]
    folder = shlex.quote(str(status.dir))
    lines = [
        f"up: {what(status)}",
        "" if status.nvidia_smi else f"without nvidia-smi on the hosts: {status.nvidia_smi_reason}",
        f"  export GIGACTL_INVENTORY={shlex.quote(str(status.inventory))}",
        "  gigactl health check",
        f"  gigactl exec -l {shlex.quote(fold(names))} -y -- uptime",
        f"  gigactl lab fault {names[-1]} gpu-lost gpu=0 --dir {folder}",
        f"  gigactl lab down --dir {folder}",
    ]
    return "".join(f"{line}\n" for line in lines if line)


def document(status: LabStatus) -> str:
    """`gigactl.lab/1`."""
    hosts = [
        {
            "host": host.name,
            "address": host.address,
            "port": host.port,
            "state": host.state,
            "faults": [{"kind": fault.kind, **fault.options} for fault in host.faults],
        }
        for host in status.hosts
    ]
    fleet = {
        "dir": str(status.dir),
        "inventory": str(status.inventory),
        "model": status.model,
        "board": status.board,
        "gpus": status.gpus,
        "driver": status.driver,
        "frozen": status.frozen,
        "nvidia_smi": status.nvidia_smi,
    }
    return encode({"schema": SCHEMA, **fleet, "hosts": hosts})
