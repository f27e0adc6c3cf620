"""Reads `nvidia-smi -q -x` into the shape of a GPU line: tolerant of branches that rename things, of cut and hostile
text.

Element names as branches 525 to 570 write them. The program's output is not a stable interface (its man page), hence
only the fallback for hosts without Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast
from xml.etree import ElementTree

from gigactl.payload.kernel_lines import pci_address
from gigactl.payload.protocol import printable
from gigactl.payload.schema import Gpu, GpuProcess
from gigactl.results import Scalar

LIMIT_CHARACTERS = 4 << 20
NOT_SAID = "not-read: nvidia-smi does not say"


@dataclass(slots=True)
class Log:
    """What one `nvidia-smi -q -x` said. `whole`: the document came to its end."""

    driver_version: str = ""
    cuda_version: str = ""
    attached: int = 0
    gpus: list[Gpu] = field(default_factory=list)
    whole: bool = False


def parse(data: bytes) -> Log:
    """Everything readable in the output; what stands before or after the document (error text) is ignored.

    The parser is given the text from the root element on: a document type, and with it any entity somebody declares to
    make it explode, is never parsed.
    """
    text = data[:LIMIT_CHARACTERS].decode("utf-8", "replace")
    log = Log()
    start = text.find("<nvidia_smi_log")
    end = text.find("</nvidia_smi_log>")
    if start < 0:
        return log
    puller: ElementTree.XMLPullParser[ElementTree.Element] = ElementTree.XMLPullParser(events=("start", "end"))
    puller.feed(text[start : end + len("</nvidia_smi_log>")] if end >= 0 else text[start:])
    depth = 0
    try:
        for event, element in cast("Iterator[tuple[str, ElementTree.Element]]", puller.read_events()):
            depth += 1 if event == "start" else -1
            if event == "end" and depth == 1:
                _top(element, log)
            log.whole = event == "end" and depth == 0
    except ElementTree.ParseError:
        log.whole = False  # what was whole before the broken place is kept
    return log


def _top(element: ElementTree.Element, log: Log) -> None:
    if element.tag == "gpu":
        log.gpus.append(gpu(element, len(log.gpus)))
    elif element.tag == "driver_version":
        log.driver_version = _text(element)
    elif element.tag == "cuda_version":
        log.cuda_version = _text(element)
    elif element.tag == "attached_gpus" and _text(element).isdigit():
        log.attached = int(_text(element))
    element.clear()


def gpu(element: ElementTree.Element, index: int) -> Gpu:
    """One `<gpu>` element."""
    values: dict[str, Scalar] = {}
    unread: dict[str, str] = {"*": NOT_SAID}
    for name, paths, convert in READINGS:
        said = _first(element, paths)
        if said is None:
            continue
        reason = why_not(said)
        value = None if reason else convert(said)
        if value is None:
            unread[name] = reason or f"failed: nvidia-smi says {printable(said, 60)!r}"
        else:
            values[name] = value
    values.update(_sums(element))
    return {
        "type": "gpu",
        "index": index,
        "uuid": _known(element, "uuid"),
        "serial": _known(element, "serial"),
        "pci": pci_address(_known(element, "pci/pci_bus_id") or element.get("id", "")),
        "name": _known(element, "product_name"),
        "values": values,
        "unread": {name: why for name, why in unread.items() if name not in values},
        "processes": list(_processes(element)),
    }


def why_not(said: str) -> str:
    """The reason a text of nvidia-smi's stands for, or an empty string where it is a value (`[N/A]` and `N/A` both
    occur)."""
    plain = said.strip("[] ").lower()
    for start, reason in _REASONS:
        if plain.startswith(start):
            return reason
    return ""


_REASONS = (
    ("n/a", "not-supported"),
    ("not supported", "not-supported"),
    ("requested functionality has been deprecated", "not-supported"),
    ("gpu is lost", "lost"),
    ("gpu requires reset", "reset-required"),
    ("insufficient permissions", "no-permission"),
    ("unknown error", "failed: nvidia-smi says Unknown Error"),
    ("err!", "failed: nvidia-smi says ERR!"),
)


def _text(element: ElementTree.Element | None) -> str:
    return printable("" if element is None or element.text is None else element.text, 200)


def _first(element: ElementTree.Element, paths: Iterable[str]) -> str | None:
    """The first of these paths that is there and says something; one that says N/A only where no other says more."""
    said = None
    for path in paths:
        found = element.find(path)
        if found is not None and found.text is not None:
            said = _text(found)
            if not why_not(said):
                return said
    return said


def _known(element: ElementTree.Element, path: str) -> str:
    said = _text(element.find(path))
    return "" if why_not(said) else said


def _number(said: str) -> float | None:
    match = re.match(r"-?\d+(?:\.\d+)?", said)
    return float(match.group()) if match else None


def _whole(said: str) -> int | None:
    number = _number(said)
    return None if number is None else int(number)


def _mebibytes(said: str) -> int | None:
    number = _number(said)
    return None if number is None else int(number) << 20


def _yes(said: str) -> bool | None:
    return {"yes": True, "no": False, "enabled": True, "disabled": False, "true": True, "false": False}.get(
        said.lower()
    )


def _one_of(*names: str) -> Callable[[str], int | None]:
    """The number of a name in a list; `P0` style and plain numbers are not among them."""
    return lambda said: names.index(said.lower()) if said.lower() in names else None


def _status(said: str) -> int:
    return 0 if said.lower() == "success" else 999


def _p_state(said: str) -> int | None:
    return _whole(said[1:]) if said[:1] == "P" else None


def _words(said: str) -> str:
    return said


_RECOVERY = {"none": 0, "gpu reset": 1, "reset": 1, "node reboot": 2, "reboot": 2, "drain p2p": 3, "drain and reset": 4}


def _recovery(said: str) -> int | None:
    return _RECOVERY.get(said.lower())


_BANKS = "remapped_rows/row_remapper_histogram/row_remapper_histogram_"
_POWER = ("gpu_power_readings/", "power_readings/")
_REASON_BITS = (
    (("gpu_idle",), 0x1), (("applications_clocks_setting",), 0x2), (("sw_power_cap",), 0x4), (("hw_slowdown",), 0x8),
    (("sync_boost",), 0x10), (("sw_thermal_slowdown",), 0x20), (("hw_thermal_slowdown",), 0x40),
    (("hw_power_brake_slowdown", "hw_power_brake"), 0x80), (("display_clocks_setting",), 0x100),
)  # fmt: skip


def _power(*names: str) -> tuple[str, ...]:
    return tuple(group + name for name in names for group in _POWER)


# reading, where it may stand (newest name first), how its text is read
READINGS: tuple[tuple[str, tuple[str, ...], Callable[[str], Scalar | None]], ...] = (
    ("part_number", ("board_part_number", "gpu_part_number"), _words),
    ("vbios", ("vbios_version",), _words),
    ("inforom", ("inforom_version/img_version",), _words),
    ("gsp_firmware", ("gsp_firmware_version",), _words),
    ("module_id", ("gpu_module_id", "module_id"), _whole),
    ("platform.chassis_serial", ("platformInfo/chassis_serial_number",), _words),
    ("platform.slot", ("platformInfo/slot_number",), _whole),
    ("platform.tray", ("platformInfo/tray_index",), _whole),
    ("temperature.core", ("temperature/gpu_temp",), _whole),
    ("temperature.memory", ("temperature/memory_temp",), _whole),
    ("temperature.margin", ("temperature/gpu_temp_tlimit",), _whole),
    ("temperature.limit.shutdown", ("temperature/gpu_temp_max_threshold",), _whole),
    ("temperature.limit.slowdown", ("temperature/gpu_temp_slow_threshold",), _whole),
    ("temperature.limit.memory", ("temperature/gpu_temp_max_mem_threshold",), _whole),
    ("temperature.limit.gpu", ("temperature/gpu_temp_max_gpu_threshold",), _whole),
    ("power.average", _power("average_power_draw", "power_draw"), _number),
    ("power.instant", _power("instant_power_draw"), _number),
    ("power.limit", _power("current_power_limit", "enforced_power_limit", "power_limit"), _number),
    ("power.limit.default", _power("default_power_limit"), _number),
    ("power.limit.min", _power("min_power_limit"), _number),
    ("power.limit.max", _power("max_power_limit"), _number),
    ("clock.graphics", ("clocks/graphics_clock",), _whole),
    ("clock.sm", ("clocks/sm_clock",), _whole),
    ("clock.memory", ("clocks/mem_clock",), _whole),
    ("clock.graphics.max", ("max_clocks/graphics_clock",), _whole),
    ("clock.memory.max", ("max_clocks/mem_clock",), _whole),
    ("performance_state", ("performance_state",), _p_state),
    ("utilisation.gpu", ("utilization/gpu_util",), _whole),
    ("utilisation.memory", ("utilization/memory_util",), _whole),
    ("memory.total", ("fb_memory_usage/total",), _mebibytes),
    ("memory.used", ("fb_memory_usage/used",), _mebibytes),
    ("memory.reserved", ("fb_memory_usage/reserved",), _mebibytes),
    ("memory.bar1.used", ("bar1_memory_usage/used",), _mebibytes),
    ("mode.persistence", ("persistence_mode",), _yes),
    ("mode.compute", ("compute_mode",), _one_of("default", "exclusive_thread", "prohibited", "exclusive_process")),
    ("mode.mig", ("mig_mode/current_mig",), _yes),
    ("mode.mig.pending", ("mig_mode/pending_mig",), _yes),
    ("mode.ecc", ("ecc_mode/current_ecc",), _yes),
    ("mode.ecc.pending", ("ecc_mode/pending_ecc",), _yes),
    ("ecc.dram.volatile.uncorrected", ("ecc_errors/volatile/dram_uncorrectable",), _whole),
    ("ecc.dram.aggregate.uncorrected", ("ecc_errors/aggregate/dram_uncorrectable",), _whole),
    ("ecc.sram.threshold_exceeded", ("ecc_errors/aggregate/sram_threshold_exceeded",), _yes),
    ("remap.correctable", ("remapped_rows/remapped_row_corr",), _whole),
    ("remap.uncorrectable", ("remapped_rows/remapped_row_unc",), _whole),
    ("remap.pending", ("remapped_rows/remapped_row_pending",), _yes),
    ("remap.failed", ("remapped_rows/remapped_row_failure",), _yes),
    ("remap.banks.max", (_BANKS + "max",), _whole),
    ("remap.banks.high", (_BANKS + "high",), _whole),
    ("remap.banks.partial", (_BANKS + "partial",), _whole),
    ("remap.banks.low", (_BANKS + "low",), _whole),
    ("remap.banks.none", (_BANKS + "none",), _whole),
    ("retired.single_bit", ("retired_pages/multiple_single_bit_retirement/retired_count",), _whole),
    ("retired.double_bit", ("retired_pages/double_bit_retirement/retired_count",), _whole),
    ("retired.pending", ("retired_pages/pending_retirement", "retired_pages/pending_blacklist"), _yes),
    ("recovery_action", ("gpu_recovery_action",), _recovery),
    ("pcie.generation", ("pci/pci_gpu_link_info/pcie_gen/current_link_gen",), _whole),
    ("pcie.generation.max", ("pci/pci_gpu_link_info/pcie_gen/max_link_gen",), _whole),
    ("pcie.width", ("pci/pci_gpu_link_info/link_widths/current_link_width",), _whole),
    ("pcie.width.max", ("pci/pci_gpu_link_info/link_widths/max_link_width",), _whole),
    ("pcie.replays", ("pci/replay_counter",), _whole),
    ("pcie.tx", ("pci/tx_util",), _whole),
    ("pcie.rx", ("pci/rx_util",), _whole),
    ("fabric.state", ("fabric/state",), _one_of("not supported", "not started", "in progress", "completed")),
    ("fabric.status", ("fabric/status",), _status),
    ("fabric.clique", ("fabric/cliqueId",), _whole),
    ("fabric.cluster", ("fabric/clusterUuid",), _words),
)


def _sums(element: ElementTree.Element) -> dict[str, Scalar]:
    """Readings that nvidia-smi gives in parts: ECC totals, SRAM by detection, the clocks' reasons one by one."""
    sums: dict[str, Scalar] = {}
    for group in ("volatile", "aggregate"):
        base = f"ecc_errors/{group}/"
        sram = _total(element, base, ("sram_uncorrectable_parity", "sram_uncorrectable_secded"))
        if sram is None:  # before branch 535
            sram = _total(element, base, ("sram_uncorrectable",))
        _put(sums, f"ecc.sram.{group}.uncorrected", sram)
        dram = _total(element, base, ("dram_uncorrectable",))
        _put(sums, f"ecc.{group}.uncorrected", None if sram is None or dram is None else sram + dram)
        _put(sums, f"ecc.{group}.corrected", _total(element, base, ("sram_correctable", "dram_correctable")))
    _put(sums, "clock.reasons", _clock_reasons(element))
    return sums


