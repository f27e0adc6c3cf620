"""One host on the screen: what it is, its driver, every GPU, what was found and what to do, what could not be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from gigactl.inventory.expectation import Expectation
from gigactl.payload.schema import Driver, Facts, Gpu, Snapshot
from gigactl.render import all_readings, readings
from gigactl.render.all_readings import numbers
from gigactl.render.problems import gpu_name, not_measured
from gigactl.render.table import Column, Row, Screen, Table, draw, painted
from gigactl.render.text import count, listed, one_line, seconds, size
from gigactl.results import Finding, NotMeasured, Reason, Scalar, Severity, When, parse_unread
from gigactl.sweep.look import HostLook


@dataclass(frozen=True, slots=True)
class Seen:
    """One host with the snapshot it was judged by; no snapshot when it gave none."""

    look: HostLook
    snapshot: Snapshot | None
    expected: Expectation | None


def screen(seen: Seen, on: Screen, *, verbose: bool = False) -> str:
    """The host in full, blocks apart by an empty line; `verbose` adds every reading, and all that could not be read."""
    blocks = [_head(seen, on)]
    if seen.snapshot is not None:
        gpus = seen.snapshot["gpus"]
        if gpus:
            blocks += [draw(_identity(gpus), on), draw(_state(gpus), on)]
            blocks += [draw(all_readings.table(gpu), on) for gpu in gpus if verbose and gpu["values"]]
    blocks.append(_found(seen.look, on))
    unread = _unread(seen, verbose=verbose)
    if unread:
        blocks.append("Not read:\n" + unread)
    return "\n".join(block for block in blocks if block)


def _head(seen: Seen, on: Screen) -> str:
    judgement = seen.look.judgement
    todo = "" if judgement.when is When.NONE else f" · {judgement.when}: {listed(judgement.remedy)}"
    title = f"{seen.look.host}  {judgement.verdict} ({one_line(judgement.basis)}){todo}"
    rows = [("note", one_line(note)) for note in judgement.notes]
    if seen.look.failure is not None:
        rows.append(("failure", one_line(str(seen.look.failure))))
    if seen.snapshot is not None:
        rows += _facts(seen.snapshot)
    if seen.expected is not None:
        rows.append(("expected", _expected(seen.expected)))
    body = "".join(f"  {name:<12}{one_line(text)}\n" for name, text in rows if text)
    return painted(title, judgement.verdict.value, on) + "\n" + body


def _facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    rows = [] if snapshot["facts"] is None else _host(snapshot["facts"])
    if snapshot["driver"] is not None:
        rows.append(("driver", _driver(snapshot["driver"])))
    kernel = snapshot["kernel"]
    if kernel is not None:
        said = kernel["unread"] or f"{kernel['source']}, {count(len(kernel['events']), 'relevant event')}"
        rows.append(("kernel log", said + (f" (gap: {kernel['gap_reason']})" if kernel["gap"] else "")))
    cut = "" if snapshot["complete"] else ", cut before its end"
    rows.append(
        (
            "probe",
            f"{snapshot['source']}, Python {snapshot['python'] or '-'}, "
            f"{'root' if snapshot['euid'] == 0 else 'not root'}, "
            f"{snapshot['seconds']:.2f} s, {1000 * snapshot['cpu_s']:.0f} ms CPU{cut}",
        )
    )
    return rows


def _host(facts: Facts) -> list[tuple[str, str]]:
    dmi, system, cpu = facts["dmi"], facts["os"], facts["cpu"]
    kind = " ".join(part for part in (dmi["vendor"], dmi["product"]) if part)
    sort = [
        f"type {dmi['machine_type']}" if dmi["machine_type"] else "",
        f"serial {dmi['serial']}" if dmi["serial"] else "",
    ]
    held = facts["memory_bytes"] - facts["memory_available_bytes"]
    services = [f"{one['name']} {one['active']}" for one in facts["services"] if one["load"] == "loaded"]
    return [
        ("host", " · ".join(part for part in (kind, *sort) if part)),
        (
            "system",
            f"{system['pretty']} · kernel {system['kernel']} {system['arch']} · up {seconds(facts['uptime_s'])}",
        ),
        ("boot", f"{facts['boot_id']} · the host's clock says {facts['at']}"),
        ("cpu", f"{cpu['sockets']} × {cpu['model']}, {cpu['threads']} threads" if cpu["model"] else ""),
        ("memory", f"{size(held)} used of {size(facts['memory_bytes'])}" if facts["memory_bytes"] else ""),
        (
            "disks",
            " · ".join(_mount(one["path"], one["available"], one["size"], one["readonly"]) for one in facts["mounts"]),
        ),
        ("services", listed(services)),
        ("ports", _ports(facts)),
        ("PCI", _pci(facts)),
    ]


def _mount(path: str, available: int, whole: int, readonly: bool) -> str:
    return f"{path} {size(available)} free of {size(whole)}" + (" READ-ONLY" if readonly else "")


def _ports(facts: Facts) -> str:
    together: dict[str, list[str]] = defaultdict(list)
    for port in facts["ports"]:
        together[f"{port['state']} {port['rate']:g} Gb/s {port['layer']}"].append(f"{port['device']}:{port['port']}")
    return " · ".join(f"{listed(names)} {what}" for what, names in together.items())


def _pci(facts: Facts) -> str:
    gpus = facts["pci_gpus"]
    dead = sum(not gpu["alive"] for gpu in gpus)
    kinds = sorted({f"{gpu['vendor']}:{gpu['device']}" for gpu in gpus})
    text = f"{count(len(gpus), 'GPU')} ({listed(kinds)})" + (f", {dead} not answering" if dead else "")
    switches = facts["fabric"]["nvswitches"]
    return text + (f" · {count(switches, 'NVSwitch', 'NVSwitches')}" if switches else "")


def _driver(driver: Driver) -> str:
    parts = [
        driver["state"] + (f" (NVML error {driver['nvml_error']})" if driver["nvml_error"] else ""),
        driver["detail"],
        f"loaded {driver['loaded'] or '-'} {driver['flavour']}".strip(),
        f"library {driver['library'] or '-'}",
        f"on disk {driver['on_disk'] or '-'}",
        f"NVML {driver['nvml_version']}" if driver["nvml_version"] else "",
        f"CUDA {driver['cuda_version']}" if driver["cuda_version"] else "",
        f"init {driver['init_s']:.2f} s" if driver["state"] == "ok" else "",
        f"reader {driver['reader']} cannot be killed" if driver["reader"] else "",
    ]
    return " · ".join(part for part in parts if part)


def _expected(expected: Expectation) -> str:
    if not expected.managed:
        return expected.unmanaged_reason
    board = f"{expected.gpu_count} × {expected.board}" if expected.gpu_count else expected.board or ""
    parts = [
        expected.title or expected.model or "nothing known",
        board,
        f"{expected.nvlinks} NVLinks per GPU" if expected.nvlinks else "",
        f"PCIe {expected.pcie_generation or '?'} x{expected.pcie_width}" if expected.pcie_width else "",
    ]
    return " · ".join(part for part in parts if part)


def _identity(gpus: Iterable[Gpu]) -> Table:
    columns = (
        Column("GPU", "right"),
        Column("NAME", fold=True),
        Column("UUID", fold=True),
        Column("SERIAL"),
        Column("PCI"),
    )
    return Table(
        columns,
        tuple(
            Row(tuple(cell or "-" for cell in (str(gpu["index"]), gpu["name"], gpu["uuid"], gpu["serial"], gpu["pci"])))
            for gpu in gpus
        ),
    )


STATE = (
    ("TEMP C", readings.temperature),
    ("POWER W", readings.power),
    ("UTIL %", readings.utilisation),
    ("MEMORY", readings.memory),
    ("CLOCKS MHz", readings.clocks),
    ("ECC c/u", readings.ecc),
    ("REMAP c/u", readings.remap),
    ("PCIE", readings.pcie),
    ("NVLINK", readings.nvlink),
    ("FABRIC", readings.fabric),
    ("PROCESSES", readings.processes),
)
"""Now/limit, GPU/memory, used/total, SM/memory, corrected/uncorrected, active/all."""


def _state(gpus: Iterable[Gpu]) -> Table:
    columns = (Column("GPU", "right"), *(Column(title, fold=True) for title, _ in STATE))
    return Table(columns, tuple(Row((str(gpu["index"]), *(shown(gpu) for _, shown in STATE))) for gpu in gpus))


def _found(look: HostLook, on: Screen) -> str:
    findings = sorted(look.judgement.findings, key=lambda one: -one.severity.rank)
    if not findings:
        return "No findings.\n"
    return "".join(_finding(one, on) for one in findings)


def _finding(one: Finding, on: Screen) -> str:
    gpu = gpu_name(one.gpu)
    where = f" GPU {gpu}" if gpu else ""
    lines = [painted(f"{one.severity} {one.id}{where}: {one_line(one.summary)}", one.severity.value, on)]
    if one.evidence is not None:
        limit = "" if one.evidence.limit is None else f", limit {_value(one.evidence.limit)}"
        source = f" ({one.evidence.source})" if one.evidence.source else ""
        lines.append(one_line(f"rests on: {one.evidence.reading} = {_value(one.evidence.value)}{limit}{source}"))
    if one.severity is not Severity.INFO:
        lines.append(f"what to do: {one.when}: {listed(one.remedy)} · `gigactl health explain {one.id}`")
    lines += _folded(one)
    return "\n  ".join(lines) + "\n"


def _folded(one: Finding) -> list[str]:
    """What the finding took in: other witnesses of the same fault (ids in capitals), and what it left unread."""
    same = [name for name in one.folded if name.isupper()]
    unread = [name for name in one.folded if not name.isupper()]
    said = [("counts as the same fault", same), ("not readable because of it", unread)]
    return [one_line(f"{what}: {listed(names)}") for what, names in said if names]


def _value(value: Scalar | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _unread(seen: Seen, *, verbose: bool) -> str:
    """What rules lacked, then every reading without a value, the GPUs with the same reason together."""
    lines = [
        f"{one.rule}{' (required)' if one.required else ''}: {not_measured(one)}" for one in _lacking(seen, verbose)
    ]
    together: dict[str, list[str]] = defaultdict(list)
    for gpu in [] if seen.snapshot is None else seen.snapshot["gpus"]:
        reasons: dict[str, list[str]] = defaultdict(list)
        for name, why in gpu["unread"].items():
            if verbose or parse_unread(why).reason is not Reason.NOT_SUPPORTED:
                reasons[why].append("everything else" if name == "*" else name)
        for why, names in reasons.items():
            together[f"{why}: {listed(names)}"].append(str(gpu["index"]))
    lines += [f"GPU {numbers(gpus)}: {what}" for what, gpus in together.items()]
    return "".join(f"  {one_line(line)}\n" for line in dict.fromkeys(lines))


def _lacking(seen: Seen, verbose: bool) -> list[NotMeasured]:
    return [one for one in seen.look.judgement.not_measured if verbose or one.required]
