"""Expectation profiles as values: what a server model comes with, and what is on a GPU board."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """A server model. `machine_types`: as its SMBIOS product number begins; `boards`: what it is built with.

    `nic_count` and `nic_rate` (Gb/s) of its compute network, None where they are a configuration.
    """

    name: str
    title: str = ""
    machine_types: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()
    nic_count: int | None = None
    nic_rate: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """A GPU board, or a card. `gpus`: None for cards, whose number is a configuration.

    `gpu_names` as NVML gives them; `pci_ids` as `10de:2335`; `nvlinks` per GPU, None where a configuration;
    `links_proved`: False until the count was seen on hardware. `managed`: False for another maker's GPUs.
    """

    name: str
    title: str = ""
    gpus: int | None = None
    gpu_names: tuple[str, ...] = ()
    pci_ids: tuple[str, ...] = ()
    nvlinks: int | None = None
    links_proved: bool = True
    pcie_width: int | None = None
    pcie_generation: int | None = None
    fabric: str = "none"
    wants_fabric_manager: bool = False
    wants_imex: bool = False
    managed: bool = True
    unmanaged_reason: str = ""
    source: str = ""
