"""How a check is shown: a table at the end, one JSON document at the end, or JSON Lines as hosts arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from gigactl import __version__
from gigactl.cli import loop
from gigactl.cli.session import Session
from gigactl.render import health, health_json
from gigactl.sweep.look import HostLook


class View(Protocol):
    """Told when the look begins, of each host as it arrives, and when it is over (before and after the comparison).

    `streaming`: it writes while hosts arrive.
    """

    @property
    def streaming(self) -> bool: ...

    async def begins(self, at: datetime) -> None: ...
    async def host(self, look: HostLook) -> None: ...
    async def ends(self, before: Sequence[HostLook], after: Sequence[HostLook], took: float) -> None: ...


class NoView:
    """For who shows the look by other means."""

    streaming = False

    async def begins(self, at: datetime) -> None:
        """Not shown."""

    async def host(self, look: HostLook) -> None:
        """Not shown."""

    async def ends(self, before: Sequence[HostLook], after: Sequence[HostLook], took: float) -> None:
        """Not shown."""


@dataclass(slots=True)
class TableView:
    """Everything at the end: worst first needs all of it. Healthy and quiet prints nothing."""

    session: Session
    streaming: ClassVar[bool] = False

    async def begins(self, at: datetime) -> None:
        """Nothing to say yet."""

    async def host(self, look: HostLook) -> None:
        """The progress line counts it."""

    async def ends(self, before: Sequence[HostLook], after: Sequence[HostLook], took: float) -> None:
        if self.session.quiet and health.quiet(after):
            return
        await loop.write(self.session, health.screen(after, took, self.session.screen(), verbose=self.session.verbose))


@dataclass(slots=True)
class JsonView:
    """`gigactl.health/1` as one document."""

    session: Session
    streaming: ClassVar[bool] = False
    at: datetime | None = None

    async def begins(self, at: datetime) -> None:
        self.at = at

    async def host(self, look: HostLook) -> None:
        """It will be in the document."""

    async def ends(self, before: Sequence[HostLook], after: Sequence[HostLook], took: float) -> None:
        assert self.at is not None
        await loop.write(self.session, health_json.document(after, self.at, took))


@dataclass(slots=True)
class LinesView:
    """The same as a stream: version, host by host, what the comparison added, summary."""

    session: Session
    streaming: ClassVar[bool] = True

    async def begins(self, at: datetime) -> None:
        await loop.write(self.session, health_json.first_line(at, __version__))

    async def host(self, look: HostLook) -> None:
        await loop.write(self.session, health_json.host_line(look))

    async def ends(self, before: Sequence[HostLook], after: Sequence[HostLook], took: float) -> None:
        await loop.write(self.session, health_json.fleet_lines(before, after) + health_json.last_line(after, took))


VIEWS = {"table": TableView, "json": JsonView, "jsonl": LinesView}
