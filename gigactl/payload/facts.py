"""What the host is, from /proc, /sys and /etc below an injected root: no NVML, no network, no process but one
systemctl.

Each section is a step of its own, so that one that hangs (a dead disk, a sick device) costs only itself.
"""

import functools
import os
import re
import time

from gigactl.payload import mounts, pci, services, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Dict, List, Set

    from gigactl.payload.watch import Report

# kernel modules that matter to GPUs: the driver's own, its rival, peer memory in its three names, and what NVLink5
# needs
MODULES = (
    "nvidia",
    "nvidia_uvm",
    "nvidia_modeset",
    "nvidia_drm",
    "nvidia_peermem",
    "nv_peer_mem",
    "gdrdrv",
    "nouveau",
    "mlx5_core",
    "mlx5_ib",
    "ib_umad",
    "ib_uverbs",
    "amdgpu",
)
# MIDR_EL1's implementer and part, as the kernel prints them: arch/arm64/include/asm/cputype.h, names as util-linux has
# them (sys-utils/lscpu-arm.c)
ARM_CORES = {
    ("0x41", "0xd0c"): "Arm Neoverse N1",
    ("0x41", "0xd40"): "Arm Neoverse V1",
    ("0x41", "0xd49"): "Arm Neoverse N2",
    ("0x41", "0xd4f"): "Arm Neoverse V2 (as in NVIDIA Grace)",
    ("0x4e", "0x010"): "NVIDIA Olympus",
}
_LENOVO_BRACKETS = re.compile(r"-\[([0-9A-Z]{4})[0-9A-Z]*\]-")


def identity(root: str) -> "Dict[str, Any]":
    """Who and since when: plain values of the Facts line."""
    memory = meminfo(tree.read(root, "/proc/meminfo"))
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "hostname": tree.read(root, "/proc/sys/kernel/hostname"),
        "boot_id": tree.read(root, "/proc/sys/kernel/random/boot_id"),
        "machine_id": tree.read(root, "/etc/machine-id", 64),
        "uptime_s": tree.number(tree.read(root, "/proc/uptime"), 0.0),
        "os": operating_system(root),
        "memory_bytes": memory.get("MemTotal", 0),
        "memory_available_bytes": memory.get("MemAvailable", 0),
    }


def operating_system(root: str) -> "Dict[str, str]":
    """The OsFacts."""
    text = tree.read(root, "/etc/os-release") or tree.read(root, "/usr/lib/os-release")
    return release(text, tree.read(root, "/proc/sys/kernel/osrelease"), os.uname()[4])


def release(text: str, kernel: str, arch: str) -> "Dict[str, str]":
    """The OsFacts from os-release's text."""
    named = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        named[name.strip()] = value.strip().strip("\"'")
    return {
        "id": named.get("ID", ""),
        "version_id": named.get("VERSION_ID", ""),
        "pretty": named.get("PRETTY_NAME", ""),
        "kernel": kernel,
        "arch": arch,
    }


def meminfo(text: str) -> "Dict[str, int]":
    """Bytes by name from /proc/meminfo's text."""
    sizes = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        sizes[name] = tree.number(rest.strip()) * 1024
    return sizes


def cpu(root: str) -> "Dict[str, Any]":
    """The CpuFacts: model, sockets and threads of /proc/cpuinfo; where it names no model or socket (aarch64), the core
    by its part number, the sockets as sysfs has them."""
    text = tree.read(root, "/proc/cpuinfo", 4 << 20)
    threads = text.count("processor\t")
    sockets = {part.partition("\n")[0].strip(" \t:") for part in text.split("physical id")[1:]}
    if threads and not sockets:
        sockets = _packages(root)
    model = _named(text, "model name") or arm_core(_named(text, "CPU implementer"), _named(text, "CPU part"))
    return {"model": model, "sockets": len(sockets) or (1 if threads else 0), "threads": threads}


def _named(text: str, name: str) -> str:
    """What /proc/cpuinfo says under a name where it says so first; empty where it does not."""
    at = text.find(name)
    return text[at:].partition("\n")[0].partition(":")[2].strip() if at >= 0 else ""


