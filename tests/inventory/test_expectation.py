"""What is expected of hosts, and whether the data behind it is plausible."""

from __future__ import annotations

import re
from collections.abc import Collection

import pytest

from gigactl.inventory.expectation import Expectation, expect, model_by_machine_type
from gigactl.inventory.model import Host, Inventory
from gigactl.inventory.profile import Board, Model
from gigactl.inventory.profiles import shipped

EMPTY = Inventory("fleet.yaml", (), {})


def of(
    model: str | None, pci_ids: Collection[str] = (), board: str | None = None, gpus: int | None = None
) -> Expectation:
    return expect(EMPTY, Host("h", "h", model=model, board=board, gpus=gpus), pci_ids)


@pytest.mark.parametrize(
    ("model", "ids", "board", "count", "links", "fabric", "manager"),
    [
        ("sr680a-v3", ["10de:2330"], "h100", 8, 18, "nvswitch", True),
        ("sr680a-v3", ["10de:2335", "102b:0536"], "h200", 8, 18, "nvswitch", True),
        ("sr780a-v3", ["10de:2901"], "b200", 8, 18, "nvlink5", True),
        ("sr680a-v4", [], "b300", 8, 18, "nvlink5", True),
        ("sr675-v3", ["10de:2330"], "h100-4", 4, 18, "none", False),
        ("sr675-v3", ["10de:26b9"], "l40s", None, 0, "none", False),
        ("sr650a-v4", ["10de:233b"], "h200-nvl", None, None, "none", False),
        ("sd650-n-v3", ["10de:2330"], "h100-4", 4, 18, "none", False),
        ("sc777-v4", [], "gb200-nvl4", 4, 18, "none", False),
        ("gb300-nvl72", ["10de:31c2"], "gb300", 4, 18, "nvl72", False),
    ],
)  # fmt: skip
def test_the_board_that_pci_ids_name(
    model: str, ids: list[str], board: str, count: int | None, links: int | None, fabric: str, manager: bool
) -> None:
    expected = of(model, ids)
    assert (expected.model, expected.board, expected.gpu_count, expected.nvlinks) == (model, board, count, links)
    assert (expected.fabric, expected.wants_fabric_manager) == (fabric, manager)


def test_with_no_gpu_on_the_bus_the_boards_of_the_model_agree_on_their_number() -> None:
    expected = of("sr680a-v3")
    assert (expected.board, expected.gpu_count, expected.pcie_width, expected.nvlinks) == (None, 8, 16, None)
    assert expected.managed


@pytest.mark.parametrize("model", ["sr680a-v3", "sr685a-v3", None])
def test_a_fabric_that_boards_do_not_agree_on_is_not_none(model: str | None) -> None:
    assert of(model).fabric is None


@pytest.mark.parametrize("model", ["sr650a-v4", "sr675-v3"])
def test_a_fabric_that_all_boards_lack_is_none(model: str) -> None:
    assert (of(model).board, of(model).fabric) == (None, "none")


def test_cards_are_a_configuration() -> None:
    assert of("sr675-v3").gpu_count is None
    assert of("sr675-v3", ["10de:2bb5"], gpus=8).gpu_count == 8
    assert of("sr675-v3", ["10de:2bb5", "10de:27b8"]).board is None
    assert of("sr675-v3", ["10de:2bb5", "10de:27b8"]).nvlinks == 0


def test_a_board_that_the_model_does_not_list_is_named_by_its_pci_ids() -> None:
    expected = of("sr680a-v3", ["10de:20b2"])
    assert (expected.board, expected.gpu_count, expected.nvlinks) == ("a100", 8, 12)
    # a card in a model of 8-GPU boards is none of them: nothing is known of it but what those agree on
    assert of("sr680a-v3", ["10de:27b8"]).board is None


@pytest.mark.parametrize(
    ("model", "board", "ids", "strangers"),
    [
        ("sr680a-v3", None, ["10de:20b2", "102b:0536"], ("10de:20b2",)),
        ("sr680a-v3", None, ["10de:27b8"], ("10de:27b8",)),
        ("sr680a-v3", "h200", ["10de:2330"], ("10de:2330",)),
        ("sr680a-v3", "h200", ["10de:2335"], ()),
        ("sr680a-v3", None, ["10de:2335", "10de:27b8"], ()),
        ("sr680a-v3", None, [], ()),
        ("sr680a-v3", None, ["1002:74a1"], ()),
        (None, "a100", ["10de:20b2"], ()),
        (None, None, ["10de:20b2"], ()),
    ],
)
def test_gpus_of_no_board_that_is_expected(
    model: str | None, board: str | None, ids: list[str], strangers: tuple[str, ...]
) -> None:
    assert of(model, ids, board=board).strangers == strangers


def test_a_board_of_unknown_pci_ids_may_be_any() -> None:
    mine = Model("mine", boards=("odd",))
    inventory = Inventory("f", (), {}, {"mine": mine}, {"odd": Board("odd", gpus=6)})
    assert expect(inventory, Host("h", "h", model="mine"), ["10de:20b2"]).strangers == ()


