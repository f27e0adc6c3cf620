"""Every kind of fault, seen from a host through ssh: what the kind promises is there, and `clear` takes it away."""

from __future__ import annotations

import time

import pytest

from gigactl.errors import LabMisuse
from gigactl.lab import fleet
from gigactl.lab.faults import KINDS
from gigactl.lab.options import LabStatus
from tests.lab.seen import Seen, bdf

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("lab")]

HANDLE = "nvmlDeviceGetHandleByIndex"


def afflict(host: Seen, kind: str, **options: str) -> None:
    fleet.fault(host.lab.dir, [host.host.name], kind, options)


def attribute(host: Seen, index: int, name: str) -> str:
    address = host.reads(f"str({bdf(index)})")
    return host.says(f"cat /sys/bus/pci/devices/{address}/{name}")


def test_healthy(host: Seen) -> None:
    assert host.reads("nvmlDeviceGetCount()") == "8"
    assert "Xid" not in host.kernel_log()
    assert attribute(host, 0, "current_link_width") == "16"


def test_gpu_lost(host: Seen) -> None:
    address = host.reads(bdf(5))
    afflict(host, "gpu-lost", gpu="5")
    assert "GpuIsLost" in host.nvml(f"{HANDLE}(5) and nvmlDeviceGetUUID({HANDLE}(5))").stderr
    log = host.kernel_log()
    assert f"NVRM: Xid (PCI:{address.rsplit('.', 1)[0]}): 79, " in log
    assert f"NVRM: GPU {address}: GPU has fallen off the bus." in log
    config = host.says(f"od -An -tx1 -v /sys/bus/pci/devices/{address}/config").split()
    assert set(config) == {"ff"}
    assert host.reads(f"nvmlDeviceGetTemperature({HANDLE}(4), 0)").isdecimal()


def test_gpu_missing(host: Seen) -> None:
    address, next_uuid = host.reads(bdf(2)), host.reads(f"nvmlDeviceGetUUID({HANDLE}(3))")
    afflict(host, "gpu-missing", gpu="2")
    assert host.reads("nvmlDeviceGetCount()") == "7"
    assert host.reads(f"nvmlDeviceGetUUID({HANDLE}(2))") == next_uuid
    assert address not in host.says("ls /sys/bus/pci/devices")
    assert address not in host.kernel_log()
    assert host.says("ls /dev/nvidia[0-9]* | wc -l") == "7"


@pytest.mark.parametrize(
    ("code", "words"), [("31", "MMU Fault"), ("119", "Timeout after 6s"), ("149", "NETIR_LINK_EVT")]
)
def test_xid(host: Seen, code: str, words: str) -> None:
    address = host.reads(bdf(1)).rsplit(".", 1)[0]
    afflict(host, "xid", code=code, gpu="1", count="3")
    lines = [line for line in host.kernel_log().splitlines() if f"NVRM: Xid (PCI:{address}): {code}, " in line]
    assert len(lines) == 3
    assert all(words in line for line in lines)


def test_ecc_uncorrectable(host: Seen) -> None:
    afflict(host, "ecc-uncorrectable", gpu="3", count="5")
    count = "nvmlDeviceGetTotalEccErrors({}(3), NVML_MEMORY_ERROR_TYPE_UNCORRECTED, {})"
    assert host.reads(count.format(HANDLE, "NVML_VOLATILE_ECC")) == "5"
    assert host.reads(count.format(HANDLE, "NVML_AGGREGATE_ECC")) == "5"
    assert host.reads(count.replace("(3)", "(2)").format(HANDLE, "NVML_VOLATILE_ECC")) == "0"


def test_row_remap(host: Seen) -> None:
    afflict(host, "row-remap-pending", gpu="0")
    afflict(host, "row-remap-failed", gpu="6")
    rows = f"[tuple(map(int, nvmlDeviceGetRemappedRows({HANDLE}(i)))) for i in (0, 1, 6)]"
    assert host.reads(rows) == "[(1, 0, 1, 0), (0, 0, 0, 0), (0, 9, 0, 1)]"


def test_nvlink_down(host: Seen) -> None:
    afflict(host, "nvlink-down", gpu="1", links="2")
    states = f"[[nvmlDeviceGetNvLinkState({HANDLE}(i), l) for l in range(4)] for i in (0, 1)]"
    assert host.reads(states) == "[[1, 1, 1, 1], [0, 0, 1, 1]]"


def test_pcie_width(host: Seen) -> None:
    afflict(host, "pcie-width", gpu="7", width="4")
    assert host.reads(f"nvmlDeviceGetCurrPcieLinkWidth({HANDLE}(7))") == "4"
    assert attribute(host, 7, "current_link_width") == "4"
    assert attribute(host, 7, "max_link_width") == "16"


def test_driver_mismatch(host: Seen) -> None:
    afflict(host, "driver-mismatch", version="580.178.04")
    assert "LibRmVersionMismatch" in host.nvml("0").stderr
    assert host.says("cat /sys/module/nvidia/version") == host.lab.driver
    assert "NVRM: API mismatch: the client has the version 580.178.04" in host.kernel_log()
    fleet.clear(host.lab.dir, [host.host.name])
    assert host.reads("nvmlSystemGetDriverVersion()") == host.lab.driver