def arm_core(implementer: str, part: str) -> str:
    """An Arm core by the two numbers that /proc/cpuinfo has for a name; the numbers where we know no name.

    >>> arm_core("0x41", "0xd4f")
    'Arm Neoverse V2 (as in NVIDIA Grace)'
    """
    if not implementer or not part:
        return ""
    return ARM_CORES.get((implementer, part), "Arm core, implementer %s, part %s" % (implementer, part))


def _packages(root: str) -> "Set[str]":
    """The physical packages of the processors in sysfs; firmware that does not tell says -1."""
    base = "/sys/devices/system/cpu"
    names = [name for name in tree.names(root, base) if name[:3] == "cpu" and name[3:].isdigit()]
    packages = {tree.read(root, "%s/%s/topology/physical_package_id" % (base, name), 32) for name in names}
    return packages - {"", "-1"}


def dmi(root: str) -> "Dict[str, str]":
    """The DmiFacts. Lenovo's machine type is the first four characters of its product number (sku, or
    `-[7DHECTO1WW]-`)."""
    files = (("vendor", "sys_vendor"), ("product", "product_name"), ("sku", "product_sku"), ("serial",
    "product_serial"),
             ("version", "product_version"))  # fmt: skip
    read_in = {name: tree.read(root, "/sys/class/dmi/id/" + file) for name, file in files}
    return dict(read_in, machine_type=machine_type(read_in["vendor"], read_in["product"], read_in["sku"]))


def machine_type(vendor: str, product: str, sku: str) -> str:
    """Lenovo's four characters; empty for others.

    >>> machine_type("Lenovo", "ThinkSystem SR680a V3", "7DHECTO1WW")
    '7DHE'
    """
    if "lenovo" not in vendor.lower():
        return ""
    match = _LENOVO_BRACKETS.search(product) or re.match(r"([0-9][0-9A-Z]{3})[0-9A-Z]{6}$", sku)
    return match.group(1) if match else ""


def modules(root: str) -> "List[Dict[str, str]]":
    """The loaded modules that matter to GPUs."""
    loaded = [name for name in MODULES if os.path.isdir(tree.join(root, "/sys/module/" + name))]
    return [{"name": name, "version": tree.read(root, "/sys/module/%s/version" % name)} for name in loaded]


# section name: what fills it from the root; `identity` is spread over the line, the others stand under their own name
SECTIONS = (
    ("identity", identity),
    ("cpu", cpu),
    ("dmi", dmi),
    ("modules", modules),
    ("pci_gpus", pci.gpus),
    ("ports", pci.ports),
    ("fabric", pci.fabric),
    ("services", services.states),
)


def empty() -> "Dict[str, Any]":
    """A Facts line with nothing read yet."""
    return {
        "type": "facts",
        "at": "", "hostname": "", "boot_id": "", "machine_id": "", "uptime_s": 0.0,
        "os": {"id": "", "version_id": "", "pretty": "", "kernel": "", "arch": ""},
        "cpu": {"model": "", "sockets": 0, "threads": 0},
        "memory_bytes": 0, "memory_available_bytes": 0,
        "dmi": {"vendor": "", "product": "", "sku": "", "serial": "", "version": "", "machine_type": ""},
        "mounts": [], "modules": [], "services": [], "pci_gpus": [], "ports": [],
        "fabric": {"nvswitches": 0, "nvlink5": False},
        "unread": {},
    }  # fmt: skip


def read(root: str, begin: "Callable[[str], None]", report: "Report", skip: "Collection[str]" = ()) -> None:
    """Fill the Facts line section by section: `begin(name)` before each, `report(name, value)` after it.

    Sections whose name is in `skip` (seen already, or what the last reader hung in) are left out. A section that raises
    reports `("!", name, reason)`.
    """
    for name, fill in SECTIONS:
        if name not in skip:
            begin(name)
            _attempt(name, fill, root, report)
    for mount in mounts.judged(root):
        name = "mounts " + mount["path"]
        if name not in skip:
            begin(name)
            _attempt(name, functools.partial(mounts.measured, mount=mount), root, report)


def _attempt(name: str, fill: "Callable[[str], Any]", root: str, report: "Report") -> None:
    try:
        report(name, fill(root))
    except services.NotHereError as error:
        report("!", {"name": name, "reason": "not-supported: %s" % error})
    except Exception as error:  # one section's fault is that section's reason, whatever it is
        report("!", {"name": name, "reason": "failed: %s: %s" % (type(error).__name__, error)})
