"""The engine's seam and its laws.

Laws, tested against every engine: exactly one `Ended` per host, after its messages; a host's fault never leaves `run`
as an exception; no retry of ONCE once its exec request may have been sent (the failure says so), of READ after its
first message; RESUMABLE at any time, from its own cursor; what a dialogue had in part when it was cut is delivered
where no further attempt gave more; a dialogue that came to its end is OK, whatever its goodbye meets; memory bounded
by the window, not by the hosts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gigactl.inventory.model import Host
from gigactl.transport.dialogue import Dialogue, Ended, Message

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many hosts at once, how often a retryable failure is tried again, and until when.

    `host_s`: seconds for one host in all, retries included; `total_s`: seconds for the whole run, None for no limit.
    """

    window: int = 64
    attempts: int = 2
    host_s: float = 60.0
    total_s: float | None = None


class Arrivals(Protocol[T_co]):
    """What arrives, as it arrives."""

    def __aiter__(self) -> AsyncIterator[Message[T_co] | Ended]: ...

    def stop(self, reason: str) -> None:
        """No new host; running ones are cancelled; all still get their Ended."""
        ...


class Engine(Protocol):
    """Runs one dialogue on many hosts."""

    def run(
        self, hosts: Sequence[Host], dialogue: Dialogue[T], limits: Limits
    ) -> AbstractAsyncContextManager[Arrivals[T]]: ...
