"""The inventory file to the fleet: what holds for each host, and everything wrong at once."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gigactl.errors import InvalidDocument, Problem
from gigactl.inventory.load import doubts, load_inventory, validate
from gigactl.inventory.model import Host, Inventory, Origin
from gigactl.inventory.provenance import said
from gigactl.inventory.ranges import fold

ROOT = Path(__file__).resolve().parents[2]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "inventory.yaml"
    path.write_text(text)
    return path


def load(tmp_path: Path, text: str) -> Inventory:
    return load_inventory(write(tmp_path, text))


def host(inventory: Inventory, name: str) -> Host:
    return next(host for host in inventory.hosts if host.name == name)


def wrong(tmp_path: Path, text: str) -> list[tuple[int | None, str, str]]:
    """Line, what and suggestion of every problem in the inventory itself."""
    path = write(tmp_path, text)
    return [(one.line, one.what, one.suggestion) for one in validate(path) if one.file == str(path)]


DESIGN = """\
version: 1
defaults:
  ssh: {user: ops, port: 22, identity_file: ~/.ssh/fleet_ed25519, known_hosts: fleet_known_hosts}
  become: sudo
hosts:
  gpu[001-004]: {address: "10.20.1.[1-4]", model: sr680a-v3, labels: {site: bj1, rack: r01}, groups: [training]}
  gpu[005-008]: {address: "10.20.1.[5-8]", model: sr680a-v3, labels: {site: bj1, rack: r02}, groups: [training]}
groups:
  training: {vars: {driver: "580.126.20"}}
"""


def test_the_inventory_of_the_readme(tmp_path: Path) -> None:
    inventory = load(tmp_path, DESIGN)
    assert fold(host.name for host in inventory.hosts) == "gpu[001-008]"
    it = host(inventory, "gpu006")
    assert (it.address, it.model, it.labels, it.groups) == (
        "10.20.1.6",
        "sr680a-v3",
        {"site": "bj1", "rack": "r02"},
        ("training",),
    )
    assert (it.vars, it.become, it.transport, it.scheduler) == ({"driver": "580.126.20"}, "sudo", "ssh", None)
    assert it.ssh.identity_file == (str(Path.home() / ".ssh/fleet_ed25519"),)
    assert it.ssh.known_hosts == str(tmp_path / "fleet_known_hosts")
    assert it.origin == Origin(inventory.file, 7)
    assert inventory.groups == {"training": tuple(host.name for host in inventory.hosts)}
    assert pickle.loads(pickle.dumps(inventory)) == inventory


def test_host_over_later_group_over_earlier_group_over_defaults(tmp_path: Path) -> None:
    inventory = load(tmp_path, """\
version: 1
defaults: {ssh: {user: d, port: 1}, vars: {a: d, b: d, c: d, e: d}, labels: {site: d}, become: sudo, gpus: 1,
  scheduler: d}
hosts:
  h: {ssh: {user: h}, vars: {a: h}, become: none, groups: [late, early], board: h200}
  other:
groups:
  early: {ssh: {port: 2, proxy_jump: e}, vars: {a: e, b: e, c: e}, board: h100, scheduler: e}
  late: {ssh: {port: 3}, vars: {a: l, b: l}, gpus: 4}
""")  # fmt: skip
    it = host(inventory, "h")
    assert it.vars == {"a": "h", "b": "l", "c": "e", "e": "d"}
    assert (it.ssh.user, it.ssh.port, it.ssh.proxy_jump) == ("h", 3, "e")
    assert (it.become, it.board, it.gpus, it.scheduler, it.labels) == (None, "h200", 4, "e", {"site": "d"})
    assert it.groups == ("early", "late")
    other = host(inventory, "other")
    assert (other.address, other.become, other.gpus, other.ssh.port, other.groups) == ("other", "sudo", 1, 1, ())


def test_ranges_are_paired_in_the_order_in_which_they_are_written(tmp_path: Path) -> None:
    inventory = load(tmp_path, """\
version: 1
hosts:
  "gpu[3,1-2]": {address: "10.0.0.[7,5-6]", ssh: {identity_file: ["keys/[c,a-b]", common]}}
