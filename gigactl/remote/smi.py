"""The probe of a host without Python: one shell script, nvidia-smi's XML and the kernel's own files, in the same
snapshot shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from gigactl.errors import ConnectionLost, DeadlineExceeded, ReplyInvalid
from gigactl.payload import facts, kernel_log, mounts, tree
from gigactl.payload.kernel_lines import pci_address
from gigactl.payload.protocol import printable
from gigactl.payload.schema import (
    SNAPSHOT_SCHEMA,
    Driver,
    Facts,
    KernelCursor,
    KernelLog,
    Mount,
    OsFacts,
    PciGpu,
    Snapshot,
)
from gigactl.remote import smi_xml
from gigactl.remote.heard import Heard
from gigactl.transport.base import Become, Connection, Deadline, Exec
from gigactl.transport.dialogue import CutShort

LIMIT_BYTES = 6 << 20
_MARK = "@@gigactl "
# One word after the mark names what follows. Only what a POSIX shell, coreutils and sed have; `timeout` where it is.
# A nvidia-smi of an earlier probe that SIGKILL does not end (bit 8 of ShdPnd) is never joined by another.
# With one GPU lost nvidia-smi says only that and exits 15 (seen with 535.261): then each GPU is asked for by itself.
SCRIPT = r"""
at() { echo; echo "@@gigactl $1"; }
stuck() { for s in "$1"/[0-9]*/stat; do
  read -r l <$s || continue
  case $l in *'(nvidia-smi) D '*) ;; *) continue;; esac
  case $(tr '\0' ' ' <${s%stat}cmdline) in 'nvidia-smi -q -x '*) ;; *) continue;; esac
  case $(sed -n -e 's/^ShdPnd:[^0-9a-f]*//p' ${s%stat}status) in *[13579bdf]??) echo "$l"; return 0;; esac
  done; return 1; }
limited() { if command -v timeout >/dev/null 2>&1; then timeout -s KILL "$@"; else shift; "$@"; fi; }
at now; date -u +%s; at euid; id -u
at hostname; cat /proc/sys/kernel/hostname; at boot_id; cat /proc/sys/kernel/random/boot_id
at machine_id; cat /etc/machine-id; at uptime; cat /proc/uptime
at os; cat /etc/os-release; at kernel; cat /proc/sys/kernel/osrelease; at arch; uname -m
at meminfo; sed -n -e '/^MemTotal/p' -e '/^MemAvailable/p' /proc/meminfo
at dmi; for f in sys_vendor product_name product_sku product_serial product_version; do
  echo "$f=$(cat /sys/class/dmi/id/$f 2>/dev/null)"; done