def test_the_inventory_wins() -> None:
    assert of("sr680a-v3", ["10de:2330"], board="h200").board == "h200"
    assert of("sr680a-v3", ["10de:2330"], gpus=6).gpu_count == 6
    assert of(None, [], board="h200").gpu_count == 8


def test_amd_is_not_managed() -> None:
    expected = of("sr685a-v3", ["1002:74a1"])
    assert (expected.managed, expected.unmanaged_reason, expected.board) == (False, "not managed (AMD)", "mi300x")
    assert of("sr685a-v3", ["10de:2335"]).managed
    # with nothing on the bus it cannot be told whether 8 NVIDIA GPUs are missing or AMD's are none of ours
    assert of("sr685a-v3").gpu_count is None


@pytest.mark.parametrize(("model", "device"), [("sr685a-v3", "2324"), ("sr685a-v3", "2329"), ("sr680a-v3", "232c")])
def test_boards_for_other_markets_are_not_proved(model: str, device: str) -> None:
    expected = of(model, [f"10de:{device}"])
    assert not expected.links_proved
    assert expected.gpu_count == 8
    assert expected.nvlinks


def test_nothing_is_known_without_a_model() -> None:
    assert of(None, ["10de:2335"]) == Expectation()


def test_users_profiles_win_over_shipped_ones() -> None:
    mine = Model("sr680a-v3", title="Mine", machine_types=("7DHE",), boards=("odd",), nic_count=2, nic_rate=100)
    inventory = Inventory("f", (), {}, {"sr680a-v3": mine}, {"odd": Board("odd", gpus=6, nvlinks=4)})
    expected = expect(inventory, Host("h", "h", model="sr680a-v3"), ["10de:2335"])
    assert (expected.gpu_count, expected.nvlinks, expected.nic_count, expected.board) == (6, 4, 2, "odd")
    assert model_by_machine_type(inventory, "7DHE") is mine


@pytest.mark.parametrize(("machine_type", "name"), [("7DHE", "sr680a-v3"), ("7DHC", "sr685a-v3"), ("7D9R", "sr675-v3")])
def test_models_by_machine_type(machine_type: str, name: str) -> None:
    found = model_by_machine_type(EMPTY, machine_type)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("machine_type", ["", "0000"])
def test_no_model_by_an_unknown_machine_type(machine_type: str) -> None:
    assert model_by_machine_type(EMPTY, machine_type) is None


MODELS = list(shipped().models.values())
BOARDS = list(shipped().boards.values())


def test_all_models_of_the_list_are_there() -> None:
    assert {model.title for model in MODELS} >= {
        f"ThinkSystem {name}"
        for name in ("SR680a V3", "SR685a V3", "SR780a V3", "SR680a V4", "SR675 V3", "SR650a V4", "SR650 V3",
                     "SR650 V4", "SD650-N V3", "SC777 V4")
    } | {"GB300 NVL72 compute tray"}  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_is_plausible(model: Model) -> None:
    assert model.title
    assert model.source
    assert model.boards
    assert all(re.fullmatch(r"7[A-Z0-9]{3}", machine_type) for machine_type in model.machine_types)
    assert (model.nic_count is None) == (model.nic_rate is None)
    assert model.nic_rate in {None, 100, 200, 400, 800}
    ids = [pci_id for name in model.boards for pci_id in shipped().boards[name].pci_ids]
    assert len(ids) == len(set(ids)), "two boards of one model have a PCI id in common: it would name neither"


def test_no_machine_type_names_two_models() -> None:
    types = [machine_type for model in MODELS for machine_type in model.machine_types]
    assert len(types) == len(set(types))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_board_is_plausible(board: Board) -> None:
    assert board.title
    assert board.source
    assert board.pci_ids
    assert board.gpus in {None, 4, 8}
    vendor = {pci_id.partition(":")[0] for pci_id in board.pci_ids}
    assert vendor == ({"10de"} if board.managed else {"1002"})
    assert bool(board.unmanaged_reason) != board.managed
    assert bool(board.gpu_names) == board.managed
    assert all(name.startswith("NVIDIA ") for name in board.gpu_names)
    assert board.nvlinks in {None, 0, 8, 12, 18}
    assert board.pcie_width in {None, 16}
    assert board.pcie_generation in {None, 4, 5}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_fabric_and_its_services_fit(board: Board) -> None:
    """Fabric manager runs where NVSwitches are in the host; IMEX where they are in the rack."""
    assert board.wants_fabric_manager == (board.fabric in {"nvswitch", "nvlink5"})
    assert board.wants_imex == (board.fabric == "nvl72")
    if board.fabric != "none":
        assert board.gpus == (4 if board.fabric == "nvl72" else 8)
        assert board.nvlinks
    assert not (board.nvlinks and "not seen on hardware" in board.source and board.links_proved)


def test_every_board_is_in_a_model_or_said_to_be_on_its_own() -> None:
    """Boards that no listed ThinkSystem is sold with today are for `board:` in an inventory."""
    used = {name for model in MODELS for name in model.boards}
    assert {board.name for board in BOARDS} - used == {"a100", "a100-4", "a800"}
