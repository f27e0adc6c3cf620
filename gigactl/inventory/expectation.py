"""What is expected of one host: its server model's board, resolved. The data: `models.yaml`, `boards.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gigactl.inventory.model import Host, Inventory
from gigactl.inventory.profile import Board, Model
from gigactl.inventory.profiles import shipped

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one host should have; None or empty where nothing is known, and then nothing is judged against it.

    `managed`: False for a host whose GPUs are not NVIDIA's (`not managed (AMD)`, says `unmanaged_reason`).
    `gpu_names`: what NVML may call the GPUs; `pci_ids`: `10de:2335`. `nvlinks` per GPU; `links_proved`: False for
    boards whose link counts are learned and never critical until proved on hardware. `pcie_width` in lanes,
    `pcie_generation` 1 to 6, `nic_rate` in Gb/s. `fabric`: `nvswitch`, `nvlink5`, `nvl72` or `none`; None
    where it depends on a board that is not known. `strangers`: PCI ids of NVIDIA's GPUs on the bus where no board that
    the inventory allows has any of them.
    """

    model: str | None = None
    board: str | None = None
    title: str = ""
    managed: bool = True
    unmanaged_reason: str = ""
    gpu_count: int | None = None
    gpu_names: tuple[str, ...] = ()
    pci_ids: tuple[str, ...] = ()
    nvlinks: int | None = None
    links_proved: bool = True
    pcie_width: int | None = None
    pcie_generation: int | None = None
    nic_count: int | None = None
    nic_rate: float | None = None
    fabric: str | None = None
    wants_fabric_manager: bool = False
    wants_imex: bool = False
    strangers: tuple[str, ...] = ()
    source: str = ""


def expect(inventory: Inventory, host: Host, pci_ids: Collection[str]) -> Expectation:
    """What `host` should have. `pci_ids`: vendor and device of the GPUs found on its bus, as `10de:2335`.

    The model is the inventory's. The board is the inventory's, else the one that the PCI ids name among the model's
    boards (else among all), else the only one the model has. Where several remain, what they agree on. `gpus:` in the
    inventory wins over the board's count.
    """
    model = _model(inventory, host.model)
    allowed = _allowed(inventory, host, model)
    boards = _boards(inventory, host, allowed, frozenset(pci_ids))
    expected = _of_boards(boards) if boards else Expectation()
    if model is not None:
        title = " with ".join(filter(None, (model.title, expected.title if len(boards) == 1 else "")))
        expected = replace(expected, title=title, nic_count=model.nic_count, nic_rate=model.nic_rate)
    source = "; ".join(filter(None, (model.source if model else "", expected.source)))
    expected = replace(expected, model=host.model, source=source, strangers=_strangers(allowed, frozenset(pci_ids)))
    return expected if host.gpus is None else replace(expected, gpu_count=host.gpus)


def model_by_machine_type(inventory: Inventory, machine_type: str) -> Model | None:
    """The model whose SMBIOS product number starts so (`7DHE`), the user's own first; None where none is known."""
    for model in (*inventory.models.values(), *shipped().models.values()):
        if machine_type in model.machine_types:
            return model
    return None


def _model(inventory: Inventory, name: str | None) -> Model | None:
    return None if name is None else inventory.models.get(name) or shipped().models.get(name)


def _board(inventory: Inventory, name: str) -> Board | None:
    return inventory.boards.get(name) or shipped().boards.get(name)


def _allowed(inventory: Inventory, host: Host, model: Model | None) -> tuple[Board, ...]:
    """The boards that the inventory leaves open."""
    names = [host.board] if host.board is not None else model.boards if model is not None else ()
    return tuple(board for name in names if (board := _board(inventory, name)) is not None)


def _strangers(allowed: Sequence[Board], pci_ids: frozenset[str]) -> tuple[str, ...]:
    """NVIDIA's alone: a BMC brings a graphics chip too. A board without PCI ids may be anything."""
    if not allowed or any(not board.pci_ids or pci_ids.intersection(board.pci_ids) for board in allowed):
        return ()
    return tuple(sorted(pci_id for pci_id in pci_ids if pci_id.startswith("10de:")))


def _boards(inventory: Inventory, host: Host, boards: tuple[Board, ...], pci_ids: frozenset[str]) -> tuple[Board, ...]:
    """Of the allowed boards those that may be in the host: one where it is known."""
    seen = tuple(board for board in boards if pci_ids.intersection(board.pci_ids))
    return seen or (boards if host.board is not None else _unlisted(inventory, boards, pci_ids) or boards)


def _unlisted(inventory: Inventory, boards: Sequence[Board], pci_ids: frozenset[str]) -> tuple[Board, ...]:
    """Boards that the PCI ids name although the model does not list them, with as many GPUs as the model's have."""
    if not boards:
        return ()
    known = {**shipped().boards, **inventory.boards}.values()
    count = _agreed(boards, lambda board: board.gpus, None)
    return tuple(board for board in known if board.gpus == count and pci_ids.intersection(board.pci_ids))


def _of_boards(boards: Sequence[Board]) -> Expectation:
    """What all of them have; of boards that are and are not managed, nothing: which it is cannot be told."""
    if len({board.managed for board in boards}) > 1:
        return Expectation()
    alone = boards[0] if len(boards) == 1 else None
    return Expectation(
        board=alone.name if alone else None,
        title=alone.title if alone else "",
        managed=boards[0].managed,
        unmanaged_reason=_agreed(boards, lambda board: board.unmanaged_reason, ""),
        gpu_count=_agreed(boards, lambda board: board.gpus, None),
        gpu_names=tuple(dict.fromkeys(name for board in boards for name in board.gpu_names)),
        pci_ids=tuple(dict.fromkeys(pci_id for board in boards for pci_id in board.pci_ids)),
        nvlinks=_agreed(boards, lambda board: board.nvlinks, None),
        links_proved=all(board.links_proved for board in boards),
        pcie_width=_agreed(boards, lambda board: board.pcie_width, None),
        pcie_generation=_agreed(boards, lambda board: board.pcie_generation, None),
        fabric=_agreed(boards, lambda board: board.fabric, None),
        wants_fabric_manager=all(board.wants_fabric_manager for board in boards),
        wants_imex=all(board.wants_imex for board in boards),
        source=alone.source if alone else "",
    )


def _agreed(boards: Sequence[Board], of: Callable[[Board], T], otherwise: T) -> T:
    values = {of(board) for board in boards}
    return values.pop() if len(values) == 1 else otherwise
