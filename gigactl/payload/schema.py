"""The one definition of what crosses the wire between the controller and a host.

The payload builds plain dicts of these shapes and writes them as JSON lines; the controller decodes them strictly
with msgspec from the very same classes. Python 3.6: annotations are strings, TypedDict is stood in for where missing.

One exec carries one `ProbeRequest` on stdin (one JSON line) and answers with JSON lines, in this order:
`hello`, then `facts`, `driver`, `gpu` (one per GPU, as each is done), `kernel` in any order, then `end`.
A reply without `end` was cut; what came before it is still true. Every line has the key `type`.
"""

from typing import Dict, List, Optional, Union

try:
    from typing import TypedDict
except ImportError:  # Python 3.6 and 3.7

    class TypedDict(dict):  # type: ignore[no-redef,type-arg]  # typing's own, where there is one; in 3.6 a Dict[…] takes no `total=`
        """Stands in where typing has none: accepts `total=`, keeps the annotations."""

        def __init_subclass__(cls, total: bool = True) -> None:
            super().__init_subclass__()


PROTOCOL = 1
SNAPSHOT_SCHEMA = "gigactl.snapshot/1"


class KernelCursor(TypedDict):
    """Where an earlier look at the kernel log ended. `usec`: microseconds since that boot of the last line seen."""

    boot_id: "str"
    usec: "int"


class ProbeRequest(TypedDict):
    """What the controller asks. `deadline_s`: seconds the host may take in all, enforced on the host."""

    protocol: "int"
    deadline_s: "float"
    reading_deadline_s: "float"
    kernel_cursor: "Optional[KernelCursor]"
    kernel_limit_bytes: "int"


class Hello(TypedDict):
    """Line 1: who answers. `python`: `3.6.15`; `place`: directory of the bundle, empty when piped and not kept."""

    type: "str"
    protocol: "int"
    version: "str"
    python: "str"
    euid: "int"
    place: "str"


class OsFacts(TypedDict):
    """From /etc/os-release and uname."""

    id: "str"
    version_id: "str"
    pretty: "str"
    kernel: "str"
    arch: "str"


class CpuFacts(TypedDict):
    """From /proc/cpuinfo and, where that names no model or socket (aarch64), from its part number and sysfs.

    `sockets` counts distinct physical ids.
    """

    model: "str"
    sockets: "int"
    threads: "int"


class DmiFacts(TypedDict):
    """From /sys/class/dmi/id; an unreadable file is an empty string. `machine_type`: Lenovo's four characters, else
    empty."""

    vendor: "str"
    product: "str"
    sku: "str"
    serial: "str"
    version: "str"
    machine_type: "str"


class Mount(TypedDict):
    """One file system that is judged (root, /var, /tmp, … each device once). Sizes in bytes; `available` as statvfs
    f_bavail."""

    path: "str"
    device: "str"
    kind: "str"
    size: "int"
    available: "int"
    inodes: "int"
    inodes_free: "int"
    readonly: "bool"


class Module(TypedDict):
    """A loaded kernel module that matters to GPUs. `version` from /sys/module/NAME/version, empty where there is
    none."""

    name: "str"
    version: "str"


class Service(TypedDict):
    """A unit's state in systemd's words (`load`: loaded, not-found, masked; `active`: active, inactive, failed, …)."""

    name: "str"
    load: "str"
    active: "str"
    sub: "str"
    enabled: "str"


class PciGpu(TypedDict):
    """A GPU (class 0300, 0302) on the PCI bus. `alive`: its configuration space answers (not all ff).

    `address` is `dddd:bb:dd.f` in lower case; `vendor` and `device` four hex digits; widths in lanes, speeds in GT/s,
    0 where unreadable; `numa` is -1 where unknown.
    """

    address: "str"
    vendor: "str"
    device: "str"
    driver: "str"
    alive: "bool"
    width: "int"
    max_width: "int"
    speed: "float"
    max_speed: "float"
    numa: "int"


class Port(TypedDict):
    """One RDMA port of /sys/class/infiniband. `rate` in Gb/s, 0 where unreadable; `state` as `ACTIVE`, `DOWN`, …"""

    device: "str"
    port: "int"
    state: "str"
    physical: "str"
    rate: "float"
    layer: "str"


class FabricFacts(TypedDict):
    """What kind of GPU fabric this host has, seen without NVML.

    `nvswitches`: NVSwitch bridges on the PCI bus; `nvlink5`: a device whose VPD carries SW_MNG.
    """

    nvswitches: "int"
    nvlink5: "bool"


