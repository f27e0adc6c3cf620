"""Equal problems are one line, worst first, and no host is lost in the folding."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gigactl.errors import ConnectRefused, HostKeyUnknown
from gigactl.inventory.ranges import expand
from gigactl.render.health import last_line, quiet, screen
from gigactl.render.problems import counts, problems, table
from gigactl.render.table import PIPE, draw
from gigactl.results import Severity, Verdict
from gigactl.sweep.look import HostLook
from tests.render.values import finding, look, lost, missing

OK = look("gpu001", Verdict.OK)


def places(*looks: HostLook, verbose: bool = False) -> list[str]:
    return [line.places for line in problems(looks, verbose=verbose)]


def test_hosts_with_the_same_gpus_are_folded_together() -> None:
    looks = [look(f"gpu{number:03}", Verdict.CRITICAL, finding(gpu=3)) for number in (3, 7, 8)]
    assert places(*looks) == ["gpu[003,007-008] GPU 3"]


def test_other_gpus_stand_beside() -> None:
    both = look("gpu001", Verdict.CRITICAL, finding(gpu=1), finding(gpu=5))
    one = look("gpu002", Verdict.CRITICAL, finding(gpu=3))
    assert places(both, one) == ["gpu001 GPU 1,5, gpu002 GPU 3"]


def test_worst_first_then_the_most_hosts() -> None:
    warning = finding(Severity.WARNING, id="W", summary="w")
    looks = [
        look("gpu001", Verdict.WARNING, warning),
        lost("gpu002", ConnectRefused("x")),
        look("gpu003", Verdict.CRITICAL, finding(id="RARE", summary="rare")),
        look("gpu004", Verdict.CRITICAL, finding(), warning),
        look("gpu005", Verdict.CRITICAL, finding()),
        look("gpu006", Verdict.UNKNOWN, gaps=(missing(),)),
    ]
    assert [(line.key.label, line.key.id) for line in problems(looks, verbose=False)] == [
        ("critical", "GPU-LOST"), ("critical", "RARE"), ("unreachable", "HOST-UNREACHABLE"), ("unknown", "ecc"),
        ("warning", "W"),
    ]  # fmt: skip


def test_what_is_lost_is_not_hidden_as_information() -> None:
    assert places(lost("gpu001", ConnectRefused("10.0.0.1:22"))) == ["gpu001"]


def test_information_and_optional_gaps_only_when_asked_for() -> None:
    noted = look("gpu001", Verdict.OK, finding(Severity.INFO), gaps=(missing(required=False),))
    assert places(noted) == []
    assert len(places(noted, verbose=True)) == 2
    assert "2 notes not shown (-v)" in last_line([noted], 1.0)
    assert "not shown" not in last_line([noted], 1.0, verbose=True)


def test_notes_of_hosts_in_the_same_case_are_one_line() -> None:
    healthy = (look(name, Verdict.OK) for name in ("a1", "a2"))
    noted = [replace(one, judgement=replace(one.judgement, notes=("odd",))) for one in healthy]
    assert problems(noted, verbose=False) == []
    assert [(line.key.label, line.places, line.key.summary) for line in problems(noted, verbose=True)] == [
        ("info", "a[1-2]", "odd")
    ]


def test_a_required_gap_names_reading_and_reason() -> None:
    text = draw(table(problems([look("gpu001", Verdict.UNKNOWN, gaps=(missing(),))], verbose=False)), PIPE)
    assert "not measured: ecc.volatile.uncorrected (no-permission: needs root)" in text


def test_the_last_line_is_readable_at_a_glance() -> None:
    looks = [OK, look("gpu003", Verdict.CRITICAL, finding(gpu=5)), lost("gpu002", ConnectRefused("x"))]
    assert last_line(looks, 9.21) == (
        "3 hosts: 1 ok, 1 critical, 1 unreachable · 9.2 s · worst: gpu003 GPU 5: A GPU is lost"
    )
    assert last_line([OK], 0.1) == "1 host: 1 ok · 0.1 s"


def test_hints_of_what_is_lost_are_said_once() -> None:
    looks = [lost(name, HostKeyUnknown(name)) for name in ("gpu001", "gpu002")]
    assert screen(looks, 1.0, PIPE).count("hint: check the fingerprint") == 1


def test_quiet_is_for_the_healthy() -> None:
    assert quiet([OK])
    assert not quiet([OK, lost("gpu002", ConnectRefused("x"))])


VERDICTS = st.sampled_from(list(Verdict))
HOSTS = st.dictionaries(st.integers(1, 60), st.tuples(VERDICTS, st.sets(st.integers(0, 7))), max_size=12)


@given(HOSTS)
def test_every_host_is_counted_once_and_every_finding_has_its_place(fleet: dict[int, tuple[Verdict, set[int]]]) -> None:
    looks = [
        look(f"gpu{number:03}", verdict, *(finding(gpu=gpu) for gpu in sorted(gpus)))
        for number, (verdict, gpus) in fleet.items()
    ]
    numbers = counts(looks)
    assert numbers.pop("hosts") == sum(numbers.values()) == len(fleet)
    found = {
        (host, int(gpu))
        for line in problems(looks, verbose=True)
        for place in line.places.split(", ")
        for host in expand(place.split(" GPU ")[0])
        for gpu in place.split(" GPU ")[1].split(",")
    }
    assert found == {(f"gpu{number:03}", gpu) for number, (_, gpus) in fleet.items() for gpu in gpus}


def test_too_many_to_read_at_a_glance_are_counted() -> None:
    looks = [look(f"gpu{number:03}", Verdict.CRITICAL, finding()) for number in range(1, 200, 3)]
    assert last_line(looks, 1.0).endswith("worst: 67 hosts: A GPU is lost")
