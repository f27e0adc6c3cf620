"""Does the driver answer: loaded, of one version with its library, NVML neither failing nor hanging."""

from __future__ import annotations

from gigactl.health.rule import Collect, Rule
from gigactl.health.view import GpuView, View
from gigactl.payload.schema import Driver
from gigactl.results import Evidence, GpuRef, Reason, Unread

_STATE = "driver.state"
_NO_PERMISSION, _LIBRARY_NOT_FOUND = 4, 12  # nvml.h NVML_ERROR_*
_FINDINGS = {
    "not-loaded": ("DRIVER-NOT-LOADED", "NVML error 9"),
    "no-library": ("DRIVER-NO-LIBRARY", "NVML error 12"),
    "mismatch": ("DRIVER-MISMATCH", "NVML error 18"),
    "hung": ("NVML-HUNG", "a reader that cannot be killed"),
}


def state(rule: Rule, view: View, out: Collect) -> None:
    """How the look at NVML went for the whole driver."""
    driver = view.driver
    if driver is None:
        out.gap(rule, _STATE, Unread(Reason.NOT_READ))
        return
    said = "hung" if driver["reader"] else driver["state"]
    if said == "no-library" and driver["nvml_error"] != _LIBRARY_NOT_FOUND:
        # without python3 the library is only seen through nvidia-smi, and a host may lack that alone
        out.gap(rule, _STATE, Unread(Reason.NOT_READ, driver["detail"]))
    elif said in _FINDINGS:
        finding, source = _FINDINGS[said]
        out.find(finding, _evidence(driver, source))
    elif said == "timed-out":
        _init_timed_out(rule, view, driver, out)
    elif said == "not-read":  # our reader was ended from outside, or stumbled: nothing is known of NVML
        out.gap(rule, _STATE, Unread(Reason.NOT_READ, driver["detail"]))
    elif said == "failed":
        _failed(rule, driver, out)
    elif said == "ok":
        _say_versions(driver, out)
    else:
        out.gap(rule, _STATE, Unread(Reason.FAILED, f"unknown state {said!r}"))


def _evidence(driver: Driver, source: str) -> Evidence:
    versions = (
        f"loaded {driver['loaded'] or 'none'}, library {driver['library'] or driver['nvml_version'] or 'unknown'}"
    )
    return Evidence(
        _STATE, driver["state"], "ok", ", ".join(part for part in (source, versions, driver["detail"]) if part)
    )


def _init_timed_out(rule: Rule, view: View, driver: Driver, out: Collect) -> None:
    """nvmlInit was cut short; `detail` begins with it where it overran its own time.

    With the persistence daemon it takes milliseconds, so that is a hang; without it a cold start of eight GPUs takes
    tens of seconds, and then it only was not measured (as when another probe's reader was still at work).
    """
    services = view.facts["services"] if view.facts else []
    kept = any(service["name"] == "nvidia-persistenced" and service["active"] == "active" for service in services)
    if kept and driver["detail"].startswith("init"):
        out.find("NVML-HUNG", _evidence(driver, "nvmlInit did not come back though the persistence daemon runs"))
    else:
        out.find(
            "PROBE-TIMED-OUT",
            _evidence(driver, "nvmlInit did not come back in time"),
            summary="NVML did not start in time",
        )
        out.gap(rule, _STATE, Unread(Reason.TIMED_OUT, "nvmlInit"))


def _failed(rule: Rule, driver: Driver, out: Collect) -> None:
    if driver["nvml_error"] == _NO_PERMISSION:
        out.gap(rule, _STATE, Unread(Reason.NO_PERMISSION, "needs root"))
    elif driver["loaded"] and driver["library"] and driver["loaded"] != driver["library"]:
        out.find("DRIVER-MISMATCH", _evidence(driver, f"NVML error {driver['nvml_error']}"))
    else:
        evidence = _evidence(driver, f"NVML error {driver['nvml_error']}")
        out.find("NVML-FAILED", evidence, summary=f"NVML fails to start (error {driver['nvml_error']})")


def _say_versions(driver: Driver, out: Collect) -> None:
    """NVML answered, so versions do agree where it counts; what the next boot changes is worth saying."""
    if driver["loaded"] and driver["on_disk"] and driver["loaded"] != driver["on_disk"]:
        out.note(f"driver {driver['loaded']} is loaded and {driver['on_disk']} is on disk: the next boot changes it")


def gpus(rule: Rule, view: View, out: Collect) -> None:
    """How it went GPU by GPU: a hang is the host's (one reboot cures it), another error is the GPU's."""
    driver = view.driver
    hung = [gpu.ref for gpu in view.gpus if _hangs(gpu)]
    if hung and not (driver is not None and (driver["reader"] or driver["state"] == "hung")):
        out.find(
            "NVML-HUNG", Evidence("*", "timed-out", None, f"no answer from {', '.join(_name(ref) for ref in hung)}")
        )
    for gpu in view.gpus:
        if gpu.trouble is not None and gpu.trouble.reason is Reason.FAILED:
            evidence = Evidence("*", gpu.trouble.detail or "failed", None, "NVML")
            out.find("NVML-FAILED", evidence, gpu=gpu.ref, summary="NVML fails for a GPU")


def _hangs(gpu: GpuView) -> bool:
    """A call on it did not come back in its own time. Merely not reached before the probe's time was up is no hang."""
    why = gpu.trouble
    return why is not None and why.reason is Reason.TIMED_OUT and why.detail.startswith("NVML did not come back")


def _name(ref: GpuRef) -> str:
    return f"GPU {ref.index}" + (f" ({ref.pci})" if ref.pci else "")


def listed(rule: Rule, view: View, out: Collect) -> None:
    """Every GPU the driver counts was read; one that was not is a gap of each rule that reads GPUs (see `judge`)."""
    driver = view.driver
    if driver is not None and driver["state"] == "ok" and len(view.gpus) < driver["gpu_count"]:
        out.gap(rule, "gpus", Unread(Reason.NOT_READ, "not every GPU was read"))


RULES = (
    Rule(
        "driver",
        ("DRIVER-NOT-LOADED", "DRIVER-NO-LIBRARY", "DRIVER-MISMATCH", "NVML-HUNG", "NVML-FAILED", "PROBE-TIMED-OUT"),
        (_STATE,),
        True,
        state,
    ),
    Rule("driver", ("NVML-HUNG", "NVML-FAILED"), (_STATE,), True, gpus),
    Rule("driver", (), ("gpus",), True, listed),
)
