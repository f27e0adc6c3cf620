"""The engine on asyncio: as many workers as the window is wide pull hosts from one iterator.

It owns the window, the total and the per-host deadline, all retries and cancellation. Workers wait while the consumer
is slow; nothing here grows with the number of hosts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from gigactl.errors import DeadlineExceeded, HostError, Stopped
from gigactl.fanout.base import Arrivals, Limits
from gigactl.fanout.conversation import Conversation
from gigactl.inventory.model import Host
from gigactl.results import Status
from gigactl.transport.base import Deadline, Transport
from gigactl.transport.dialogue import Dialogue, Ended, Message

T = TypeVar("T")
log = logging.getLogger(__name__)


class AsyncioEngine:
    """Implements `Engine` in this process, on the running loop."""

    def __init__(self, transport_for: Callable[[Host], Transport]) -> None:
        self._transport_for = transport_for

    @asynccontextmanager
    async def run(self, hosts: Sequence[Host], dialogue: Dialogue[T], limits: Limits) -> AsyncIterator[Arrivals[T]]:
        crew = _Crew(self._transport_for, hosts, dialogue, limits)
        crew.begin()
        try:
            yield crew
        finally:
            await crew.disband()


class _Crew(Generic[T]):
    """One run's workers, and what arrives from them."""

    def __init__(
        self,
        transport_for: Callable[[Host], Transport],
        hosts: Sequence[Host],
        dialogue: Dialogue[T],
        limits: Limits,
    ) -> None:
        self._transport_for = transport_for
        self._hosts: Iterator[Host] = iter(hosts)
        self._dialogue = dialogue
        self._limits = limits
        self._clock = asyncio.get_running_loop().time
        self._ends_at = None if limits.total_s is None else self._clock() + limits.total_s
        self._width = max(1, min(limits.window, len(hosts)))
        self._arrived: asyncio.Queue[Message[T] | Ended | None] = asyncio.Queue(maxsize=self._width)
        self._workers: list[asyncio.Task[None]] = []
        self._talking: set[asyncio.Task[None]] = set()
        self._stopped: Stopped | None = None

    def begin(self) -> None:
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._width)]

    async def disband(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def __aiter__(self) -> AsyncIterator[Message[T] | Ended]:
        working = self._width
        while working:
            arrival = await self._arrived.get()
            if arrival is None:
                working -= 1
            else:
                yield arrival

    def stop(self, reason: str) -> None:
        if self._stopped is None:
            self._stopped = Stopped(reason)
            for worker in tuple(self._talking):
                self._cut(worker)

    def _cut(self, worker: asyncio.Task[None]) -> None:
        if worker in self._talking:
            worker.cancel()

    async def _work(self) -> None:
        for host in self._hosts:
            failure = self._not_begun()
            if failure is not None:
                await self._arrived.put(Ended(host.name, Status.SKIPPED, failure, 0, 0.0))
            else:
                await self._arrived.put(await self._talk(host))
        await self._arrived.put(None)

    def _not_begun(self) -> HostError | None:
        if self._stopped is not None:
            return Stopped(f"{self._stopped.detail}, before this host was begun")
        if self._ends_at is not None and self._clock() >= self._ends_at:
            return DeadlineExceeded(f"the run's {self._limits.total_s:g} s were over before this host was begun")
        return None

    def _deadline(self) -> Deadline:
        at = self._clock() + self._limits.host_s
        return Deadline(at if self._ends_at is None else min(at, self._ends_at), self._clock)

    async def _talk(self, host: Host) -> Ended:
        """Everything with one host, down to its Ended. Raises nothing of the host's."""
        conversation = Conversation(host, self._dialogue, self._deadline(), self._limits.attempts)
        worker = _this_task()
        self._talking.add(worker)
        failure: HostError | None = None
        try:
            await conversation.hold(self._transport_for(host), self._deliver)
        except HostError as error:
            failure = error
        except asyncio.CancelledError:
            if not worker.cancelling():
                failure = HostError("cancelled from within")  # by the dialogue's own doing: its fault, not our end
            elif self._stopped is None:
                raise
            else:
                worker.uncancel()
                failure = None if conversation.spoken else Stopped(self._stopped.detail)
        except Exception as error:
            log.exception("%s: unexpected", host.name)
            failure = HostError(f"unexpected {type(error).__name__}: {error}")
        finally:
            self._talking.discard(worker)
        partial = None if failure is None else conversation.last_resort()
        if partial is not None:
            await self._arrived.put(partial)
        return conversation.ended(failure)

    async def _deliver(self, message: Message[T]) -> None:
        """Wait for the consumer. `stop` cancels only workers that wait for their host, so no message is lost; one that
        was here meanwhile is cut when it waits again: a dialogue that has no more to say is at its end by then."""
        worker = _this_task()
        self._talking.discard(worker)
        await self._arrived.put(message)
        self._talking.add(worker)
        if self._stopped is not None:
            asyncio.get_running_loop().call_soon(self._cut, worker)


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task
