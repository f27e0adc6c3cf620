"""What is expected of one host: its server model's board, resolved. The data is in `models.yaml` beside this module."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one host should have; None or empty where nothing is known, and then nothing is judged against it.

    `managed`: False for a host whose GPUs are not NVIDIA's (`not managed (AMD)`, says `unmanaged_reason`).
    `gpu_names`: what NVML may call the GPUs; `pci_ids`: `10de:2335`. `nvlinks` per GPU; `links_proved`: False for boards whose
    link counts are learned and never critical until proved on hardware. `pcie_width` in lanes, `pcie_generation` 1 to 6.
    `nic_rate` in Gb/s. `fabric`: `nvswitch`, `nvlink5`, `nvl72` or `none`.
    """

    model: str | None = None
    board: str | None = None
    title: str = ""
    managed: bool = True
    unmanaged_reason: str = ""
    gpu_count: int | None = None
    gpu_names: tuple[str, ...] = ()
    pci_ids: tuple[str, ...] = ()
    nvlinks: int | None = None
    links_proved: bool = True
    pcie_width: int | None = None
    pcie_generation: int | None = None
    nic_count: int | None = None
    nic_rate: float | None = None
    fabric: str = "none"
    wants_fabric_manager: bool = False
    wants_imex: bool = False
    source: str = ""
