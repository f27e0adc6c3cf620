"""GPUs, RDMA ports and the kind of GPU fabric, from sysfs alone: what the driver loses, the bus still shows."""

from gigactl.payload import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Tuple

DEVICES = "/sys/bus/pci/devices/"
PORTS = "/sys/class/infiniband/"
DISPLAY, ACCELERATOR_3D, PROCESSING = "0x0300", "0x0302", "0x1200"
BRIDGE_OTHER = "0x0680"
NVIDIA, AMD = "10de", "1002"
VPD_BYTES = 1024  # the marker stands in the read-only part at the front; a whole VPD takes tens of milliseconds to read


def gpus(root: str) -> "List[Dict[str, Any]]":
    """GPUs on the PCI bus, in order of address. A baseboard controller's VGA is none; an AMD accelerator (class 1200)
    is one."""
    found = []
    for address, kind, vendor in _devices(root):
        if (kind in (DISPLAY, ACCELERATOR_3D) and vendor == NVIDIA) or (
            kind in (ACCELERATOR_3D, PROCESSING) and vendor == AMD
        ):
            found.append(_gpu(root, address, vendor))
    return found


def _devices(root: str) -> "Iterator[Tuple[str, str, str]]":
    for address in tree.names(root, DEVICES):
        kind = tree.read(root, DEVICES + address + "/class", 16)[:6]
        if kind in (DISPLAY, ACCELERATOR_3D, PROCESSING, BRIDGE_OTHER):
            yield address, kind, tree.read(root, DEVICES + address + "/vendor", 16)[2:]


def _gpu(root: str, address: str, vendor: str) -> "Dict[str, Any]":
    where = DEVICES + address + "/"
    config = tree.read_bytes(root, where + "config", 4)
    # a device that left the bus answers every read with ones (PCI Local Bus Specification 3.0, 6.2.1: vendor FFFFh is
    # none)
    alive = config is None or config != b"\xff\xff\xff\xff"

    def link(name: str, default: "Any") -> "Any":
        return tree.number(tree.read(root, where + name, 64), default) if alive else default

    return {
        "address": address.lower(),
        "vendor": vendor,
        "device": tree.read(root, where + "device", 16)[2:],
        "driver": tree.link_name(root, where + "driver"),
        "alive": alive,
        "width": link("current_link_width", 0),
        "max_width": link("max_link_width", 0),
        "speed": link("current_link_speed", 0.0),
        "max_speed": link("max_link_speed", 0.0),
        "numa": tree.number(tree.read(root, where + "numa_node", 16), -1),
    }


def ports(root: str) -> "List[Dict[str, Any]]":
    """RDMA ports (`4: ACTIVE`, `5: LinkUp`, `400 Gb/sec (4X NDR)` as sysfs writes them)."""
    found = []
    for device in tree.names(root, PORTS):
        for port in tree.names(root, PORTS + device + "/ports"):
            where = PORTS + device + "/ports/" + port + "/"
            found.append(
                {
                    "device": device,
                    "port": tree.number(port),
                    "state": tree.read(root, where + "state", 64).partition(":")[2].strip(),
                    "physical": tree.read(root, where + "phys_state", 64).partition(":")[2].strip(),
                    "rate": tree.number(tree.read(root, where + "rate", 64), 0.0),
                    "layer": tree.read(root, where + "link_layer", 64),
                }
            )
    return found


def fabric(root: str) -> "Dict[str, Any]":
    """The FabricFacts. NVSwitch up to its third generation is a PCI bridge of NVIDIA's; with NVLink5 its managing
    InfiniBand device says SW_MNG in its VPD (NVIDIA driver containers look for the same)."""
    switches = sum(1 for _, kind, vendor in _devices(root) if kind == BRIDGE_OTHER and vendor == NVIDIA)
    nvlink5 = False
    if not switches and any(vendor == NVIDIA and kind != BRIDGE_OTHER for _, kind, vendor in _devices(root)):
        for device in tree.names(root, PORTS):
            vpd = tree.read_bytes(root, PORTS + device + "/device/vpd", VPD_BYTES)
            nvlink5 = nvlink5 or (vpd is not None and b"SW_MNG" in vpd)
    return {"nvswitches": switches, "nvlink5": nvlink5}
