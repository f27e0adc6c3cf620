"""One live line on a terminal's stderr; where there is no terminal, nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gigactl.cli.session import Session

log = logging.getLogger(__name__)
_EVERY_S = 0.2
"""Five times a second: the eye sees it move, the terminal is not flooded."""


@asynccontextmanager
async def live(session: Session, line: Callable[[int], str], *, streaming: bool = False) -> AsyncIterator[None]:
    """Redraw `line(width)` while the block runs; gone without a trace after it.

    `streaming`: data goes to stdout meanwhile, and on one terminal the two would run into each other.
    """
    world = session.world
    width = None if session.quiet else world.width(world.stderr)
    if width is None or (streaming and world.terminal(world.stdout)):
        yield
        return

    async def redraw() -> None:
        try:
            while True:
                session.tell("\r\x1b[K" + line(width))
                await asyncio.sleep(_EVERY_S)
        except Exception:  # who watches must not spoil what is watched
            log.exception("the progress line")

    drawing = asyncio.create_task(redraw())
    try:
        yield
    finally:
        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)
        session.tell("\r\x1b[K")
