"""The inventory file as it is written: these types decode it, and its JSON Schema is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=1, le=65535, description="TCP port")]
Names = str | list[str]


class Ssh(Struct, frozen=True, forbid_unknown_fields=True):
    """How hosts are reached over SSH. Relative paths start at the inventory's directory."""

    user: str | None = None
    port: Port | None = None
    identity_file: Names | None = None
    known_hosts: str | None = None
    proxy_jump: str | None = None
    config_file: str | None = None


class Shared(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What can be said of all hosts (`defaults`), a group or a host: host wins over groups, groups over defaults."""

    model: Annotated[str, Meta(description="Server model: what is expected of its hardware")] | None = None
    board: Annotated[str, Meta(description="GPU board, where the model comes with several")] | None = None
    gpus: Annotated[int, Meta(ge=0, le=64, description="How many GPUs were built in")] | None = None
    labels: dict[str, str] = {}
    vars: dict[str, Any] = {}
    ssh: Ssh | None = None
    become: Literal["sudo", "none"] | None = None
    scheduler: Annotated[str, Meta(description="Scheduler that hands out the hosts, or none")] | None = None
    transport: Literal["ssh", "local", "simulated"] | None = None


class HostEntry(Shared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One host, or a range of hosts: `gpu[001-004]` with address "10.20.1.[1-4]" are four."""

    address: (
        Annotated[str, Meta(min_length=1, description="Name or IP address; the host's name where not given")] | None
    ) = None
    groups: list[str] = []


class GroupEntry(Shared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group: hosts that list it, that its `hosts` select, and its children's. The later group in the file wins."""

    hosts: Annotated[Names, Meta(description="Ranges, or selectors over names, labels and models")] = []
    children: list[str] = []


class ModelEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A server model. `like`: another model, whose values hold where nothing is given here. `nic_rate` in Gb/s."""

    like: str | None = None
    title: str | None = None
    machine_types: list[str] | None = None
    boards: Annotated[list[str], Meta(min_length=1)] | None = None
    nic_count: Annotated[int, Meta(ge=0, le=64)] | None = None
    nic_rate: Annotated[float, Meta(gt=0, le=3200)] | None = None
    source: str | None = None


class BoardEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A GPU board. `gpus`: how many are on it; not given for cards, whose number is an option. `nvlinks` per GPU."""

    like: str | None = None
    title: str | None = None
    gpus: Annotated[int, Meta(ge=1, le=64)] | None = None
    gpu_names: list[str] | None = None
    pci_ids: (
        list[Annotated[str, Meta(pattern="^[0-9a-f]{4}:[0-9a-f]{4}$", description="vendor:device, as in 10de:2335")]]
        | None
    ) = None
    nvlinks: Annotated[int, Meta(ge=0, le=36)] | None = None
    links_proved: bool | None = None
    pcie_width: Literal[1, 2, 4, 8, 16] | None = None
    pcie_generation: Annotated[int, Meta(ge=1, le=6)] | None = None
    fabric: Literal["nvswitch", "nvlink5", "nvl72", "none"] | None = None
    wants_fabric_manager: bool | None = None
    wants_imex: bool | None = None
    managed: bool | None = None
    unmanaged_reason: str | None = None
    source: str | None = None


class ProfilesFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of expectation profiles: what an inventory names under `profiles`, and what gigactl brings."""

    version: Literal[1]
    models: dict[str, ModelEntry] = {}
    boards: dict[str, BoardEntry] = {}


class InventoryFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An inventory."""

    version: Literal[1]
    defaults: Shared | None = None
    hosts: dict[str, HostEntry | None] | None = None
    groups: dict[str, GroupEntry | None] | None = None
    models: Annotated[dict[str, ModelEntry], Meta(description="Server models of your own")] = {}
    boards: Annotated[dict[str, BoardEntry], Meta(description="GPU boards of your own")] = {}
    profiles: Annotated[list[str], Meta(description="Files of models and boards, beside this one")] = []