def _put(sums: dict[str, Scalar], name: str, value: int | None) -> None:
    if value is not None:
        sums[name] = value


def _total(element: ElementTree.Element, base: str, names: tuple[str, ...]) -> int | None:
    """The sum, or None unless every part is a number."""
    parts = [_whole(_text(element.find(base + name))) for name in names]
    numbers = [part for part in parts if part is not None]
    return sum(numbers) if len(numbers) == len(parts) else None


def _clock_reasons(element: ElementTree.Element) -> int | None:
    for word in ("event", "throttle"):
        group = element.find(f"clocks_{word}_reasons")
        if group is not None:
            start = f"clocks_{word}_reason_"
            return sum(
                bit for names, bit in _REASON_BITS if any(_text(group.find(start + name)) == "Active" for name in names)
            )
    return None


def _processes(element: ElementTree.Element) -> Iterator[GpuProcess]:
    for process in element.iterfind("processes/process_info"):
        pid = _whole(_text(process.find("pid")))
        if pid is not None:
            memory = _mebibytes(_text(process.find("used_memory")))
            yield {
                "pid": pid,
                "name": _text(process.find("process_name")),
                "kind": "graphics" if _text(process.find("type")) == "G" else "compute",
                "memory_bytes": -1 if memory is None else memory,
            }


_LINK = re.compile(r"^\s*Link (\d+): (?:([0-9.]+) GB/s|<inactive>)")
_OWNER = re.compile(r"^GPU (\d+):")


def add_links(gpus: Iterable[Gpu], status: str) -> None:
    """Add what `nvidia-smi nvlink -s` says of each GPU's links: `Link 3: 26.562 GB/s`, or `<inactive>`."""
    by_index = {one["index"]: one for one in gpus}
    links: dict[int, dict[int, float | None]] = {}
    owner = -1
    for line in status.splitlines():
        named = _OWNER.match(line)
        owner = int(named.group(1)) if named else owner
        link = _LINK.match(line)
        if link and owner in by_index:
            links.setdefault(owner, {})[int(link.group(1))] = float(link.group(2)) if link.group(2) else None
    for index, states in links.items():
        values = by_index[index]["values"]
        values["nvlink.links"] = len(states)
        values["nvlink.links.active"] = sum(1 for speed in states.values() if speed is not None)
        for number, speed in sorted(states.items()):
            values[f"nvlink.{number}.active"] = speed is not None
            if speed is not None:
                values[f"nvlink.{number}.speed"] = int(speed * 1000)
