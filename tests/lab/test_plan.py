"""The plan of a boot as labhost reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gigactl.lab.bootplan import Content, Disk, boot_plan
from gigactl.lab.effect import HEALTHY, Effect, Root
from gigactl.lab.layers import Layers
from gigactl.lab.plan import NODEV, NOSUID, Plan

LAYERS = Layers.below(Path("/lab/layers"))
DISK = Disk(*(Path("/lab/hosts/gpu001") / name for name in ("root", "upper", "work")))
CONTENT = Content("gpu001", "gpus 8\n", "6,0,0,-;hello\n", {"class/dmi/id/product_serial": "J1\n"}, range(8))


def lines(change: Effect) -> list[str]:
    return bytes(boot_plan(DISK, LAYERS, CONTENT, change)).decode().splitlines()


def test_every_operation_has_its_line() -> None:
    plan = Plan()
    plan.mount("tmpfs", "run", "mode=755", NOSUID | NODEV)
    plan.bind("/sys/kernel", "sys/kernel")
    plan.directory("run/lock", 0o1777)
    plan.node("dev/null", 1, 3)
    plan.link("dev/fd", "/proc/self/fd")
    plan.file("etc/motd", "höst\n", 0o644)
    plan.name("gpu001")
    plan.readonly()
    assert bytes(plan).decode().splitlines() == [
        "mount\ttmpfs\trun\t6\tmode=755",
        "bind\t/sys/kernel\tsys/kernel\tro",
        "dir\t1777\trun/lock",
        "node\t666\t1\t3\tdev/null",
        "link\t/proc/self/fd\tdev/fd",
        "file\t644\t6\tetc/motd",
        "höst",
        "",
        "name\tgpu001",
        "readonly",
    ]


@pytest.mark.parametrize("wrong", ["", "a\tb", "a\nb"])
def test_what_would_break_a_line_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="field"):
        Plan().name(wrong)


def test_a_healthy_host() -> None:
    plan = lines(HEALTHY)
    assert plan[0] == (
        "root\t/lab/hosts/gpu001/root\tlowerdir=/lab/layers/base:/,upperdir=/lab/hosts/gpu001/upper,"
        "workdir=/lab/hosts/gpu001/work"
    )
    assert "readonly" not in plan
    assert sum(line.startswith("node\t666\t195\t") for line in plan) == 8 + 1


def test_faults_in_the_plan() -> None:
    plan = lines(Effect(python=False, root=Root.READONLY))
    assert "lowerdir=/lab/layers/no-python:/lab/layers/base:/," in plan[0]
    assert plan[-1] == "readonly"


def test_each_boot_has_its_own_id() -> None:
    def boot_id() -> str:
        plan = lines(HEALTHY)
        return plan[plan.index("file\t444\t37\trun/nvidia-lab/boot_id") + 1]

    assert boot_id() != boot_id()
