"""`inventory list|show|hosts`: what the inventory says, without touching a host."""

from __future__ import annotations

from collections.abc import Sequence

from gigactl.cli import exits
from gigactl.cli.fleet import load, named, selected
from gigactl.cli.session import Session
from gigactl.inventory.expectation import expect
from gigactl.inventory.ranges import fold
from gigactl.inventory.selector import select
from gigactl.render import inventory as view
from gigactl.render.encode import encode


def listing(session: Session) -> int:
    """Groups, models and labels of the selected hosts."""
    output = session.output("table", "json")
    fleet = selected(session)
    if output == "json":
        session.write(view.document(fleet.inventory.file, fleet.hosts))
    else:
        session.write(view.listing(fleet.inventory.file, fleet.hosts, session.screen()))
    return exits.DONE


def show(session: Session, hosts: Sequence[str]) -> int:
    """Everything said of hosts, with file and line, and what is expected of them."""
    output = session.output("table", "json")
    fleet = named(session, hosts)
    pairs = [(host, expect(fleet.inventory, host, ())) for host in fleet.hosts]
    if output == "json":
        session.write(view.host_document(pairs))
    else:
        session.write("\n".join(view.host(*pair, session.screen()) for pair in pairs))
    return exits.DONE


def hosts(session: Session, expression: str, folded: bool) -> int:
    """The names, one per line, or folded."""
    output = session.output("table", "json")
    names = [host.name for host in select(load(session), expression)]
    if output == "json":
        session.write(encode({"schema": "gigactl.hosts/1", "hosts": names}))
    elif folded:
        session.write(fold(names) + "\n")
    else:
        session.write("".join(f"{name}\n" for name in names))
    return exits.DONE