""".replace("[c,a-b]", "[30,10-11]"))  # fmt: skip
    assert [(host.name, host.address) for host in inventory.hosts] == [
        ("gpu3", "10.0.0.7"), ("gpu1", "10.0.0.5"), ("gpu2", "10.0.0.6"),
    ]  # fmt: skip
    assert inventory.hosts[0].ssh.identity_file == (str(tmp_path / "keys/30"), str(tmp_path / "common"))


def test_groups_list_select_and_contain(tmp_path: Path) -> None:
    inventory = load(tmp_path, """\
version: 1
hosts:
  a[1-3]: {labels: {rack: r1}, groups: [listed]}
  b[1-2]: {labels: {rack: r2}, model: sr680a-v3}
groups:
  top: {children: [middle], vars: {from: top}}
  middle: {children: [listed, byrack]}
  listed:
  byrack: {hosts: "@rack:r2!b2", vars: {from: byrack}}
  bymodel: {hosts: ["@model:sr680a-v3", "a*!a1"]}
""")  # fmt: skip
    assert {name: fold(members) for name, members in inventory.groups.items()} == {
        "top": "a[1-3],b1", "middle": "a[1-3],b1", "listed": "a[1-3]", "byrack": "b1", "bymodel": "a[2-3],b[1-2]",
    }  # fmt: skip
    assert host(inventory, "b1").groups == ("top", "middle", "byrack", "bymodel")
    assert host(inventory, "b1").vars == {"from": "byrack"}
    assert host(inventory, "a1").vars == {"from": "top"}


def test_everything_wrong_at_once(tmp_path: Path) -> None:
    text = """\
version: 1
hosts:
  gpu[001-004]: {address: "10.20.1.[1-3]", model: sr680-v3, groups: [trainin]}
  gpu[003-006]: {address: "10.20.1.[5-8]", ssh: {port: 99999}}
  gpu[004-005]: {address: "10.20.2.[6-7]"}
  gpu[9-7]: {}
  gpu[01-9]: {adress: x}
  g@u: {}
  a: {address: "root@x"}
  b: {address: "1.2.3.4:22"}
  c: {address: "1.2.3.400"}
  big[1-9999999]: {}
  gpu[003-006]: {}
  d: 5
  e: {labels: {health: x, all: y, model: z, site: "bj 1", "a b": c}, board: h2000}
  f[]: {}
  g: {address: 10.20.1.5}
groups:
  training: {children: [x]}
  all: {}
  ga: {hosts: [d, nope, "@training"], children: [gb]}
  gb: {children: [ga]}
models: {m: {boards: [h999]}, n: {like: sr680a-v33}, o: {like: p}, p: {like: o}}
extra: 1
"""
    assert wrong(tmp_path, text) == [
        (3, "no model is called `sr680-v3`", "did you mean `sr680a-v3`?"),
        (3, "no group is called `trainin`", "did you mean `training`?"),
        (3, "gpu[001-004] is 4 hosts, but its address 10.20.1.[1-3] is only 3",
         "ranges are paired name by name, in the order in which they are written"),
        (4, "`ssh.port` is 99999: it must be at most 65535", ""),
        (5, "gpu[004-005] are already on line 4 (`gpu[003-006]`)", "a host stands once in the inventory"),
        (6, "gpu[9-7]: the range 9-7 runs backwards", "write 7-9"),
        (7, "unknown key `adress`", "did you mean `address`?"),
        (7, "gpu[01-9]: both ends of 01-9 need as many digits", "write 01-09"),
        (8, "'g@u' cannot name a host: '@' means something in selectors", "letters, digits, and - _ . between them"),
        (9, "'root@x' is no address", "the user goes under `ssh: {user: …}`"),
        (10, "'1.2.3.4:22' is no address", "the port goes under `ssh: {port: …}`"),
        (11, "'1.2.3.400' is no address", "an IPv4 address has four numbers up to 255"),
        (12, "big[1-9999999] stands for more than 65,536 names", "is a digit too many?"),
        (13, "the key `gpu[003-006]` is already on line 4", "the later would silently replace the earlier: keep one"),
        (14, "`hosts.d` should be a mapping, not the number 5", ""),
        (15, "the label `health` is reserved: it means what was last seen on the hosts", ""),
        (15, "the label `all` is reserved: it means every host", ""),
        (15, "the label `model` is reserved: it means the host's `model:`", ""),
        (15, "the value 'bj 1' of the label `site` cannot be selected",
         "letters, digits, and - _ . / : + = between them; free text goes under `vars`"),
        (15, "the label 'a b' cannot be selected", "letters, digits, and - _ . between them"),
        (15, "no board is called `h2000`", "did you mean `h200`?"),
        (16, "f[]: an empty range", "in brackets stand numbers: [1-4], [001-064], [1,3,7-9]"),
        (17, "g has the address 10.20.1.5 port 22 of gpu003 (line 4)", ""),
        (19, "no group is called `x`", "there are training, all, ga, gb"),
        (20, "`all` is reserved and cannot name a group", ""),
        (21, "no host is called nope", ""),
        (21, "no group is called training", "name groups under `children`"),
        (21, "the group `ga` is a child of its own child: ga > gb > ga", ""),
        (23, "no profile is called `sr680a-v33`", "did you mean `sr680a-v3`?"),
        (23, "`o` is in turn like `p`", ""),
        (23, "no board is called `h999`", ""),
        (24, "unknown key `extra`", "known here: defaults, boards, profiles"),
    ]  # fmt: skip


@pytest.mark.parametrize("character", list("@,!&^*?:%[]/ "))
def test_no_host_is_named_with_what_selectors_use(tmp_path: Path, character: str) -> None:
    assert wrong(tmp_path, f'version: 1\nhosts: {{"a{character}b": {{}}}}\n')


@pytest.mark.parametrize("name", ["gpu-1", "gpu_1", "gpu1.example.org", "7seas", "A"])
def test_names_that_are_fine(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, f"version: 1\nhosts: {{{name}: {{}}}}\n").hosts[0].name == name


def test_the_same_address_is_fine_elsewhere(tmp_path: Path) -> None:
    load(tmp_path, """\
