"""`health explain`: a finding's meaning, in words or as JSON."""

from __future__ import annotations

from gigactl.cli import exits
from gigactl.cli.session import Session
from gigactl.health import catalogue
from gigactl.render import explanation


def listing(session: Session) -> int:
    """Every id there is, with its title and weight."""
    output = session.output("table", "json")
    found = [catalogue.explain(one) for one in catalogue.all_ids()]
    session.write(explanation.documents(found) if output == "json" else explanation.listing(found, session.screen()))
    return exits.DONE


def explain(session: Session, asked: str) -> int:
    """Explain `XID-79`, `xid 79`, `79`, `gpu-lost`; an unknown one is a usage error with the nearest id."""
    output = session.output("table", "json")
    found = catalogue.explain(f"XID-{asked.strip()}" if asked.strip().isdecimal() else asked)
    if output == "json":
        session.write(explanation.document(found))
    else:
        session.write(explanation.text(found, session.screen()))
    return exits.DONE
