"""What one line of the kernel log says about GPUs: pure, text in, event out. Sources: NVIDIA's open kernel modules,
gpud, NVSentinel.

Only ever fed with lines of facility kernel: a program that quotes such a line in a log of its own says nothing here.
"""

import re

from gigactl.payload.protocol import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Match, Optional, Pattern

# a cheap test before any regular expression: every line we read holds one of these
HINTS = ("NVRM:", "SXid (PCI:", "GPU reset executed: GPU-")

_PCI = r"(?P<pci>[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?)"
_UUID = r"(?P<uuid>GPU-[0-9a-fA-F-]{8,64})"
_XID = re.compile(r"NVRM: Xid \(PCI:" + _PCI + r"\): (?P<code>\d{1,6})(?:, |,|\s|$)(?P<rest>.*)", re.S)
_SXID = re.compile(r"SXid \(PCI:" + _PCI + r"\): (?P<code>\d{1,6}), ?(?P<rest>.*)", re.S)
_PID = re.compile(r"^pid='?(?P<pid>[^,']{0,32})'?(?:, |$)")
_NAME = re.compile(r"^name='?(?P<name>[^,']{0,64})'?(?:, |$)")
_CHANNEL = re.compile(r"(?:^|[ ,])(?:Ch|channel) (?P<channel>(?:0x)?[0-9a-fA-F]{1,16})\b")
# NVLink5 (Xid 144 to 150): unit, severity, cross-container and injected flags, link, then registers
_NVLINK5 = re.compile(
    r"^(?P<unit>[A-Z][A-Z0-9_]{1,40})\s+(?P<severity>Fatal|Nonfatal|Non-fatal)\s+"
    r"XC ?\d+ i ?\d+ Link (?P<link>-?\d{1,3})\s*[(\[](?P<words>[0-9a-fA-Fx ]{1,200})[)\]]"
)
_ACTION = re.compile(
    r"recovery action changed from 0x(?P<before>[0-9a-fA-F]{1,8}) \((?P<was>[^)]{0,60})\) "
    r"to 0x(?P<action>[0-9a-fA-F]{1,8}) \((?P<action_text>[^)]{0,60})\)"
)
_CAUSE = re.compile(r"caused by previous Xid (?P<caused_by>\d{1,6})")
_SM = re.compile(r"\(GPC (?P<gpc>\d+), TPC (?P<tpc>\d+), SM (?P<sm>\d+)\)")
_SXID_SEVERITY = re.compile(r"^(?P<severity>Fatal|Non-fatal), ")
_SXID_LINK = re.compile(r"\bLink (?P<link>\d{1,3})\b")
_FALLEN_LONG = re.compile(
    r"NVRM: The NVIDIA GPU " + _PCI + r".*?fallen off the bus and is not responding to commands", re.S
)
_FALLEN_SHORT = re.compile(r"NVRM: (?:GPU|GPU at PCI:) ?" + _PCI + r": GPU has fallen off the bus")
_RESET = re.compile(r"GPU reset executed: " + _UUID + r"(?:, success: (?P<success>true|false))?")
_LOAD = re.compile(
    r"NVRM: loading NVIDIA UNIX (?P<flavour>Open )?.{0,40}?Kernel Module .{0,30}?(?P<version>\d+\.\d+(?:\.\d+)*)"
)
_ADDRESS = re.compile(r"NVRM: GPU at PCI:" + _PCI + r": " + _UUID)
_TRAINING = re.compile(
    r"NVRM: (?:GPU(?P<gpu>\d{1,3}) )?"
    r"(?P<function>knvlink(?:UpdatePostRxDetectLinkMask|DiscoverPostRxDetLinks)\w*): (?=.*fail)",
    re.I | re.S,
)
_MISMATCH = re.compile(
    r"NVRM: API mismatch: .{0,40}?version (?P<client>\d+\.\d+(?:\.\d+)*)(?:.{0,80}?version "
    r"(?P<module>\d+\.\d+(?:\.\d+)*))?",
    re.S,
)


def parse(usec: int, text: str) -> "Optional[Dict[str, Any]]":
    """The event a line of facility kernel is, or None. `text` without its prefix (time stamp, level)."""
    if not any(hint in text for hint in HINTS):
        return None
    for kind, pattern in _SHAPES:
        match = pattern.search(text)
        if match:
            return _event(usec, kind, match, text)
    return None


_SHAPES = (
    ("xid", _XID),
    ("sxid", _SXID),
    ("fallen-off", _FALLEN_LONG),
    ("fallen-off", _FALLEN_SHORT),
    ("gpu-address", _ADDRESS),
    ("gpu-reset", _RESET),
    ("driver-load", _LOAD),
    ("api-mismatch", _MISMATCH),
    ("nvlink-training", _TRAINING),
)


def _event(usec: int, kind: str, match: "Match[str]", text: str) -> "Dict[str, Any]":
    fields = {name: value for name, value in match.groupdict().items() if value is not None}
    pci = pci_address(fields.pop("pci", ""))
    code = int(fields.pop("code", "0"))
    rest = fields.pop("rest", "")
    if kind == "xid":
        fields.update(_xid_fields(rest))
    elif kind == "sxid":
        fields.update(_groups(_SXID_SEVERITY, rest, _SXID_LINK))
    elif kind == "driver-load":
        fields["flavour"] = "open" if "flavour" in fields else "proprietary"
    return {
        "usec": usec,
        "kind": kind,
        "pci": pci,
        "code": code,
        "fields": {name: printable(value, 200) for name, value in fields.items()},
        "text": printable(text),
    }


def _xid_fields(rest: str) -> "Dict[str, str]":
    fields = {}
    for pattern in (_PID, _NAME):
        match = pattern.match(rest)
        if match:
            fields.update(match.groupdict())
            rest = rest[match.end() :]
    fields.update(_groups(_CHANNEL, rest, _ACTION, _CAUSE, _SM))
    match = _NVLINK5.match(rest)
    if match:
        words = match.group("words").split()
        fields.update(unit=match.group("unit"), severity=match.group("severity"), link=str(int(match.group("link"))))
        fields["intrinfo"] = words[0] if words else ""
        if len(words) > 1:
            fields["error_status"] = words[1]
    return fields


def _groups(first: "Pattern[str]", text: str, *others: "Pattern[str]") -> "Dict[str, str]":
    fields = {}
    for pattern in (first, *others):
        match = pattern.search(text)
        if match:
            fields.update(match.groupdict())
    return fields


def pci_address(text: str) -> str:
    """`dddd:bb:dd.f` in lower case from any of NVIDIA's spellings (`PCI:0000:19:00`, `00000000:19:00.0`); else empty.

    >>> pci_address("00000000:3B:00.0")
    '0000:3b:00.0'
    >>> pci_address("0018:01:00")
    '0018:01:00.0'
    """
    parts = text.lower().split(":")
    if len(parts) != 3:
        return ""
    try:
        domain, bus = int(parts[0], 16), int(parts[1], 16)
        device, _, function = parts[2].partition(".")
        return "%04x:%02x:%02x.%x" % (domain, bus, int(device, 16), int(function or "0", 16))
    except ValueError:
        return ""
