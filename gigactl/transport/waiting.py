"""Waiting under a deadline, for every transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from gigactl.errors import DeadlineExceeded, HostError
from gigactl.transport.base import Deadline

T = TypeVar("T")


async def until(deadline: Deadline, wanted: Awaitable[T], doing: str) -> T:
    """`wanted`, or DeadlineExceeded saying what was being done."""
    return await within(deadline.remaining(), wanted, DeadlineExceeded(f"while {doing}"))


async def within(seconds: float, wanted: Awaitable[T], late: HostError) -> T:
    """`wanted`, or `late` when it takes longer. A TimeoutError of its own (an errno) passes through."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await wanted
    except TimeoutError:
        if limit.expired():
            raise late from None
        raise
