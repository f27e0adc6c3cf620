"""The server models a lab host can claim to be, as their SMBIOS tables name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ServerModel:
    """`product` and `sku` as in SMBIOS type 1; `board`: what it is usually bought with."""

    product: str
    sku: str
    board: str


# machine types: Lenovo Press LP1909 (SR680a V3), LP1910 (SR685a V3), LP1611 (SR675 V3), LP1601 (SR650 V3)
MODELS: Mapping[str, ServerModel] = MappingProxyType(
    {
        "sr680a-v3": ServerModel("ThinkSystem SR680a V3", "7DHECTO1WW", "h200"),
        "sr685a-v3": ServerModel("ThinkSystem SR685a V3", "7DHCCTO1WW", "h200"),
        "sr675-v3": ServerModel("ThinkSystem SR675 V3", "7D9QCTO1WW", "a100-pcie"),
        "sr650-v3": ServerModel("ThinkSystem SR650 V3", "7D76CTO1WW", "a100-pcie"),
    }
)