at mounts; cat /proc/self/mountinfo
at modules; for m in $2; do if [ -d /sys/module/$m ]; then echo "$m $(cat /sys/module/$m/version 2>/dev/null)"; fi; done
at banner; cat /proc/driver/nvidia/version
g=0; at pci; for d in /sys/bus/pci/devices/*; do
  read -r c <$d/class || continue
  case $c in 0x0300*|0x0302*|0x1200*|0x0680*) ;; *) continue;; esac
  read -r v <$d/vendor; read -r i <$d/device; w=0; m=0
  read -r w <$d/current_link_width; read -r m <$d/max_link_width
  a=$(od -An -tx1 -N4 $d/config | tr -d ' '); l=$(readlink $d/driver)
  case $c$v in 0x030[02]*0x10de) g=$((g+1));; esac
  echo "${d##*/} $c $v $i $w $m ${a:-none} ${l##*/}"; done
at df; limited 5 df -P -k -l; at inodes; limited 5 df -P -i -l
at kmsg; limited 5 dd if=/dev/kmsg iflag=nonblock bs=8192 | sed -n -e '1p;$p' -e '/NVRM\|SXid\|GPU reset/p'
{ at smi; if l=$(stuck "$3"); then at smi_stuck; echo "$l"; r=137; else limited "$1" nvidia-smi -q -x; r=$?; fi
  at smi_exit; echo $r
  case $r in
  15) n=0; while [ $n -lt $g ]; do at smi_$n; limited 10 nvidia-smi -q -x -i $n
    at links_$n; limited 10 nvidia-smi nvlink -s -i $n; n=$((n+1)); done;;
  0) at links; limited 10 nvidia-smi nvlink -s;;
  esac
} 2>&1 | sed -e '/<supported_clocks>.*<\/supported_clocks>/d' -e '/<supported_clocks>/,/<\/supported_clocks>/d'
at end
"""


async def without_python(
    connection: Connection, deadline: Deadline, become: Become | None, cursor: KernelCursor | None = None
) -> Snapshot:
    """The snapshot of a host that has no python3: `source` is `nvidia-smi`, and what it cannot say is `not-read`.

    Raises HostError where not even the kernel's files came.
    """
    left = deadline.remaining()
    argv = ("sh", "-c", SCRIPT, "gigactl", f"{max(left - 8, 2):.0f}", " ".join(facts.MODULES), "/proc")
    heard = Heard(LIMIT_BYTES)
    try:
        await heard.all_of(connection, Exec(argv, become=become, limit_bytes=LIMIT_BYTES), deadline)
    except ConnectionLost as lost:
        if not _worth_keeping(heard.stdout):
            raise
        raise CutShort(lost, assemble(bytes(heard.stdout), cursor, left - deadline.remaining())) from None
    except DeadlineExceeded:
        if not _worth_keeping(heard.stdout):
            raise
    return assemble(bytes(heard.stdout), cursor, left - deadline.remaining())


def _worth_keeping(output: bytes | bytearray) -> bool:
    """Whether the facts are whole: nvidia-smi comes after them."""
    return f"\n{_MARK}smi\n".encode() in output


def assemble(output: bytes, cursor: KernelCursor | None, seconds: float) -> Snapshot:
    """The snapshot from the script's output. Raises ReplyInvalid when it holds nothing of ours."""
    sections = list(_sections(output[:LIMIT_BYTES].decode("utf-8", "replace")))
    said = dict(sections)
    if "uptime" not in said:
        raise ReplyInvalid("no python3 on the host, and its shell did not run our script")
    if "end" not in said:
        if not _worth_keeping(output):
            raise ReplyInvalid("no python3 on the host, and what its shell said was cut before nvidia-smi")
        # the last one is cut: half of a link list is not links down, half of a number another number. Half of
        # nvidia-smi's XML has whole GPUs in it.
        if sections[-1][0] != "smi":
            del said[sections[-1][0]]
    read = _facts(said)
    log = smi_xml.parse(said.get("smi", "").encode())
    if not log.gpus:
        _one_by_one(said, log, [gpu["address"] for gpu in read["pci_gpus"] if gpu["vendor"] == "10de"])
    smi_xml.add_links(log.gpus, "\n".join(text for name, text in said.items() if name.startswith("links")))
    return {
        "schema": SNAPSHOT_SCHEMA,
        "source": "nvidia-smi",
        "complete": "end" in said,
        "python": "",
        "euid": tree.number(said.get("euid", ""), -1),
        "facts": read,
        "driver": _driver(said, log),
        "gpus": log.gpus,
        "kernel": _kernel(said, cursor),
        "seconds": seconds,
        "cpu_s": 0.0,
    }


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for part in ("\n" + text).split("\n" + _MARK)[1:]:
        name, _, body = part.partition("\n")
        yield name.strip(), body.strip("\n")


