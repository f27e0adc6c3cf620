"""The fabric that joins the GPUs: what NVML says of each GPU's registration, and the service that does it."""

from __future__ import annotations

from collections.abc import Iterator

from gigactl.health.rule import Collect, Rule
from gigactl.health.view import GpuView, View
from gigactl.results import Evidence, Reason, Unread

_STATE, _STATUS = "fabric.state", "fabric.status"
_SOURCE = "nvmlDeviceGetGpuFabricInfoV"
_UNIT = "nvidia-fabricmanager"
_UNSUPPORTED, _NOT_STARTED, _COMPLETED = 0, 1, 3  # nvml.h NVML_GPU_FABRIC_STATE_*
_UNHEALTHY, _LIMITED = 2, 3  # nvml.h NVML_GPU_FABRIC_HEALTH_SUMMARY_*
# nvml.h NVML_GPU_FABRIC_HEALTH_MASK_*: two bits each, 1 is true
_FLAGS = ((0, "degraded bandwidth"), (2, "route recovery"), (4, "unhealthy routes"), (6, "access timeout recovery"))
_CONFIGURATION, _NO_FAULT = 8, 1  # four bits: 0 unsupported, 1 none, above it what is wrong


def registered(rule: Rule, view: View, out: Collect) -> None:
    """Every GPU of an NVSwitch board registered with its fabric, and the fabric well."""
    if not view.fabric:
        return
    for gpu in view.gpus:
        state = gpu.number(_STATE)
        if isinstance(state, Unread):
            out.gap(rule, _STATE, state, gpu.ref)
        elif state == _COMPLETED:
            _health(rule, gpu, out)
        elif state != _UNSUPPORTED:
            said = "not started" if state == _NOT_STARTED else "in progress"
            variant = "settling" if _settling(view, out) else "rack" if view.expected.fabric == "nvl72" else ""
            evidence = Evidence(_STATE, said, "completed", _SOURCE)
            out.find("FABRIC-NOT-READY", evidence, gpu=gpu.ref, variant=variant)


def _settling(view: View, out: Collect) -> bool:
    """So soon after boot that registration may still be on its way."""
    return view.facts is not None and 0 < view.facts["uptime_s"] < out.policy.limit("fabric.settle_s")


def _health(rule: Rule, gpu: GpuView, out: Collect) -> None:
    status = gpu.number(_STATUS)
    if isinstance(status, Unread):
        out.gap(rule, _STATUS, status, gpu.ref)
    elif status != 0:
        evidence = Evidence(_STATUS, f"NVML error {int(status)}", 0, _SOURCE)
        out.find("FABRIC-UNHEALTHY", evidence, gpu=gpu.ref, summary="The GPU fabric refused a GPU")
        return
    summary, mask = gpu.number("fabric.health_summary"), gpu.number("fabric.health_mask")
    wrong = list(_wrong(mask)) if not isinstance(mask, Unread) else []
    if summary == _UNHEALTHY or wrong:
        evidence = Evidence("fabric.health_mask", ", ".join(wrong) or "unhealthy", "healthy", _SOURCE)
        out.find("FABRIC-UNHEALTHY", evidence, gpu=gpu.ref)
    elif summary == _LIMITED:
        evidence = Evidence("fabric.health_summary", "limited capacity", "healthy", _SOURCE)
        out.find(
            "FABRIC-UNHEALTHY", evidence, gpu=gpu.ref, summary="The GPU fabric has limited capacity", variant="limited"
        )


def _wrong(mask: float) -> Iterator[str]:
    bits = int(mask)
    for shift, said in _FLAGS:
        if bits >> shift & 0b11 == 1:
            yield said
    if bits >> _CONFIGURATION & 0b1111 > _NO_FAULT:
        yield "wrong configuration"


def service_runs(rule: Rule, view: View, out: Collect) -> None:
    """The fabric manager, where one is wanted. Without NVSwitches it has nothing to do and ends, which is no fault."""
    if not view.wants_fabric_service:
        return
    unread = view.section("services")
    services = view.facts["services"] if view.facts else []
    unit = next((service for service in services if service["name"] == _UNIT), None)
    if unread is not None or unit is None:
        if not _vouched(view):
            out.gap(rule, f"service {_UNIT}", unread or Unread(Reason.NOT_READ))
    elif unit["active"] in {"inactive", "failed", "deactivating"}:
        state = unit["active"] if unit["load"] == "loaded" else unit["load"]
        out.find("FABRIC-MANAGER-DOWN", Evidence(f"service {_UNIT}", state, "active", "systemd"))


def _vouched(view: View) -> bool:
    """Whether NVML itself says that every GPU is registered; then the service's own state adds nothing that must be
    known."""
    return bool(view.gpus) and all(gpu.values.get(_STATE) == _COMPLETED for gpu in view.gpus)


RULES = (
    Rule("fabric", ("FABRIC-NOT-READY", "FABRIC-UNHEALTHY"), (_STATE, _STATUS), True, registered),
    Rule("fabric", ("FABRIC-MANAGER-DOWN",), (f"service {_UNIT}",), True, service_runs),
)
