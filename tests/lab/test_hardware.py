"""The GPUs that a state text describes, and the text when some are not there."""

from __future__ import annotations

from gigactl.lab.hardware import banks, identities, without

STATE = """\
driver 580.126.20
gpus 3
gpu.*.temp 40
gpu.0.pci 00000000:18:00.0
gpu.0.uuid GPU-a
gpu.0.serial 1
gpu.0.topo.1 40
gpu.0.topo.2 50
gpu.1.pci 0000:2E:00.0
gpu.1.uuid GPU-b
gpu.1.serial 2
gpu.1.topo.0 40
gpu.2.pci 0000:41:00.0
gpu.2.uuid GPU-c
gpu.2.serial 3
gpu.2.topo.0 50
gpu.2.nvlink.1.state 0
"""


def test_identities() -> None:
    assert [(gpu.index, gpu.pci, gpu.uuid, gpu.serial) for gpu in identities(STATE)] == [
        (0, "0000:18:00.0", "GPU-a", "1"),
        (1, "0000:2e:00.0", "GPU-b", "2"),
        (2, "0000:41:00.0", "GPU-c", "3"),
    ]


def test_banks() -> None:
    assert banks(STATE) == 0
    assert banks(STATE + "gpu.*.remap.hist.max 2560\n") == 2560


def test_the_others_move_up() -> None:
    assert without(STATE, frozenset({1})).splitlines() == [
        "driver 580.126.20",
        "gpus 2",
        "gpu.*.temp 40",
        "gpu.0.pci 00000000:18:00.0",
        "gpu.0.uuid GPU-a",
        "gpu.0.serial 1",
        "gpu.0.topo.1 50",
        "gpu.1.pci 0000:41:00.0",
        "gpu.1.uuid GPU-c",
        "gpu.1.serial 3",
        "gpu.1.topo.0 50",
        "gpu.1.nvlink.1.state 0",
    ]


def test_nobody_missing_changes_nothing() -> None:
    assert without(STATE, frozenset()) == STATE