version: 1
hosts:
  a: {address: 10.0.0.1}
  b: {address: 10.0.0.1, ssh: {port: 2222}}
  c: {address: 10.0.0.1, ssh: {proxy_jump: site2}}
  d: {address: 10.0.0.1, transport: local}
  e: {address: "fe80::1%eth0"}
""")  # fmt: skip
    assert wrong(tmp_path, "version: 1\nhosts:\n  a: {address: X}\n  x: {}\n") == [
        (4, "x has the address x port 22 of a (line 3)", "")
    ]


def test_a_file_of_another_version_or_none(tmp_path: Path) -> None:
    assert wrong(tmp_path, "version: 2\nhosts: {}\n") == [(1, "`version` should be 1, not the number 2", "")]
    assert wrong(tmp_path, "hosts: {}\n") == [(1, "the key `version` is missing", "")]
    with pytest.raises(InvalidDocument) as caught:
        load_inventory(tmp_path / "nowhere.yaml")
    assert caught.value.exit_code == 3


def test_profiles_from_files(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(
        "version: 1\nmodels: {mine: {like: sr680a-v3, nic_count: 4}}\nboards: {card: {gpus: 2}}\n"
    )
    text = "version: 1\nprofiles: [more.yaml]\nhosts: {a: {model: mine, board: card}}\n"
    inventory = load(tmp_path, text)
    assert inventory.models["mine"].nic_count == 4
    assert inventory.models["mine"].boards[0] == "h100"
    assert inventory.boards["card"].gpus == 2
    (tmp_path / "more.yaml").write_text("version: 1\nmodels: {mine: {liek: sr680a-v3}}\n")
    assert validate(write(tmp_path, text))[-1] == Problem(
        str(tmp_path / "more.yaml"), 2, "unknown key `liek`", "did you mean `like`?"
    )


def test_a_missing_profiles_file_is_named_twice(tmp_path: Path) -> None:
    path = write(tmp_path, "version: 1\nprofiles: [gone.yaml]\nhosts: {}\n")
    assert [(one.file, one.line) for one in validate(path)] == [(str(tmp_path / "gone.yaml"), None), (str(path), 2)]


def test_a_missing_key_is_a_doubt_and_no_problem(tmp_path: Path) -> None:
    inventory = load(tmp_path, "version: 1\nhosts:\n  a[1-2]: {ssh: {identity_file: nokey}}\n")
    assert [(one.line, one.what) for one in doubts(inventory)] == [(3, f"there is no {tmp_path / 'nokey'}")]
    (tmp_path / "nokey").write_text("")
    assert doubts(inventory) == ()


def test_a_board_that_the_model_does_not_come_with_is_a_doubt(tmp_path: Path) -> None:
    inventory = load(
        tmp_path,
        """\