class Facts(TypedDict):
    """What the host is. `at`: the host's clock, ISO 8601 UTC; `uptime_s` seconds; memory in bytes.

    `unread`: section → reason, for what could not be read: `identity` (from `at` to memory), a key of this line, or
    `mounts PATH`.
    """

    type: "str"
    at: "str"
    hostname: "str"
    boot_id: "str"
    machine_id: "str"
    uptime_s: "float"
    os: "OsFacts"
    cpu: "CpuFacts"
    memory_bytes: "int"
    memory_available_bytes: "int"
    dmi: "DmiFacts"
    mounts: "List[Mount]"
    modules: "List[Module]"
    services: "List[Service]"
    pci_gpus: "List[PciGpu]"
    ports: "List[Port]"
    fabric: "FabricFacts"
    unread: "Dict[str, str]"


class Driver(TypedDict):
    """The driver as NVML and the kernel see it, and how the look at NVML went.

    `state`: `ok`, `not-loaded` (NVML 9, or no module), `mismatch` (18), `no-library` (12), `hung` (the reader, or an
    earlier probe's, is still there 30 s after its kill, 10 s where it sits in a call on a GPU), `timed-out` (out of
    time before NVML answered), `not-read` (the reader was ended by others, or erred itself), `failed` (any other; see
    `nvml_error`).
    Versions are empty strings where unknown. `nvml_error` is NVML's number, 0 when all is well.
    `reader`: pid of a reader that could not be killed, else 0. `init_s`: seconds nvmlInit took.
    """

    type: "str"
    state: "str"
    nvml_error: "int"
    detail: "str"
    loaded: "str"
    flavour: "str"
    library: "str"
    on_disk: "str"
    driver_version: "str"
    nvml_version: "str"
    cuda_version: "str"
    gpu_count: "int"
    init_s: "float"
    reader: "int"


class GpuProcess(TypedDict):
    """A process with a context on the GPU. `memory_bytes` is -1 where the driver does not say."""

    pid: "int"
    name: "str"
    kind: "str"
    memory_bytes: "int"


class Gpu(TypedDict):
    """One GPU as NVML sees it: identity, `values` and `unread` by reading name (`READINGS`; `*` in `unread` is all
    the rest).

    Identity is an empty string where it could not be read; a lost GPU keeps its `index` and, where known, its `pci`.
    """

    type: "str"
    index: "int"
    uuid: "str"
    serial: "str"
    pci: "str"
    name: "str"
    values: "Dict[str, Union[bool, int, float, str]]"
    unread: "Dict[str, str]"
    processes: "List[GpuProcess]"


class KernelEvent(TypedDict):
    """One line of the kernel log that matters.

    `usec`: microseconds since boot. `kind`: `xid`, `sxid`, `fallen-off` (no number in the line, counts as Xid 79),
    `gpu-reset`, `driver-load`, `gpu-address` (PCI address → UUID), `nvlink-training`, `api-mismatch`.
    `pci` is normalised (`dddd:bb:dd.f`, lower case) or empty; `code` is the Xid or SXid, 0 where there is none;
    `fields` holds what else the line says by name (pid, name, uuid, success, unit, severity, link, intrinfo,
    error_status, caused_by, action, version, …), as strings; `text` is the line, capped at 400 characters, control
    characters removed.
    """

    usec: "int"
    kind: "str"
    pci: "str"
    code: "int"
    fields: "Dict[str, str]"
    text: "str"


class KernelLog(TypedDict):
    """The kernel log of the current boot, from the cursor or from its beginning.

    `source`: `kmsg`, `journal`, `kmsg+journal` or `none`; `gap`: lines may be missing between the cursor (or the
    boot) and the first line read, and `gap_reason` says why. `unread`: empty, or the reason nothing was read.
    `cursor` goes into the next request.
    """

    type: "str"
    source: "str"
    gap: "bool"
    gap_reason: "str"
    unread: "str"
    cursor: "KernelCursor"
    events: "List[KernelEvent]"


class End(TypedDict):
    """The last line: the reply is whole. `cpu_s`: CPU seconds of the probe and its children."""

    type: "str"
    seconds: "float"
    cpu_s: "float"


class Snapshot(TypedDict):
    """One host at one time, assembled by the controller from the lines of one reply; what is judged and stored.

    `source`: `nvml` or `nvidia-smi` (no python3 on the host: fewer readings). `complete`: the reply had its `end`.
    """

    schema: "str"
    source: "str"
    complete: "bool"
    python: "str"
    euid: "int"
    facts: "Optional[Facts]"
    driver: "Optional[Driver]"
    gpus: "List[Gpu]"
    kernel: "Optional[KernelLog]"
    seconds: "float"
    cpu_s: "float"
