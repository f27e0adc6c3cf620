"""Whatever a kernel log holds, the parser answers, and what it answers fits the wire."""

from __future__ import annotations

import json
import string

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.payload import kernel_log
from gigactl.payload.kernel_lines import parse, pci_address
from gigactl.payload.protocol import encode
from gigactl.payload.schema import KernelEvent, KernelLog

BOOT = "boot"
ADDRESSES = st.builds("{:04x}:{:02x}:{:02x}".format, st.integers(0, 0xFFFF), st.integers(0, 0xFF), st.integers(0, 0x1F))
WORDS = st.text(string.ascii_letters + string.digits + " ',()[]:=<>.-_", max_size=60)
FRAGMENTS = (
    "NVRM: ",
    "Xid (PCI:0000:19:00): ",
    "SXid (PCI:",
    "149, ",
    "pid='<unknown>', ",
    "name=",
    "NETIR_LINK_EVT Fatal XC0 i0 ",
    "Link 09 (0x1 0x2)",
    "GPU at PCI:",
    "GPU-5d5ba0d6",
    "GPU reset executed: ",
    "loading NVIDIA UNIX ",
    "Kernel Module ",
    "580.1",
    "The NVIDIA GPU ",
    "fallen off the bus",
    "\n",
    "\x1b[0m",
    "API mismatch: ",
    "version ",
    "caused by previous Xid ",
)
# shuffled pieces of real lines, so that the parser is met near where it could go wrong
PIECES = st.lists(
    st.sampled_from(FRAGMENTS) | WORDS,
    max_size=12,
).map("".join)


@given(st.text(max_size=300) | PIECES)
def test_any_text_is_nothing_or_an_event_that_fits_the_wire(text: str) -> None:
    event = parse(1, text)
    if event is not None:
        decoded = msgspec.json.decode(encode(event), type=KernelEvent)
        assert decoded["text"].isprintable()
        assert all(value.isprintable() for value in decoded["fields"].values())
        assert len(decoded["text"]) <= 400


@given(ADDRESSES, st.integers(1, 999), st.integers(0, 1 << 22), WORDS.filter(lambda text: "," not in text))
def test_an_xid_comes_back_as_it_was_printed(address: str, code: int, pid: int, rest: str) -> None:
    event = parse(5, f"NVRM: Xid (PCI:{address}): {code}, pid={pid}, name=python3, {rest}")
    assert event is not None
    assert (event["kind"], event["code"], event["pci"]) == ("xid", code, f"{address}.0")
    assert (event["fields"]["pid"], event["fields"]["name"]) == (str(pid), "python3")


@given(ADDRESSES, st.integers(0, 35), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF), st.booleans())
def test_nvlink5_registers_come_back(address: str, link: int, info: int, status: int, named: bool) -> None:
    process = "pid='<unknown>', name=<unknown>, " if named else ""
    event = parse(
        5,
        f"NVRM: Xid (PCI:{address}): 147, {process}TREX Nonfatal XC0 i0 Link {link:02d} (0x{info:08x} 0x{status:08x})",
    )
    assert event is not None
    fields = event["fields"]
    assert (int(fields["link"]), int(fields["intrinfo"], 16), int(fields["error_status"], 16)) == (link, info, status)


@given(st.text(max_size=40))
def test_an_address_is_normal_or_empty(text: str) -> None:
    address = pci_address(text)
    assert address == "" or pci_address(address) == address


RECORDS = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 1000), PIECES), max_size=12)


@settings(max_examples=60)
@given(RECORDS, st.integers(-1, 1000))
def test_reading_in_two_looks_gives_what_one_look_gives(records: list[tuple[int, int, str]], cut: int) -> None:
    ordered = sorted(records, key=lambda record: record[1])
    lines = [
        f"{prio},{number},{usec},-;{text}".replace("\n", "\\x0a") for number, (prio, usec, text) in enumerate(ordered)
    ]
    both = kernel_log.from_lines(BOOT, -1, "\n".join(lines))
    early = [line for line, record in zip(lines, ordered, strict=True) if record[1] <= cut]
    first = kernel_log.from_lines(BOOT, -1, "\n".join(early))
    second = kernel_log.from_lines(BOOT, first["cursor"]["usec"] if early else -1, "\n".join(lines))
    assert first["events"] + second["events"] == both["events"]
    assert all(ordered[0][1] <= event["usec"] for event in both["events"])
    msgspec.json.decode(json.dumps(both), type=KernelLog)


@given(st.binary(max_size=400), st.integers(-1, 100))
def test_any_bytes_are_a_kernel_log(data: bytes, after: int) -> None:
    log = kernel_log.from_lines(BOOT, after, data.decode("utf-8", "replace"))
    msgspec.json.decode(encode(log), type=KernelLog)


@given(RECORDS.filter(bool))
def test_user_space_never_speaks_for_the_kernel(records: list[tuple[int, int, str]]) -> None:
    lines = [
        f"{max(prio, 8)},{number},{usec},-;NVRM: Xid (PCI:0000:19:00): 79, {text}".replace("\n", "\\x0a")
        for number, (prio, usec, text) in enumerate(records)
    ]
    assert kernel_log.from_lines(BOOT, -1, "\n".join(lines))["events"] == []