def _facts(said: Mapping[str, str]) -> Facts:
    dmi = dict(line.partition("=")[::2] for line in said.get("dmi", "").splitlines())
    memory = facts.meminfo(said.get("meminfo", ""))
    vendor, product, sku = (printable(dmi.get(name, "")) for name in ("sys_vendor", "product_name", "product_sku"))
    pci, switches = _pci(said.get("pci", ""))
    now = tree.number(said.get("now", ""), 0)
    return {
        "type": "facts",
        "at": datetime.fromtimestamp(min(max(now, 0), 1 << 33), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "hostname": _line(said, "hostname"),
        "boot_id": _line(said, "boot_id"),
        "machine_id": _line(said, "machine_id"),
        "uptime_s": tree.number(_line(said, "uptime"), 0.0),
        "os": _os(said),
        "cpu": {"model": "", "sockets": 0, "threads": 0},
        "memory_bytes": memory.get("MemTotal", 0),
        "memory_available_bytes": memory.get("MemAvailable", 0),
        "dmi": {
            "vendor": vendor,
            "product": product,
            "sku": sku,
            "serial": printable(dmi.get("product_serial", "")),
            "version": printable(dmi.get("product_version", "")),
            "machine_type": facts.machine_type(vendor, product, sku),
        },
        "mounts": _mounts(said),
        "modules": [
            {"name": name, "version": version}
            for name, version in _pairs(said.get("modules", ""))
            if name in facts.MODULES
        ],
        "services": [],
        "pci_gpus": pci,
        "ports": [],
        "fabric": {"nvswitches": switches, "nvlink5": False},
        "unread": dict.fromkeys(("cpu", "services", "ports"), "not-read: no python3 on the host"),
    }


def _os(said: Mapping[str, str]) -> OsFacts:
    read = facts.release(printable_lines(said.get("os", "")), _line(said, "kernel"), _line(said, "arch"))
    return msgspec.convert(read, OsFacts)


def _line(said: Mapping[str, str], name: str) -> str:
    return printable(said.get(name, "").partition("\n")[0], 200)


def printable_lines(text: str) -> str:
    """Lines without control characters but for their ends."""
    return "\n".join(printable(line) for line in text.splitlines())


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        yield name, printable(value, 60)


def _pci(text: str) -> tuple[list[PciGpu], int]:
    gpus: list[PciGpu] = []
    switches = 0
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 7 or not pci_address(parts[0]):
            continue
        kind, vendor, alive = parts[1][:6], parts[2][2:], parts[6] != "ffffffff"
        if kind == "0x0680":
            switches += vendor == "10de"
        elif (vendor == "10de" and kind != "0x1200") or (vendor == "1002" and kind != "0x0300"):
            gpus.append(
                {
                    "address": pci_address(parts[0]),
                    "vendor": printable(vendor, 4),
                    "device": printable(parts[3][2:], 4),
                    "driver": printable(parts[7], 60) if len(parts) > 7 else "",
                    "alive": alive,
                    "width": tree.number(parts[4]) if alive else 0,
                    "max_width": tree.number(parts[5]) if alive else 0,
                    "speed": 0.0,
                    "max_speed": 0.0,
                    "numa": -1,
                }
            )
    return gpus, switches


def _mounts(said: Mapping[str, str]) -> list[Mount]:
    sizes, inodes = (_table(said.get(name, "")) for name in ("df", "inodes"))
    found = []
    for mount in mounts.parse(said.get("mounts", "")):
        path = mount["path"]
        if path in sizes:
            total, free = sizes[path]
            mount.update(size=total << 10, available=free << 10)
            mount["inodes"], mount["inodes_free"] = inodes.get(path, (0, 0))
            found.append(mount)
        elif path == "/":  # df did not answer for it; whether it is read-only still counts
            found.append(mount)
    return found


def _table(text: str) -> dict[str, tuple[int, int]]:
    """Mount point → (total, free) from `df -P`: six columns, the last may hold blanks."""
    found = {}
    for line in text.splitlines()[1:]:
        parts = line.split(None, 5)
        if len(parts) == 6 and parts[1].isdigit() and parts[3].isdigit():
            found[parts[5]] = (int(parts[1]), int(parts[3]))
    return found


_START_TIME = 19  # of /proc/PID/stat's fields after the name: 22 in proc(5), in ticks since boot
_TICKS_PER_S = 100  # USER_HZ, the same on every architecture that has GPUs
_STUCK_AFTER_S = 180.0  # a probe's 60 s, and the two minutes that stopping eight GPUs may take
_ONE_IS_LOST = 15
_NOT_READ = 124  # as `timeout` says of a command it ended
_STATES = {9: "not-loaded", 12: "no-library", 18: "mismatch", 124: "timed-out", 137: "timed-out", 127: "no-library"}
_FIRST_WORDS = (
    ("Driver/library version mismatch", 18),
    ("couldn't communicate with the NVIDIA driver", 9),
    ("couldn't find libnvidia-ml", 12),
)


def _driver(said: Mapping[str, str], log: smi_xml.Log) -> Driver:
    text = said.get("smi", "")
    stuck = _stuck(said)
    # without a code nvidia-smi was not waited for: that says nothing of the driver
    code = tree.number(said["smi_exit"], 255) if "smi_exit" in said else _NOT_READ
    if code == _ONE_IS_LOST and "end" not in said:
        code = _NOT_READ  # the others were still being asked for
    for words, error in _FIRST_WORDS:
        if words in text:
            code = error
    told = bool(log.driver_version) and (log.whole or bool(log.gpus))
    loaded = dict(_pairs(said.get("modules", ""))).get("nvidia", "")
    banner = said.get("banner", "")
    return {
        "type": "driver",
        # one lost GPU makes it exit 15 with the others still told: the driver itself works
        "state": "hung" if stuck else "ok" if told else _STATES.get(code, "failed"),
        "nvml_error": 0 if told else (code if 0 < code < 100 else 999),
        "detail": "" if told else _why_not(said, code, text),
        "loaded": loaded,
        "flavour": ("open" if "Open Kernel Module" in banner else "proprietary") if banner else "",
        "library": "",
        "on_disk": "",
        "driver_version": log.driver_version,
        "nvml_version": "",
        "cuda_version": log.cuda_version,
        "gpu_count": max(log.attached, len(log.gpus)),
        "init_s": 0.0,
        "reader": stuck,
    }


def _why_not(said: Mapping[str, str], code: int, text: str) -> str:
    if "smi_stuck" in said:
        return "a nvidia-smi of an earlier probe cannot be killed"
    return "no nvidia-smi on the host" if code == 127 else printable(text, 200)


def _stuck(said: Mapping[str, str]) -> int:
    """The process id of a nvidia-smi that was killed and does not end; 0 where there is none, or it is young: a driver
    that stops its GPUs takes its time."""
    own, _, rest = said.get("smi_stuck", "").partition("(")
    fields = rest.rpartition(")")[2].split()
    if len(fields) <= _START_TIME:
        return 0
    age = tree.number(_line(said, "uptime"), 0.0) - tree.number(fields[_START_TIME], 0) / _TICKS_PER_S
    return tree.number(own, 0) if age > _STUCK_AFTER_S else 0


def _one_by_one(said: Mapping[str, str], log: smi_xml.Log, addresses: Sequence[str]) -> None:
    """Add what nvidia-smi said of each GPU asked for by itself. It counts them in order of bus address, as NVML
    does."""
    for index, address in enumerate(addresses):
        text = said.get(f"smi_{index}")
        if text is None:
            continue
        alone = smi_xml.parse(text.encode())
        if alone.gpus:
            log.gpus.append({**alone.gpus[0], "index": index})
            log.driver_version, log.cuda_version = alone.driver_version, alone.cuda_version
            log.attached, log.whole = alone.attached, alone.whole
            continue
        lost = "GPU is lost" in text
        log.gpus.append({
            "type": "gpu", "index": index, "uuid": "", "serial": "", "pci": address, "name": "", "values": {},
            "unread": {"*": "lost" if lost else "failed: " + printable(text, 120)}, "processes": [],
        })  # fmt: skip


def _kernel(said: Mapping[str, str], cursor: KernelCursor | None) -> KernelLog:
    boot_id = _line(said, "boot_id")
    after = cursor["usec"] if cursor is not None and cursor["boot_id"] == boot_id else -1
    return msgspec.convert(kernel_log.from_lines(boot_id, after, said.get("kmsg", "")), KernelLog)
