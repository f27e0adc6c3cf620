"""Breaks a healthy snapshot as each kind of fault shows itself to a probe; keys are the kinds of `faults/*.yaml`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

from gigactl.payload.schema import Gpu, KernelEvent, Snapshot
from tests.health.snapshots import broken_driver, event, kernel, pci, xid

GPU = 3
Options = Mapping[str, str]


def lose(gpu: Gpu, why: str) -> None:
    """Nothing more can be read of this GPU."""
    gpu["values"].clear()
    gpu["unread"] = {"*": why}
    gpu["uuid"] = gpu["serial"] = gpu["name"] = ""


def _gpu_lost(snapshot: Snapshot, _: Options) -> None:
    lose(snapshot["gpus"][GPU], "lost")
    assert snapshot["facts"] is not None
    snapshot["facts"]["pci_gpus"][GPU]["alive"] = False
    short = event("fallen-off", 60_000_000_100, at=pci(GPU))
    _log(
        snapshot,
        xid(79),
        short,
        xid(154, text="Xid: 154, action changed from 0x0 (None) to 0x2 (Node Reboot Required)"),
    )


def _gpu_missing(snapshot: Snapshot, _: Options) -> None:
    assert snapshot["facts"] is not None
    assert snapshot["driver"] is not None
    del snapshot["facts"]["pci_gpus"][GPU]
    del snapshot["gpus"][GPU]
    for index, gpu in enumerate(snapshot["gpus"]):
        gpu["index"] = index
    snapshot["driver"]["gpu_count"] -= 1


_NVLINK5_WORDS = {144: ("00000001", "1"), 145: ("00000007", "1"), 149: ("00100011", "0")}


def _xid(snapshot: Snapshot, options: Options) -> None:
    code = int(options["code"])
    text = ""
    words: tuple[str, str] | None = _NVLINK5_WORDS.get(code)
    if code == 154:
        text = (
            "NVRM: Xid (PCI:0000:5d:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"
        )
    events = [xid(code, usec=60_000_000_000 + time, text=text) for time in range(int(options.get("count", "1")))]
    if words:
        events[0]["fields"] = {"intrinfo": words[0], "error_status": words[1]}
    _log(snapshot, *events)


def _values(**changes: float) -> Callable[[Snapshot, Options], None]:
    def change(snapshot: Snapshot, _: Options) -> None:
        snapshot["gpus"][GPU]["values"].update({name.replace("__", "."): value for name, value in changes.items()})

    return change


def _nvlink_down(snapshot: Snapshot, options: Options) -> None:
    values = snapshot["gpus"][GPU]["values"]
    down = int(options.get("links", "1"))
    values.update({f"nvlink.{link}.active": False for link in range(down)})
    values["nvlink.links.active"] = 18 - down


def _driver_mismatch(snapshot: Snapshot, _: Options) -> None:
    snapshot["driver"] = {**broken_driver("mismatch", 18), "library": "580.178.04"}
    snapshot["gpus"] = []
    _log(snapshot, event("api-mismatch", 60_000_000_000))


def _nvml_hang(snapshot: Snapshot, options: Options) -> None:
    lose(snapshot["gpus"][GPU], "timed-out: NVML did not come back from handle")
    if options.get("kill") == "no":
        assert snapshot["driver"] is not None
        snapshot["driver"]["state"] = "hung"
        snapshot["driver"]["reader"] = 4711
        for gpu in snapshot["gpus"][GPU + 1 :]:
            lose(gpu, "not-read: the NVML reader hangs")


_SMI_READS = (
    "temperature.",
    "power.",
    "utilisation.",
    "memory.",
    "ecc.",
    "remap.",
    "pcie.",
    "mode.",
    "vbios",
    "fabric.",
    "nvlink.",
)


def _no_python(snapshot: Snapshot, _: Options) -> None:
    snapshot["source"] = "nvidia-smi"
    snapshot["python"] = ""
    assert snapshot["facts"] is not None
    snapshot["facts"]["services"] = []
    snapshot["facts"]["unread"] = dict.fromkeys(("cpu", "services", "ports"), "not-read: no python3 on the host")
    for gpu in snapshot["gpus"]:
        gpu["values"] = {name: value for name, value in gpu["values"].items() if name.startswith(_SMI_READS)}
        gpu["unread"]["*"] = "not-read: nvidia-smi does not say"


def _readonly_root(snapshot: Snapshot, _: Options) -> None:
    assert snapshot["facts"] is not None
    snapshot["facts"]["mounts"][0]["readonly"] = True


def _disk_full(snapshot: Snapshot, _: Options) -> None:
    assert snapshot["facts"] is not None
    snapshot["facts"]["mounts"][0]["available"] = 0


def _log(snapshot: Snapshot, *events: KernelEvent) -> None:
    snapshot["kernel"] = kernel(*events)


BREAKING: dict[str, Callable[[Snapshot, Options], None]] = {
    "gpu-lost": _gpu_lost,
    "gpu-missing": _gpu_missing,
    "xid": _xid,
    "ecc-uncorrectable": _values(ecc__volatile__uncorrected=2, ecc__aggregate__uncorrected=2),
    "row-remap-pending": _values(remap__pending=True, remap__correctable=1),
    "row-remap-failed": _values(remap__failed=True, remap__uncorrectable=9),
    "nvlink-down": _nvlink_down,
    "pcie-width": _values(pcie__width=8),
    "driver-mismatch": _driver_mismatch,
    "nvml-hang": _nvml_hang,
    "no-python": _no_python,
    "readonly-root": _readonly_root,
    "disk-full": _disk_full,
}


def broken(snapshot: Snapshot, kind: str, options: Options | None = None) -> Snapshot:
    """A copy of the snapshot with this fault."""
    copied = copy.deepcopy(snapshot)
    BREAKING[kind](copied, options or {})
    return copied