def test_nvml_hang(host: Seen) -> None:
    afflict(host, "nvml-hang", gpu="2")
    assert host.says(_HANG.format(gpu=2)) == "killed"
    assert host.reads(f"nvmlDeviceGetTemperature({HANDLE}(1), 0)").isdecimal()


def test_nvml_hang_that_cannot_be_killed(host: Seen) -> None:
    afflict(host, "nvml-hang", gpu="2", kill="no")
    assert host.says(_HANG.format(gpu=2)) == "D"
    fleet.clear(host.lab.dir, [host.host.name])
    assert host.reads(f"nvmlDeviceGetTemperature({HANDLE}(2), 0)").isdecimal()


# starts a process that asks NVML about the GPU, kills it, and says what became of it
_HANG = """python3 - <<'PROGRAM'
import ctypes, os, signal, time
pid = os.fork()
if pid == 0:
    os.closerange(0, 3)
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    nvml.nvmlInit_v2()
    device, value = ctypes.c_void_p(), ctypes.c_uint()
    nvml.nvmlDeviceGetHandleByIndex_v2({gpu}, ctypes.byref(device))
    nvml.nvmlDeviceGetTemperature(device, 0, ctypes.byref(value))
    os._exit(0)
time.sleep(0.5)
os.kill(pid, signal.SIGKILL)
for _ in range(10):
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        print("killed" if os.WIFSIGNALED(status) else "ended")
        break
    time.sleep(0.05)
else:
    print(open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0])
PROGRAM"""


def test_no_python(host: Seen) -> None:
    before = host.says("cat /proc/sys/kernel/random/boot_id")
    afflict(host, "no-python")
    for name in ("python3", "python", "/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3"):
        assert host.ssh(f"{name} -V").returncode == 127
    if host.lab.nvidia_smi:
        assert host.says("nvidia-smi -L | wc -l") == "8"
    assert host.says("cat /proc/sys/kernel/random/boot_id") != before
    fleet.clear(host.lab.dir, [host.host.name])
    assert host.says("python3 -c 'print(1)'") == "1"


def test_readonly_root(host: Seen) -> None:
    afflict(host, "readonly-root")
    assert "Read-only file system" in host.ssh("touch /root/file").stderr
    assert " / overlay ro," in host.says("cat /proc/mounts")
    assert "Remounting filesystem read-only" in host.kernel_log()
    host.says("touch /run/file")


def test_disk_full(host: Seen) -> None:
    host.says("echo kept > /root/kept")
    afflict(host, "disk-full")
    assert host.says("df --output=avail,pcent / | tail -n 1").split() == ["0", "100%"]
    assert "No space left on device" in host.ssh("mkdir /root/directory").stderr
    assert "No space left on device" in host.ssh("echo text > /root/file").stderr
    assert host.says("cat /root/kept") == "kept"
    fleet.clear(host.lab.dir, [host.host.name])
    host.says("mkdir /root/directory && rmdir /root/directory && rm /root/kept")


def test_unreachable(host: Seen) -> None:
    afflict(host, "unreachable")
    began = time.monotonic()
    assert "Connection timed out" in host.ssh("true", timeout=2).stderr
    assert time.monotonic() - began >= 2


def test_refused(host: Seen) -> None:
    afflict(host, "refused")
    assert "Connection refused" in host.ssh("true").stderr


def test_ssh_hang(host: Seen) -> None:
    afflict(host, "ssh-hang")
    assert "banner exchange" in host.ssh("true", timeout=2).stderr


def test_several_at_a_time_and_cleared_exactly(host: Seen) -> None:
    tree = "find /etc /tmp /usr/lib/*-linux-gnu /var -newer /etc/hostname | sort"
    before = host.says(tree)
    for kind, options in (
        ("pcie-width", {"gpu": "1"}),
        ("driver-mismatch", {}),
        ("xid", {"code": "94"}),
        ("disk-full", {}),
    ):
        afflict(host, kind, **options)
    (now,) = [found for found in fleet.status(host.lab.dir).hosts if found.name == host.host.name]
    assert [fault.kind for fault in now.faults] == ["pcie-width", "driver-mismatch", "xid", "disk-full"]
    log = host.kernel_log()
    assert "Xid" in log
    assert "API mismatch" in log
    fleet.clear(host.lab.dir, [host.host.name])
    assert host.says(tree) == before
    assert "Xid" not in host.kernel_log()
    assert attribute(host, 1, "current_link_width") == "16"


def test_a_fault_that_makes_no_sense_changes_no_host(lab: LabStatus) -> None:
    names = [host.name for host in lab.hosts]
    with pytest.raises(LabMisuse, match="gpu=8 is not a number from 0 to 7"):
        fleet.fault(lab.dir, names, "gpu-lost", {"gpu": "8"})
    with pytest.raises(LabMisuse, match="gpu099"):
        fleet.fault(lab.dir, [*names, "gpu099"], "refused", {})
    assert all(host.faults == () for host in fleet.status(lab.dir).hosts)


def test_every_kind_is_seen_here() -> None:
    named = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert {kind for kind in KINDS if kind not in named} <= {"row-remap-pending", "row-remap-failed"}
