"""What is kept of a host for the comparison with its fleet: versions and counts, at most 2 KB, never a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from gigactl.inventory.expectation import Expectation
from gigactl.inventory.model import Host
from gigactl.payload.schema import Gpu, Snapshot

_LONGEST = 64  # characters of one version; no real one comes near
_MOST = 16  # distinct versions on one host; no board has more GPUs


@dataclass(frozen=True, slots=True)
class Features:
    """One host in short. Versions are distinct values over its GPUs, sorted. `nvlinks`: active links of its worst GPU;
    None where unread, or where the board's count is proved and the judge has had its say."""

    host: str
    model: str
    board: str
    gpu: str
    driver: str
    vbios: tuple[str, ...]
    firmware: tuple[str, ...]
    nvlinks: int | None


def features(host: Host, snapshot: Snapshot, expected: Expectation) -> Features:
    """The features of one look. The driver counts only where it answered: one in mid-change is no member of either
    side."""
    driver = snapshot["driver"]
    gpus = snapshot["gpus"]
    names = {gpu["name"][:_LONGEST] for gpu in gpus if gpu["name"]}
    return Features(
        host=host.name,
        model=expected.model or "",
        board=expected.board or "",
        gpu=names.pop() if len(names) == 1 else "",
        driver=driver["driver_version"][:_LONGEST] if driver is not None and driver["state"] == "ok" else "",
        vbios=_versions(gpus, "vbios"),
        firmware=_versions(gpus, "gsp_firmware"),
        nvlinks=None if expected.links_proved or not expected.nvlinks else _fewest(gpus),
    )


def _versions(gpus: list[Gpu], name: str) -> tuple[str, ...]:
    return tuple(sorted({str(gpu["values"][name])[:_LONGEST] for gpu in gpus if name in gpu["values"]}))[:_MOST]


def _fewest(gpus: list[Gpu]) -> int | None:
    counts = [gpu["values"].get("nvlink.links.active") for gpu in gpus]
    known = [int(count) for count in counts if isinstance(count, (int, float))]
    return min(known, default=None)
