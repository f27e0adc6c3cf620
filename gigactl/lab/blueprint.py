"""What all hosts of one lab are built from: its options, its board, the shared layers, the programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gigactl.lab import boards, layers, nvml_build, nvml_state
from gigactl.lab.boards import Board
from gigactl.lab.fixtures import dmi, kernel_log, modules, pci
from gigactl.lab.fixtures.pci import BRIDGE_CLASS, GPU_CLASS, INFINIBAND_CLASS, MELLANOX, NVIDIA, PciDevice
from gigactl.lab.hardware import identities
from gigactl.lab.layers import Layers
from gigactl.lab.models import MODELS
from gigactl.lab.record import MARK, Layout, Record
from gigactl.lab.tree import Tree

# NVIDIA k8s-launch-kit preset of an SR680a V3: each NIC behind the same PCIe switch as one GPU
_NIC_BUSES = ("19", "2a", "3b", "4c", "9b", "ac", "c1", "cb")
_SWITCH_BUSES = ("05", "06", "07", "08", "09", "0a")
_MANAGEMENT_NIC = "0000:e1:00.0"
_CONNECTX7 = 0x1021
_SECOND_SOCKET = 0x80  # buses from here on hang on the second processor


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything a host needs to know about its lab. Frozen; shared by all hosts."""

    record: Record
    layout: Layout
    board: Board
    gpus: tuple[PciDevice, ...]
    devices: tuple[PciDevice, ...]

    @classmethod
    def of(cls, record: Record, layout: Layout) -> Blueprint:
        """Everything that is equal on all hosts, worked out once. The GPUs stand on the same addresses everywhere."""
        options, board = record.options, boards.load()[record.options.board]
        state = nvml_state.render(board, "any", options.gpus, options.driver, {})
        subsystem = (NVIDIA, board.pci_subsystem)
        gpus = tuple(
            _on_bus(gpu.pci, (NVIDIA, board.pci_device), GPU_CLASS, "nvidia", board.pcie_generation, subsystem)
            for gpu in identities(state)
        )
        return cls(record, layout, board, gpus, (*gpus, *_others(board, [gpu.address for gpu in gpus])))

    @property
    def layers(self) -> Layers:
        return Layers.below(self.layout.layers)

    @property
    def environment(self) -> dict[str, str]:
        """Of every process of the lab: what `down` finds it by."""
        return {MARK: str(self.layout.dir), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def state(self, hostname: str, overrides: Mapping[str, str]) -> str:
        """The NVML state text of a host."""
        options = self.record.options
        return nvml_state.render(self.board, hostname, options.gpus, options.driver, overrides)

    def library(self, version: str) -> Path:
        """libnvidia-ml of a driver version."""
        return nvml_build.build(version, self.record.cache)

    def kernel_log(self, devices: Sequence[PciDevice]) -> tuple[kernel_log.Line, ...]:
        """What a boot with these devices prints."""
        options = self.record.options
        return kernel_log.boot(MODELS[options.model].product, options.driver, devices)

    def lay(self, public_key: str) -> None:
        """Lay down the shared layers; the tmpfs they belong on is mounted."""
        options, found = self.record.options, self.layers
        switches = tuple(device.address for device in self.devices if device.kind == BRIDGE_CLASS)
        base = layers.base(
            options.driver, public_key, self.record.masked, fabric_manager=self.board.fabric in {"nvswitch", "nvlink5"}
        )
        base.lay(found.base)
        layers.add_software(found, options.driver, self.record.library, self.record.nvidia_smi)
        layers.no_python().lay(found.no_python)
        self._sys().lay(found.sys)
        layers.proc(options.driver, switches).lay(self.layout.layers)
        layers.run_ldconfig(found, self.layout.dir / "scratch")

    def _sys(self) -> Tree:
        tree = dmi.shared(MODELS[self.record.options.model])
        tree.add(pci.bus(self.devices))
        tree.add(pci.infiniband([device for device in self.devices if device.vendor == MELLANOX], self.board.nic_rate))
        tree.add(modules.module_directories(self.record.options.driver))
        tree.directory("devices/system")
        return tree


def _others(board: Board, taken: Sequence[str]) -> Iterator[PciDevice]:
    """NVSwitch bridges, NICs and, with NVLink 5, the NIC that the switches are managed through."""
    for address in pci.free_addresses(_SWITCH_BUSES[: board.nvswitches], taken):
        yield _on_bus(address, (NVIDIA, board.nvswitch_device), BRIDGE_CLASS, "nvidia-nvswitch", 4)
    for address in pci.free_addresses(_NIC_BUSES[: board.nics], taken):
        yield _on_bus(address, (MELLANOX, _CONNECTX7), INFINIBAND_CLASS, "mlx5_core", 5)
    if board.fabric == "nvlink5":
        nic = _on_bus(_MANAGEMENT_NIC, (MELLANOX, _CONNECTX7), INFINIBAND_CLASS, "mlx5_core", 5)
        # NVIDIA's driver containers know it by this marker in its vital product data
        yield replace(nic, vpd=pci.vital_product_data("NVIDIA ConnectX-7 NVLink management", "SW_MNG"))


def _on_bus(
    address: str,
    ids: tuple[int, int],
    kind: int,
    driver: str,
    generation: int,
    subsystem: tuple[int, int] | None = None,
) -> PciDevice:
    numa = int(int(address.split(":")[1], 16) >= _SECOND_SOCKET)
    return PciDevice(address, *ids, kind, driver, generation, numa=numa, subsystem=subsystem or (ids[0], 0))
