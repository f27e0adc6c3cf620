"""Xid lines as NVIDIA's kernel driver writes them, per code.

Wording from kernel logs in public issue threads (open-gpu-kernel-modules 1118, 1134, 1150, 1230; gpud 1160, 1174) and
from the driver's open source; a code whose wording is not known there gets the driver's general form for a channel
error.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gigactl.lab.hardware import GpuIdentity

_APP = "pid=4242, name=python3, "
_NOBODY = "pid='<unknown>', name=<unknown>, "
_REST = "0x00000000 0x00000000 0x00000000 0x00000000"
_GENERAL = _APP + "Ch 00000008"
_NEW_UNIT_CODES = 575  # from this branch on NVLink5 lines carry the unit in the low seven bits of the first word
_STATES_RECOVERY = 565  # NVIDIA Xid catalogue 2025-10: from this branch on Xid 154 follows with the action needed

_WORDS: Mapping[int, str] = MappingProxyType(
    {
        13: _APP + "Graphics SM Warp Exception on (GPC 2, TPC 3, SM 1): Out Of Range Address",
        31: _APP + "Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_3 faulted @ 0x7f2c_a4000000. "
        "Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ",
        48: _NOBODY
        + "An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at partition 6, "
        "subpartition 0.",
        63: _NOBODY + "Row Remapper: New row (0x00000000002b1c40) marked for remapping, reset gpu to activate.",
        64: _NOBODY
        + "Row Remapper Error: (0x00000000002b1c40) - Failed to remap row, no spare row is left in the bank.",
        74: _NOBODY + "NVLink: fatal error detected on link 2(0x0, 0x10000, 0x0, 0x0, 0x0, 0x0, 0x0)",
        79: _NOBODY + "GPU has fallen off the bus.",
        92: _NOBODY + "High single-bit ECC error rate",
        94: _APP + "Contained: SM (0x1). RST: No, D-RST: No",
        95: _APP + "Uncontained: LTC TAG (0x2,0x0). RST: Yes, D-RST: No",
        109: _APP + "Ch 00000018, errorString CTX SWITCH TIMEOUT, Info 0x4c013",
        119: _APP + "Timeout after 6s of waiting for RPC response from GPU0 GSP! Expected function 76 (GSP_RM_CONTROL) "
        "(0x20800a4c 0x1c).",
        120: _NOBODY + "GSP Error: Task 1 raised error code 0x5 for reason 0x0 at 0x63d76f0 (0 more errors skipped)",
        136: _NOBODY + "NVLink: Link training failed for link 3",
        137: _APP + "RLW_RXPIPE interrupt hit on link 11 on GPU0: PRIV Error",
        143: _NOBODY + "GPU Initialization Failure",
        154: _NOBODY + "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)",
    }
)

# NVLink5: unit, severity, first word before and from R575 (NVIDIA Xid catalogue 2025-10, sheet "Xid 144-150 Decode"),
# status
_NVLINK5: Mapping[int, tuple[str, str, int, int, int]] = MappingProxyType(
    {
        144: ("SAW_MVB", "Nonfatal", 0b0000100001, 0b0000001, 0x1),
        145: ("RLW_SRC_TRACK", "Fatal", 0b0011100010, 0b0000111, 0x1),
        146: ("TLW_CTRL", "Fatal", 0b0100100011, 0b0001001, 0x4),
        147: ("TREX", "Nonfatal", 0b0110000100, 0b0001110, 0x1),
        148: ("NVLPW_CTRL", "Nonfatal", 0b0000000101, 0b0001111, 0x80000000),
        149: ("NETIR_LINK_EVT", "Fatal", 0b0111000110 | 1 << 20, 0b0010001 | 1 << 20, 0x0),
        150: ("MSE_WATCHDOG", "Fatal", 0, 0, 0x0),
    }
)


def xid_lines(code: int, gpu: GpuIdentity, count: int, driver: str) -> tuple[str, ...]:
    """`count` kernel log lines for an Xid on a GPU, as this driver version would write them."""
    line = f"NVRM: Xid (PCI:{gpu.pci.rsplit('.', 1)[0]}): {code}, {_words(code, driver)}"
    return (line,) * count


def recovery_lines(gpu: GpuIdentity, driver: str) -> tuple[str, ...]:
    """What a driver from R565 on says after an Xid that only a reboot cures; older ones say nothing."""
    if int(driver.split(".")[0]) < _STATES_RECOVERY:
        return ()
    (line,) = xid_lines(154, gpu, 1, driver)
    return (line.replace("0x1 (GPU Reset Required)", "0x2 (Node Reboot Required)"),)


def _words(code: int, driver: str) -> str:
    if code in _NVLINK5:
        unit, severity, before, since, status = _NVLINK5[code]
        word = since if int(driver.split(".")[0]) >= _NEW_UNIT_CODES else before
        return f"{unit} {severity} XC0 i0 Link 00 (0x{word:08x} 0x{status:08x} {_REST})"
    return _WORDS.get(code, _GENERAL)
