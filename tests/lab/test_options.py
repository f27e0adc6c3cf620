"""What a lab can be asked to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from gigactl.errors import LabMisuse
from gigactl.lab.options import Fault, LabOptions

HERE = Path("/var/tmp/lab")


def test_the_defaults_are_possible() -> None:
    LabOptions(HERE).check()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (LabOptions(HERE, hosts=0), "hosts: 0"),
        (LabOptions(HERE, gpus=9), "gpus: 9"),
        (LabOptions(HERE, port=70000), "port: 70000"),
        (LabOptions(HERE, prefix="GPU_"), "prefix: 'GPU_'"),
        (LabOptions(HERE, driver="latest"), "driver: 'latest'"),
        (LabOptions(Path("/tmp/a:b")), "overlayfs"),
    ],
)
def test_what_no_lab_can_be(options: LabOptions, words: str) -> None:
    with pytest.raises(LabMisuse, match=words):
        options.check()


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(LabMisuse, match=r"hosts: 0 .*; gpus: 9"):
        LabOptions(HERE, hosts=0, gpus=9).check()


def test_a_fault_reads_as_it_was_typed() -> None:
    assert str(Fault("xid", {"code": "79", "gpu": "0"})) == "xid code=79 gpu=0"
