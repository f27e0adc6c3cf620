"""The probe on this very host against its own nvidia-smi; with RECORD_SNAPSHOT_IN=DIR the snapshot is kept there."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from gigactl.health.judge import judge
from gigactl.health.policy import DEFAULT_POLICY
from gigactl.inventory.expectation import Expectation
from gigactl.inventory.model import Host
from gigactl.payload.readings import READINGS
from gigactl.payload.schema import Snapshot
from gigactl.remote.probe import Probe
from gigactl.results import Severity
from gigactl.transport.base import Deadline, Endpoint
from gigactl.transport.local import LocalTransport

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="no NVIDIA driver on this host"),
]


async def look() -> Snapshot:
    host = Host("here", "127.0.0.1", transport="local")
    deadline = Deadline.after(60, asyncio.get_running_loop().time)
    endpoint = Endpoint(host.name, host.address, host.ssh)
    async with LocalTransport().connect(endpoint, deadline) as connection:
        [snapshot] = [snapshot async for snapshot in Probe().speak(host, connection, deadline)]
        return snapshot


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    """The second look: the first one ships the payload."""
    asyncio.run(look())
    taken = asyncio.run(look())
    folder = os.environ.get("RECORD_SNAPSHOT_IN")
    if folder:
        Path(folder, "snapshot.json").write_bytes(msgspec.json.format(msgspec.json.encode(taken), indent=1))
    return taken


def smi(*fields: str) -> list[list[str]]:
    query = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60)
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]


def test_it_sees_what_nvidia_smi_sees(snapshot: Snapshot) -> None:
    driver = snapshot["driver"]
    assert driver is not None
    assert driver["state"] == "ok"
    rows = smi("uuid", "serial", "name", "driver_version", "pcie.link.width.current", "ecc.mode.current")
    assert driver["gpu_count"] == len(rows) == len(snapshot["gpus"])
    for gpu, (uuid, serial, name, version, width, ecc) in zip(snapshot["gpus"], rows, strict=True):
        assert (gpu["uuid"], gpu["name"], driver["driver_version"]) == (uuid, name, version)
        assert gpu["serial"] == serial or not serial.isdigit()
        assert gpu["values"].get("pcie.width") == int(width)
        assert gpu["values"].get("mode.ecc", ecc == "Enabled") == (ecc == "Enabled")


def test_every_reading_is_a_value_or_a_reason(snapshot: Snapshot) -> None:
    plain = {name for name in READINGS if ".N." not in name}
    for gpu in snapshot["gpus"]:
        assert plain - set(gpu["values"]) - set(gpu["unread"]) == set()


def test_it_stays_in_its_budget(snapshot: Snapshot, capsys: pytest.CaptureFixture[str]) -> None:
    driver = snapshot["driver"]
    assert driver is not None
    with capsys.disabled():
        print(
            f"\n{len(snapshot['gpus'])} × {snapshot['gpus'][0]['name']}, driver {driver['driver_version']}:"
            f" init {driver['init_s']:.3f} s, probe {snapshot['seconds']:.3f} s, {1000 * snapshot['cpu_s']:.0f} ms CPU,"
            f" {len(msgspec.json.encode(snapshot))} bytes"
        )
    assert snapshot["complete"]


def test_nothing_critical_is_said_of_a_host_in_use(snapshot: Snapshot) -> None:
    judged = judge(snapshot, Expectation(), None, DEFAULT_POLICY, datetime.now(UTC))
    assert [one.id for one in judged.findings if one.severity is Severity.CRITICAL] == []
