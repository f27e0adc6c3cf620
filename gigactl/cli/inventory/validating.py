"""`inventory validate`: every problem of every file at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gigactl.cli import exits
from gigactl.cli.fleet import inventory_file
from gigactl.cli.session import Session
from gigactl.errors import InvalidDocument, Problem
from gigactl.inventory.load import doubts, load_inventory
from gigactl.inventory.model import Inventory
from gigactl.render import inventory as view
from gigactl.render.text import clean, count


def validate(session: Session, files: Sequence[Path]) -> int:
    """Read each file whole; exit 3 when one is wrong."""
    output = session.output("table", "json")
    problems: list[Problem] = []
    sound: list[Inventory] = []
    for file in files or [inventory_file(session)]:
        try:
            sound.append(load_inventory(file))
        except InvalidDocument as wrong:
            problems += wrong.problems
    warnings = [doubt for inventory in sound for doubt in doubts(inventory)]
    if output == "json":
        session.write(view.problems(problems, warnings, sound))
    else:
        session.write("".join(f"{clean(str(problem))}\n" for problem in problems))
        session.write("".join(f"warning: {clean(str(problem))}\n" for problem in warnings))
        for inventory in sound:
            session.say(f"{inventory.file}: {count(len(inventory.hosts), 'host')}, no problem")
    if problems:
        session.say(count(len(problems), "problem"))
        return exits.INVALID
    return exits.DONE