version: 1
models: {mine: {like: sr680a-v3, boards: [a100]}}
hosts:
  a[1-3]: {model: sr680a-v3, board: a100}
  b1: {model: sr680a-v3, board: h200}
  c1: {model: mine, board: a100}
  d1: {board: a100}
  e1: {model: sr680a-v3}
""",
    )
    [doubt] = doubts(inventory)
    assert (doubt.line, doubt.what) == (4, "a[1-3]: `a100` is none of the boards of `sr680a-v3`")
    assert "h100, h200" in doubt.suggestion


@pytest.mark.parametrize("file", sorted((ROOT / "inventory").glob("*.yaml")), ids=lambda file: file.name)
def test_the_example_fleets_fit_their_models(file: Path) -> None:
    assert [one for one in doubts(load_inventory(file)) if "none of the boards" in one.what] == []


def test_who_said_what(tmp_path: Path) -> None:
    inventory = load(tmp_path, """\
version: 1
defaults: {become: sudo, vars: {a: 1, b: 1}}
hosts:
  h[1-2]:
    address: 10.0.0.[1-2]
    ssh: {user: x}
groups:
  one: {hosts: h1, vars: {b: 2, c: 2}}
  two: {hosts: h1, vars: {c: 3}}
""")  # fmt: skip
    found = {name: (one.by, one.origin.line) for name, one in said(inventory, host(inventory, "h1")).items()}
    assert found == {
        "become": ("defaults", 2), "vars.a": ("defaults", 2), "vars.b": ("group one", 8), "vars.c": ("group two", 9),
        "ssh.user": ("host", 6), "address": ("host", 5),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["small", "gigafactory"])
def test_the_examples_load(name: str) -> None:
    path = ROOT / "inventory" / f"{name}.yaml"
    assert validate(path) == ()
    inventory = load_inventory(path)
    assert len(inventory.hosts) == {"small": 11, "gigafactory": 872}[name]
    assert all(inventory.groups.values())


def many(number: int) -> str:
    hosts = "".join(
        f"  gpu{at:05}: {{address: 10.{at >> 16}.{at >> 8 & 255}.{at & 255}, model: sr680a-v3, "
        f"labels: {{site: bj1, rack: r{at // 8:04}}}, groups: [training]}}\n"
        for at in range(number)
    )
    return f"version: 1\ndefaults: {{ssh: {{user: ops}}}}\nhosts:\n{hosts}groups: {{training: {{vars: {{x: 1}}}}}}\n"


def test_thousands_of_hosts_written_one_by_one(tmp_path: Path) -> None:
    """Cost grows with the hosts, not faster: 8 times as many take less than 20 times as long."""
    took = {}
    for number in (500, 4000):
        path = write(tmp_path, many(number))
        load_inventory(path)
        began = time.process_time()
        assert len(load_inventory(path).hosts) == number
        took[number] = time.process_time() - began
    assert took[4000] < 20 * took[500]


def test_ten_thousand_hosts_of_ranges(tmp_path: Path) -> None:
    racks = "".join(
        f'  r{rack:03}n[01-40]: {{address: "10.{rack // 250}.{rack % 250}.[1-40]"}}\n' for rack in range(250)
    )
    inventory = load(tmp_path, f"version: 1\nhosts:\n{racks}")
    assert len(inventory.hosts) == 10_000
    assert fold(host.name for host in inventory.hosts) == "r[000-249]n[01-40]"


KEYS = st.sampled_from([
    "a", "a[1-2]", "b", "address", "model", "labels", "groups", "hosts", "children", "like", "ssh", "identity_file",
])  # fmt: skip
TEXTS = st.sampled_from(["a", "a[1-2]", "10.0.0.[1-2]", "@a", "", "a%"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70_000) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
SECTIONS = st.sampled_from(["defaults", "hosts", "groups", "models", "boards", "profiles"])


@given(st.dictionaries(SECTIONS, VALUES, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_document_is_a_fleet_or_a_list_of_problems(tmp_path: Path, value: dict[str, object]) -> None:
    path = write(tmp_path, json.dumps({"version": 1, **value}))
    found = validate(path)
    assert all(problem.file and problem.what for problem in found)
    assert found or load_inventory(path).file == str(path)
