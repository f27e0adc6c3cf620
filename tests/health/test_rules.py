"""Rule by rule: what is found, what is not, and what is said of a reading that is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gigactl.health.judge import judge
from gigactl.health.past import Past
from gigactl.health.policy import DEFAULT_POLICY
from gigactl.inventory.expectation import Expectation
from gigactl.payload.schema import Facts, Snapshot
from gigactl.results import Judgement, NotMeasured, Reason, Remedy, Severity, Verdict, When
from tests.health.breaking import lose
from tests.health.snapshots import NOW, broken_driver, event, expectation, kernel, pci, service, snapshot, xid


def said(look: Snapshot, expected: Expectation | None = None, past: Past | None = None) -> Judgement:
    return judge(look, expectation("h200") if expected is None else expected, past, DEFAULT_POLICY, NOW)


def ids(judgement: Judgement) -> list[str]:
    return [finding.id for finding in judgement.findings]


def facts(look: Snapshot) -> Facts:
    assert look["facts"] is not None
    return look["facts"]


def with_values(board: str = "h200", index: int = 3, **values: Any) -> Snapshot:
    look = snapshot(board)
    look["gpus"][index]["values"].update({name.replace("__", "."): value for name, value in values.items()})
    return look


# --- presence ---------------------------------------------------------------------------------------------------------


def test_a_missing_gpu_is_named_where_the_kernel_log_knows_it() -> None:
    look = snapshot()
    del facts(look)["pci_gpus"][3], look["gpus"][3]
    assert look["driver"] is not None
    look["driver"]["gpu_count"] = 7
    look["kernel"] = kernel(xid(79))
    (finding,) = said(look).findings
    assert finding.id == "GPU-MISSING"
    assert finding.gpu is not None
    assert finding.gpu.pci == pci(3)
    assert "XID-79" in finding.folded


def test_a_gpu_that_left_the_bus_and_that_nvml_still_lists_is_one_fault() -> None:
    look = snapshot()
    del facts(look)["pci_gpus"][3]
    lose(look["gpus"][3], "lost")
    look["kernel"] = kernel(xid(79))
    judgement = said(look)
    (finding,) = judgement.findings
    assert finding.id == "GPU-MISSING"
    assert finding.gpu is not None
    assert (finding.gpu.index, finding.gpu.pci) == (3, pci(3))
    assert {"GPU-LOST", "XID-79", "ecc"} <= set(finding.folded)
    assert judgement.not_measured == ()


def test_more_gpus_than_expected_is_information() -> None:
    judgement = said(snapshot(), replace(expectation("h200"), gpu_count=4))
    assert ids(judgement) == ["GPU-EXTRA"]
    assert judgement.verdict is Verdict.OK


def test_without_an_expected_count_none_is_judged() -> None:
    look = snapshot()
    del facts(look)["pci_gpus"][3], look["gpus"][3]
    assert look["driver"] is not None
    look["driver"]["gpu_count"] = 7
    assert ids(said(look, replace(expectation("h200"), gpu_count=None))) == []


def test_a_gpu_the_bus_shows_and_the_driver_does_not_list_is_lost() -> None:
    look = snapshot()
    del look["gpus"][5]
    assert look["driver"] is not None
    look["driver"]["gpu_count"] = 7
    (finding,) = said(look).findings
    assert finding.id == "GPU-LOST"
    assert finding.gpu is not None
    assert finding.gpu.pci == pci(5)


def test_a_gpu_handed_to_a_guest_is_not_lost() -> None:
    look = snapshot()
    del look["gpus"][5]
    assert look["driver"] is not None
    look["driver"]["gpu_count"] = 7
    facts(look)["pci_gpus"][5]["driver"] = "vfio-pci"
    judgement = said(look)
    assert ids(judgement) == []
    assert any(pci(5) in note for note in judgement.notes)


def test_a_lost_gpu_that_cannot_tell_its_address_is_found_by_its_place() -> None:
    look = snapshot()
    lose(look["gpus"][3], "lost")
    look["gpus"][3]["pci"] = ""
    look["kernel"] = kernel(xid(79))
    (finding,) = said(look).findings
    assert finding.id == "GPU-LOST"
    assert finding.gpu is not None
    assert (finding.gpu.index, finding.gpu.pci) == (3, pci(3))


def test_a_place_is_not_guessed_where_the_bus_and_nvml_count_differently() -> None:
    look = snapshot()
    del facts(look)["pci_gpus"][7]
    lose(look["gpus"][7], "lost")
    look["gpus"][7]["pci"] = ""
    (finding,) = said(look).findings
    assert (finding.id, finding.gpu) == ("GPU-MISSING", None)
    assert "GPU-LOST" in finding.folded


def test_a_host_that_shows_no_gpu_at_all_misses_all_of_them() -> None:
    look = snapshot()
    look["gpus"], look["driver"] = [], broken_driver("not-loaded", 9)
    facts(look)["pci_gpus"] = []
    judgement = said(look)
    (finding,) = judgement.findings
    assert (finding.id, finding.remedy) == ("GPU-MISSING", (Remedy.REBOOT,))
    assert "DRIVER-NOT-LOADED" in finding.folded


def test_a_log_line_alone_does_not_make_an_answering_gpu_lost() -> None:
    look = snapshot()
    look["kernel"] = kernel(event("fallen-off", 1, at=pci(3)))
    assert ids(said(look)) == ["XID-79"]


def test_gpus_of_another_maker_are_said_and_not_judged() -> None:
    look = snapshot()
    look["gpus"], look["driver"], look["kernel"] = [], None, None
    for gpu in facts(look)["pci_gpus"]:
        gpu["vendor"] = "1002"
    unmanaged = Expectation(model="sr685a-v3", managed=False, unmanaged_reason="not managed (AMD)", gpu_count=8)
    for expected in (unmanaged, Expectation()):
        judgement = said(look, expected)
        assert ids(judgement) == ["GPU-NOT-MANAGED"]
        assert (judgement.verdict, judgement.basis) == (Verdict.OK, "none")


def test_a_host_without_gpus_needs_no_driver() -> None:
    look = snapshot()
    look["gpus"], look["kernel"] = [], None
    look["driver"] = broken_driver("no-library", 12)
    facts(look)["pci_gpus"] = []
    judgement = said(look, Expectation())
    assert judgement == Judgement(Verdict.OK, "none", When.NONE, ())


# --- driver -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "error", "finding", "remedy"),
    [
        ("not-loaded", 9, "DRIVER-NOT-LOADED", Remedy.CONVERGE),
        ("no-library", 12, "DRIVER-NO-LIBRARY", Remedy.CONVERGE),
        ("mismatch", 18, "DRIVER-MISMATCH", Remedy.REBOOT),
        ("failed", 999, "NVML-FAILED", Remedy.REBOOT),
        ("hung", 0, "NVML-HUNG", Remedy.REBOOT),
    ],
)
def test_a_driver_that_does_not_answer_is_one_finding(state: str, error: int, finding: str, remedy: Remedy) -> None:
    look = snapshot()
    look["gpus"], look["driver"] = [], broken_driver(state, error)
    facts(look)["services"][0] = service("nvidia-fabricmanager", "active")
    judgement = said(look)
    (found,) = judgement.findings
    assert (found.id, found.remedy) == (finding, (remedy,))
    assert judgement.verdict is Verdict.CRITICAL
    assert judgement.not_measured == ()
    assert "ecc" in found.folded


@pytest.mark.parametrize("state", ["not-loaded", "mismatch"])
def test_the_fabric_manager_cannot_run_without_its_driver(state: str) -> None:
    look = snapshot()
    look["gpus"], look["driver"] = [], broken_driver(state, 9)
    facts(look)["services"][0] = service("nvidia-fabricmanager", "failed")
    (found,) = said(look).findings
    assert found.id.startswith("DRIVER-")
    assert "FABRIC-MANAGER-DOWN" in found.folded


def test_a_failing_init_with_two_versions_is_a_mismatch() -> None:
    look = snapshot()
    look["gpus"], look["driver"] = [], {**broken_driver("failed", 999), "library": "580.178.04"}
    assert ids(said(look)) == ["DRIVER-MISMATCH"]


def test_versions_do_not_matter_where_nvml_answers() -> None:
    look = snapshot()
    assert look["driver"] is not None
    look["driver"]["on_disk"] = look["driver"]["library"] = "580.178.04"
    judgement = said(look)
    assert ids(judgement) == []
    assert any("next boot" in note for note in judgement.notes)


def test_nvml_that_needs_root_is_not_a_fault() -> None:
    look = snapshot()
    look["gpus"], look["driver"], look["euid"] = [], broken_driver("failed", 4), 1000
    judgement = said(look)
    assert ids(judgement) == []
    assert judgement.verdict is Verdict.UNKNOWN
    assert any(gap.detail == "needs root" for gap in judgement.not_measured)


def test_a_host_that_only_lacks_nvidia_smi_is_not_called_sick() -> None:
    look = snapshot()
    look["source"], look["gpus"] = "nvidia-smi", []
    look["driver"] = {**broken_driver("no-library", 999), "detail": "no nvidia-smi on the host"}
    judgement = said(look)
    assert (ids(judgement), judgement.verdict) == (["HOST-NO-PYTHON"], Verdict.UNKNOWN)
    assert any(gap.detail == "no nvidia-smi on the host" for gap in judgement.not_measured)


def init_cut_short(persistenced: str, detail: str = "init: timed-out") -> Snapshot:
    look = snapshot()
    look["gpus"], look["driver"] = [], {**broken_driver("timed-out", 0), "detail": detail}
    facts(look)["services"][1] = service("nvidia-persistenced", persistenced)
    return look


def test_a_cold_driver_that_takes_long_is_not_called_hung() -> None:
    slow = said(init_cut_short("inactive"))
    assert ids(slow) == ["PROBE-TIMED-OUT"]
    assert slow.verdict is Verdict.UNKNOWN
    assert ids(said(init_cut_short("active"))) == ["NVML-HUNG"]
    assert ids(said(init_cut_short("active", "another probe's reader was still at work"))) == ["PROBE-TIMED-OUT"]


def test_a_gpu_not_reached_in_time_is_not_called_hung() -> None:
    look = snapshot()
    for gpu in look["gpus"][5:]:
        lose(gpu, "timed-out")
    judgement = said(look)
    assert ids(judgement) == []
    assert judgement.verdict is Verdict.UNKNOWN


def test_hanging_gpus_are_one_finding_of_the_host() -> None:
    look = snapshot()
    for gpu in look["gpus"][5:]:
        lose(gpu, "timed-out: NVML did not come back from handle")
    (finding,) = said(look).findings
    assert (finding.id, finding.gpu) == ("NVML-HUNG", None)
    assert finding.evidence is not None
    assert "GPU 5" in finding.evidence.source


def test_a_failing_gpu_is_named() -> None:
    look = snapshot()
    lose(look["gpus"][2], "failed: NVML error 14")
    judgement = said(look)
    (finding,) = judgement.findings
    assert finding.id == "NVML-FAILED"
    assert finding.gpu is not None
    assert finding.gpu.index == 2
    assert judgement.not_measured == ()


def test_a_gpu_that_was_not_read_at_all_is_a_gap() -> None:
    look = snapshot()
    look["complete"] = False
    del look["gpus"][6:]
    judgement = said(look)
    assert ids(judgement) == ["PROBE-INVALID"]
    assert judgement.verdict is Verdict.UNKNOWN
    assert any(gap.reading == "gpus" for gap in judgement.not_measured)


def test_every_gpu_the_driver_counts_must_be_read() -> None:
    look = snapshot()
    facts(look)["unread"]["pci_gpus"] = "timed-out"
    facts(look)["pci_gpus"] = []
    del look["gpus"][6:]
    judgement = said(look)
    assert (ids(judgement), judgement.verdict) == ([], Verdict.UNKNOWN)
    assert ("driver", "gpus", True) in [(gap.rule, gap.reading, gap.required) for gap in judgement.not_measured]


def test_a_gpu_of_which_nothing_is_read_and_that_fell_off_is_lost() -> None:
    look = snapshot()
    lose(look["gpus"][3], "timed-out")
    look["kernel"] = kernel(event("fallen-off", 1, at=pci(3)))
    (finding,) = said(look).findings
    assert finding.id == "GPU-LOST"
    assert "XID-79" in finding.folded


def test_without_facts_presence_is_not_known() -> None:
    look = snapshot()
    look["facts"] = None
    judgement = said(look)
    assert (ids(judgement), judgement.verdict) == ([], Verdict.UNKNOWN)
    assert {"gpu-presence", "root"} <= {gap.rule for gap in judgement.not_measured}


# --- memory -----------------------------------------------------------------------------------------------------------


def test_the_logs_word_for_an_ecc_error_is_the_same_fault() -> None:
    look = with_values(ecc__volatile__uncorrected=1, remap__pending=True)
    look["kernel"] = kernel(xid(48), xid(63), xid(94))
    (finding,) = said(look).findings
    assert finding.id == "GPU-ECC-UNCORRECTED"
    assert {"XID-48", "XID-63", "XID-94", "GPU-ROW-REMAP-PENDING"} == set(finding.folded)
    assert finding.remedy == (Remedy.RESET_GPU,)


def test_an_uncontained_error_stands_beside_the_counter() -> None:
    look = with_values(ecc__volatile__uncorrected=1)
    look["kernel"] = kernel(xid(95))
    assert sorted(ids(said(look))) == ["GPU-ECC-UNCORRECTED", "XID-95"]


def test_the_errors_of_another_gpu_are_another_fault() -> None:
    look = with_values(ecc__volatile__uncorrected=1)
    look["kernel"] = kernel(xid(48, index=5))
    assert sorted(ids(said(look))) == ["GPU-ECC-UNCORRECTED", "XID-48"]


def test_a_failed_remap_replaces_the_gpu_and_needs_no_reset() -> None:
    look = with_values(remap__failed=True, remap__pending=True)
    look["kernel"] = kernel(xid(64))
    (finding,) = said(look).findings
    assert (finding.id, finding.remedy) == ("GPU-ROW-REMAP-FAILED", (Remedy.RMA,))


@pytest.mark.parametrize(
    ("value", "severity", "remedy"),
    [
        (1, Severity.CRITICAL, Remedy.RESET_GPU),
        (2, Severity.CRITICAL, Remedy.REBOOT),
        (3, Severity.WARNING, Remedy.INSPECT),
        (4, Severity.CRITICAL, Remedy.RESET_GPU),
        (5, Severity.CRITICAL, Remedy.RECOVER_DOMAIN),
        (99, Severity.WARNING, Remedy.INSPECT),
    ],
)
def test_the_driver_states_what_it_needs(value: int, severity: Severity, remedy: Remedy) -> None:
    (finding,) = said(with_values(recovery_action=value)).findings
    assert (finding.id, finding.severity, finding.remedy) == ("GPU-RECOVERY-ACTION", severity, (remedy,))


def test_what_the_driver_states_is_folded_where_its_reason_asks_for_as_much() -> None:
    look = with_values(ecc__volatile__uncorrected=1, recovery_action=1)
    (finding,) = said(look).findings
    assert finding.id == "GPU-ECC-UNCORRECTED"
    assert "GPU-RECOVERY-ACTION" in finding.folded


def test_what_the_driver_states_stands_where_it_asks_for_more() -> None:
    judgement = said(with_values(ecc__volatile__uncorrected=1, recovery_action=2))
    assert sorted(ids(judgement)) == ["GPU-ECC-UNCORRECTED", "GPU-RECOVERY-ACTION"]
    assert judgement.remedy == (Remedy.REBOOT,)


def test_a_gpu_that_wants_a_reset_before_anything_is_read() -> None:
    look = snapshot()
    lose(look["gpus"][3], "reset-required")
    judgement = said(look)
    (finding,) = judgement.findings
    assert (finding.id, finding.remedy) == ("GPU-RECOVERY-ACTION", (Remedy.RESET_GPU,))
    assert judgement.not_measured == ()
    look["gpus"][3]["values"]["recovery_action"] = 2
    (finding,) = said(look).findings
    assert (finding.id, finding.remedy) == ("GPU-RECOVERY-ACTION", (Remedy.REBOOT,))


# --- links and fabric -------------------------------------------------------------------------------------------------


def test_links_not_proved_on_hardware_are_measured_by_the_best_gpu_of_the_host() -> None:
    learned = replace(expectation("h200"), links_proved=False)
    fewer_everywhere = snapshot()
    for gpu in fewer_everywhere["gpus"]:
        gpu["values"]["nvlink.links.active"] = 8
    assert ids(said(fewer_everywhere, learned)) == []
    judgement = said(with_values(nvlink__links__active=8), learned)
    assert (ids(judgement), judgement.verdict) == (["NVLINK-DOWN"], Verdict.WARNING)


def test_on_an_unknown_board_links_and_lanes_are_measured_by_the_host_itself() -> None:
    unknown = replace(expectation("h200"), board=None)
    look = snapshot()
    for gpu in look["gpus"]:
        gpu["values"].update({"nvlink.links.active": 8, "pcie.width": 8, "pcie.width.max": 8})
    assert ids(said(look, unknown)) == []
    look["gpus"][3]["values"].update({"nvlink.links.active": 6, "pcie.width": 4})
    assert sorted(ids(said(look, unknown))) == ["NVLINK-DOWN", "PCIE-WIDTH"]
    assert said(look, unknown).verdict is Verdict.WARNING


def test_a_board_without_links_has_none_down() -> None:
    look = with_values("a100-pcie", nvlink__links=12, nvlink__links__active=0)
    assert ids(said(look, expectation("a100-pcie"))) == []


def test_links_that_the_board_has_and_nvml_does_not_show_are_not_ok() -> None:
    look = snapshot()
    for gpu in look["gpus"]:
        del gpu["values"]["nvlink.links.active"]
        gpu["unread"]["nvlink.links.active"] = "not-supported"
    judgement = said(look)
    assert (ids(judgement), judgement.verdict) == ([], Verdict.UNKNOWN)
    (gap,) = judgement.not_measured
    assert (gap.rule, gap.gpu) == ("nvlink", None)


def test_mig_uses_no_links_and_hides_remapping() -> None:
    look = with_values(mode__mig=True, nvlink__links__active=0)
    for name in ("remap.pending", "remap.failed"):
        del look["gpus"][3]["values"][name]
        look["gpus"][3]["unread"][name] = "not-read: MIG is on"
    judgement = said(look)
    assert (ids(judgement), judgement.verdict) == ([], Verdict.OK)
    assert {gap.required for gap in judgement.not_measured} == {False}
    assert any("MIG" in note for note in judgement.notes)


def test_the_logs_word_for_a_link_down_is_the_same_fault_and_keeps_its_remedy() -> None:
    look = with_values(nvlink__links__active=17)
    look["kernel"] = kernel(xid(74))
    (finding,) = said(look).findings
    assert finding.id == "NVLINK-DOWN"
    assert set(finding.remedy) == {Remedy.REBOOT, Remedy.INSPECT}


def test_pcie_width_against_the_slot_where_the_board_says_nothing() -> None:
    unknown = replace(expectation("h200"), pcie_width=None)
    assert ids(said(with_values(pcie__width=8), unknown)) == ["PCIE-WIDTH"]
    assert ids(said(with_values(pcie__width=8, pcie__width__max=8), unknown)) == []
    assert ids(said(with_values(pcie__width=8, pcie__width__max=8))) == ["PCIE-WIDTH"]


def test_a_lower_generation_is_no_finding() -> None:
    assert ids(said(with_values(pcie__generation=1))) == []


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ({"fabric__status": 999}, Severity.CRITICAL),
        ({"fabric__health_summary": 2}, Severity.CRITICAL),
        ({"fabric__health_summary": 3}, Severity.WARNING),
        ({"fabric__health_mask": 0b01}, Severity.CRITICAL),
        ({"fabric__health_mask": 0b01_00_00}, Severity.CRITICAL),
        ({"fabric__health_mask": 5 << 8}, Severity.CRITICAL),
    ],
)
def test_an_unhealthy_fabric(values: dict[str, Any], severity: Severity) -> None:
    (finding,) = said(with_values(**values)).findings
    assert (finding.id, finding.severity) == ("FABRIC-UNHEALTHY", severity)


def test_a_mask_without_faults() -> None:
    assert ids(said(with_values(fabric__health_mask=1 << 12 | 1 << 8 | 0b10_10_10_10))) == []


def not_ready(state: int) -> Snapshot:
    look = snapshot()
    for gpu in look["gpus"]:
        gpu["values"]["fabric.state"] = state
    return look


@pytest.mark.parametrize(("state", "in_words"), [(1, "not started"), (2, "in progress")])
def test_a_fabric_that_is_not_ready(state: int, in_words: str) -> None:
    judgement = said(not_ready(state))
    assert judgement.findings[0].evidence is not None
    assert judgement.findings[0].evidence.value == in_words
    assert set(ids(judgement)) == {"FABRIC-NOT-READY"}
    assert len(judgement.findings) == 8
    assert judgement.remedy == (Remedy.RESTART_SERVICE,)


def test_in_a_rack_no_service_of_this_host_can_be_restarted() -> None:
    rack = replace(expectation("h200"), fabric="nvl72", wants_fabric_manager=False)
    assert said(not_ready(1), rack).remedy == (Remedy.INSPECT,)


def test_soon_after_boot_a_fabric_may_still_be_on_its_way() -> None:
    look = not_ready(2)
    facts(look)["uptime_s"] = 120.0
    assert said(look).verdict is Verdict.OK


def test_the_fabric_manager_is_the_cause_of_a_fabric_that_is_not_ready() -> None:
    look = not_ready(1)
    facts(look)["services"][0] = service("nvidia-fabricmanager", "failed")
    (finding,) = said(look).findings
    assert (finding.id, finding.gpu) == ("FABRIC-MANAGER-DOWN", None)
    assert "FABRIC-NOT-READY" in finding.folded


@pytest.mark.parametrize(
    ("load", "said_of_it"), [("loaded", "inactive"), ("not-found", "not-found"), ("masked", "masked")]
)
def test_a_fabric_manager_that_is_not_installed_does_not_run(load: str, said_of_it: str) -> None:
    look = snapshot("a100")
    facts(look)["services"][0] = {**service("nvidia-fabricmanager", "inactive"), "load": load}
    (finding,) = said(look, expectation("a100")).findings
    assert finding.evidence is not None
    assert finding.evidence.value == said_of_it


@pytest.mark.parametrize("board", ["a100-pcie", "l40s"])
def test_without_switches_the_fabric_manager_has_nothing_to_do(board: str) -> None:
    look = snapshot(board)
    facts(look)["services"][0] = service("nvidia-fabricmanager", "failed")
    assert ids(said(look, expectation(board))) == []


def test_a_host_of_unknown_model_is_judged_by_the_switches_it_shows() -> None:
    look = snapshot()
    facts(look)["services"][0] = service("nvidia-fabricmanager", "inactive")
    in_common = Expectation(model="sr680a-v3", gpu_count=8, fabric="nvswitch", wants_fabric_manager=True)
    for unknown in (Expectation(), in_common):
        facts(look)["fabric"]["nvswitches"] = 4
        assert ids(said(look, unknown)) == ["FABRIC-MANAGER-DOWN"]
        facts(look)["fabric"]["nvswitches"] = 0
        assert ids(said(look, unknown)) == []


@pytest.mark.parametrize(
    ("board", "why", "verdict"),
    [
        ("h200", "not-supported: systemd is not running", Verdict.OK),
        ("h200", "timed-out", Verdict.OK),
        ("a100", "timed-out", Verdict.UNKNOWN),
    ],
)
def test_services_need_not_be_read_where_nvml_vouches_for_the_fabric(board: str, why: str, verdict: Verdict) -> None:
    look = snapshot(board)
    facts(look)["services"] = []
    facts(look)["unread"]["services"] = why
    assert said(look, expectation(board)).verdict is verdict


# --- host and kernel log ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"available": int(0.06 * (1 << 40))}, []),
        ({"available": int(0.04 * (1 << 40))}, ["DISK-FULL"]),
        ({"size": 1 << 32, "available": 400 << 20}, ["DISK-FULL"]),
        ({"inodes_free": 0}, ["DISK-FULL"]),
        ({"inodes": 0, "inodes_free": 0}, []),
        ({"available": 0, "readonly": True}, ["ROOT-READ-ONLY"]),
        ({"size": 0, "available": 0}, []),
    ],
)
def test_file_systems(changes: dict[str, Any], found: list[str]) -> None:
    look = snapshot()
    facts(look)["mounts"][0].update(changes)  # type: ignore[typeddict-item]  # changes are keys of Mount
    assert ids(said(look)) == found


def test_a_root_that_does_not_answer_is_said() -> None:
    look = snapshot()
    del facts(look)["mounts"][0]
    facts(look)["unread"]["mounts /"] = "timed-out: process 17 cannot be killed"
    judgement = said(look)
    (gap,) = judgement.not_measured
    assert (gap.rule, gap.reason, gap.detail) == ("root", Reason.TIMED_OUT, "process 17 cannot be killed")
    assert judgement.verdict is Verdict.OK, "not one of the rules a host must pass"


def test_a_small_file_system_with_room_is_not_full() -> None:
    look = snapshot()
    facts(look)["mounts"][1].update({"size": 100 << 20, "available": 90 << 20})
    assert ids(said(look)) == []


def test_without_root_the_kernel_log_makes_the_host_unknown_and_says_why() -> None:
    look = snapshot()
    look["euid"] = 1000
    look["kernel"] = {**kernel(), "source": "none", "unread": "no-permission: kmsg"}
    judgement = said(look)
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.not_measured == (
        NotMeasured("kernel-log", "kernel log", Reason.NO_PERMISSION, True, None, "needs root"),
    )


def test_a_gap_in_the_kernel_log_is_said() -> None:
    look = snapshot()
    look["kernel"] = {**kernel(), "gap": True, "gap_reason": "older than the ring buffer"}
    judgement = said(look)
    assert judgement.verdict is Verdict.OK
    assert any("older than the ring buffer" in note for note in judgement.notes)


def test_repeats_fold_with_their_count_and_the_time_of_the_last() -> None:
    look = snapshot()
    look["kernel"] = kernel(*(xid(31, usec=second * 1_000_000) for second in (10, 20, 3600)))
    (finding,) = said(look).findings
    assert finding.evidence is not None
    assert finding.evidence.value == 3
    assert "2026-11-23T13:00:00Z" in finding.evidence.source


@pytest.mark.parametrize(
    ("loaded", "version", "decoded"),
    [("570.86.15", "570.86.15", True), ("", "570.86.15", True), ("580.126.20", "", False), ("", "", True)],
)
def test_nvlink_events_are_decoded_by_the_loaded_branch(loaded: str, version: str, decoded: bool) -> None:
    look = snapshot("b200")
    assert look["driver"] is not None
    look["driver"].update({"loaded": loaded, "driver_version": version})
    look["kernel"] = kernel(xid(149, intrinfo="0x021425c6", error_status="0x00000000"))
    (finding,) = said(look, expectation("b200")).findings
    assert ("the peer device" in finding.summary) is decoded
    assert finding.severity is (Severity.CRITICAL if decoded else Severity.WARNING)


def test_switch_errors_are_the_hosts() -> None:
    look = snapshot()
    look["kernel"] = kernel(event("sxid", 1, code=20034, at="0000:c1:00.0", severity="Fatal"))
    (finding,) = said(look).findings
    assert (finding.id, finding.gpu, finding.remedy) == ("SXID-20034", None, (Remedy.REBOOT,))


def test_a_reset_clears_an_xid() -> None:
    look = snapshot()
    look["kernel"] = kernel(xid(95, usec=1), event("gpu-reset", 2, uuid=look["gpus"][3]["uuid"], success="true"))
    assert said(look).verdict is Verdict.OK


@pytest.mark.parametrize(("used", "basis"), [(0, "idle"), (1, "busy")])
def test_the_basis_says_whether_gpus_worked(used: int, basis: str) -> None:
    assert said(with_values(utilisation__gpu=used)).basis == basis


def test_a_process_makes_a_host_busy() -> None:
    look = snapshot()
    look["gpus"][0]["processes"] = [{"pid": 1, "name": "train", "kind": "compute", "memory_bytes": -1}]
    assert said(look).basis == "busy"


def test_the_worst_finding_stands_first_and_speaks_for_the_host() -> None:
    look = with_values(remap__pending=True)
    look["gpus"][5]["values"]["remap.failed"] = True
    facts(look)["mounts"][0]["available"] = 0
    judgement = said(look)
    assert ids(judgement) == ["GPU-ROW-REMAP-FAILED", "DISK-FULL", "GPU-ROW-REMAP-PENDING"]
    assert judgement.when is When.DRAIN_FIRST
    assert judgement.remedy == (Remedy.RESET_GPU, Remedy.INSPECT, Remedy.RMA)


@pytest.mark.parametrize(
    ("usec", "at", "words"),
    [
        (1 << 70, NOW.isoformat(), "last at a time that makes no sense"),
        (60_000_000, "0001-01-01T00:00:00Z", "last at 60 s after boot"),
        (60_000_000, "9999-12-31T23:59:59Z", "last at "),
    ],
)
def test_a_clock_out_of_all_bounds_costs_nothing_but_the_time(usec: int, at: str, words: str) -> None:
    look = snapshot()
    facts(look)["at"] = at
    facts(look)["uptime_s"] = 86_400.0
    look["kernel"] = kernel(xid(79, usec=usec))
    (found,) = said(look).findings
    assert found.id == "XID-79"
    assert found.evidence is not None
    assert found.evidence.source.startswith(words)
