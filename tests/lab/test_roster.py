"""Names and addresses of a lab's hosts, and the inventory that lists them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.inventory.load import load_inventory
from gigactl.lab.options import LabOptions
from gigactl.lab.roster import inventory, places


@given(count=st.integers(1, 1200), block=st.integers(77, 126))
@settings(max_examples=25, deadline=None)
def test_every_host_has_its_own_usual_address(count: int, block: int) -> None:
    found = places(LabOptions(Path("/lab"), hosts=count), block)
    assert len({place.name for place in found}) == len({place.address for place in found}) == count
    for place in found:
        first, second, third, fourth = map(int, place.address.split("."))
        assert (first, second) == (127, block)
        assert third < 256
        assert 1 <= fourth <= 200


def test_the_inventory_lists_them_all(tmp_path: Path) -> None:
    for count in (1, 7, 8, 9, 1001):
        options = LabOptions(tmp_path, hosts=count, gpus=4, prefix="node-", port=2424)
        path = tmp_path / f"{count}.yaml"
        path.write_text(inventory(options, 80), encoding="utf-8")
        found = load_inventory(path)
        expected = [(place.name, place.address) for place in places(options, 80)]
        assert [(host.name, host.address) for host in found.hosts] == expected
        assert found.hosts[-1].labels["rack"] == f"r{(count + 7) // 8:02}"
        assert (found.hosts[0].model, found.hosts[0].gpus) == ("sr680a-v3", 4)
        assert found.hosts[0].vars["driver"] == options.driver
        assert found.hosts[0].ssh.known_hosts == str(tmp_path / "known_hosts")
