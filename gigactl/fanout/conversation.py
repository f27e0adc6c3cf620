"""One host's conversation: its attempts, which failure may be tried again (the Effect law), what its end is called."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Generic, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from gigactl.errors import BecomeFailed, ConnectionLost, DeadlineExceeded, HostError, Stopped, Unreachable
from gigactl.inventory.model import Host
from gigactl.results import Status
from gigactl.transport.base import Become, Blob, Connection, Deadline, Endpoint, Exec, Process, Transport
from gigactl.transport.dialogue import CutShort, Dialogue, Effect, Ended, Message, Resumable

T = TypeVar("T")
Deliver = Callable[[Message[T]], Awaitable[None]]
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0
_LAST_WORDS_S = 0.25
"""Seconds past its deadline in which a dialogue may still end in its own words, before it is cut."""


class Conversation(Generic[T]):
    """What was tried with one host, what was sent, what came back."""

    def __init__(self, host: Host, dialogue: Dialogue[T], deadline: Deadline, attempts: int) -> None:
        self._host = host
        self._dialogue = dialogue
        self._deadline = deadline
        self._allowed = attempts
        self._tried = 0
        self._sent = False
        self._asked = False
        self._heard = False
        self._spoken = False
        self._partial: Message[T] | None = None
        self._began = deadline.clock()

    @property
    def spoken(self) -> bool:
        """Whether the dialogue came to its end: then only the goodbye is left, and cutting that loses nothing."""
        return self._spoken

    def last_resort(self) -> Message[T] | None:
        """What a cut attempt had in part, where no message came; to be delivered when all is given up."""
        partial, self._partial = self._partial, None
        if partial is None or self._heard:
            return None
        self._heard = True
        return partial

    async def hold(self, transport: Transport, deliver: Deliver[T]) -> None:
        """Speak until the dialogue ends. Raises HostError when it failed and no further attempt is allowed."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(self._may_retry),
            stop=self._must_stop,
            wait=_backoff,
            sleep=asyncio.sleep,
            reraise=True,
        )
        await retrying(self._attempt, transport, deliver)

    async def _attempt(self, transport: Transport, deliver: Deliver[T]) -> None:
        self._tried += 1
        self._asked = False
        limit = asyncio.timeout(self._deadline.remaining() + _LAST_WORDS_S)
        try:
            async with limit:
                await self._speak(transport, deliver, limit)
        except CutShort as cut:
            self._partial = Message(self._host.name, cut.partial)
            raise cut.lost from None
        except TimeoutError:
            if not limit.expired():
                raise
            if not self._spoken:
                raise DeadlineExceeded("while waiting for the host") from None
        except HostError:
            if not self._spoken:
                raise

    async def _speak(self, transport: Transport, deliver: Deliver[T], limit: asyncio.Timeout) -> None:
        host = self._host
        async with transport.connect(Endpoint(host.name, host.address, host.ssh), self._deadline) as connection:
            replies = self._dialogue.speak(host, _Watched(connection, self._note_sent), self._deadline)
            async with _closing(replies):
                async for value in replies:
                    self._note(value)
                    limit.reschedule(None)  # a slow consumer is not the host's fault
                    await deliver(Message(host.name, value))
                    limit.reschedule(_loop_time() + self._deadline.remaining() + _LAST_WORDS_S)
            self._spoken = True

    def _note_sent(self) -> None:
        self._sent = self._asked = True

    def _note(self, value: T) -> None:
        self._heard = True
        if self._dialogue.effect is Effect.RESUMABLE and isinstance(self._dialogue, Resumable):
            self._dialogue = self._dialogue.resumed(value)

    def _may_retry(self, error: BaseException) -> bool:
        if not isinstance(error, HostError) or not error.retryable:
            return False
        if self._dialogue.effect is Effect.RESUMABLE:
            return True
        return not (self._heard if self._dialogue.effect is Effect.READ else self._sent)

    def _must_stop(self, state: RetryCallState) -> bool:
        return self._tried >= self._allowed or state.upcoming_sleep >= self._deadline.remaining()

    def ended(self, failure: HostError | None) -> Ended:
        """The host's Ended, `failure` being what `hold` raised, without the frames it came through (it may be kept)."""
        seconds = self._deadline.clock() - self._began
        uncertain = self._dialogue.effect is Effect.ONCE and self._sent and not isinstance(failure, BecomeFailed)
        if failure is not None and uncertain:
            failure = type(failure)(
                f"{failure.detail}; the command may have run, and is not repeated", hint=failure.hint
            )
        if failure is not None:
            failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        return Ended(self._host.name, self._status(failure, uncertain), failure, self._tried, seconds)

    def _status(self, failure: HostError | None, uncertain: bool) -> Status:
        if failure is None:
            return Status.OK
        if self._heard or uncertain:
            return Status.UNKNOWN
        if isinstance(failure, Stopped):
            return Status.UNKNOWN if self._sent else Status.SKIPPED
        if isinstance(failure, DeadlineExceeded) and self._asked:
            return Status.UNKNOWN  # it was reached, and did not answer in time
        if isinstance(failure, Unreachable | ConnectionLost | DeadlineExceeded):
            return Status.UNREACHABLE
        return Status.UNKNOWN


class _Watched:
    """The host's connection, telling when a request to run something may have gone out."""

    def __init__(self, connection: Connection, sending: Callable[[], None]) -> None:
        self._connection = connection
        self._sending = sending

    def start(self, exec: Exec, deadline: Deadline) -> AbstractAsyncContextManager[Process]:
        self._sending()
        return self._connection.start(exec, deadline)

    async def put(
        self, blob: Blob, path: str, deadline: Deadline, *, mode: int = 0o600, become: Become | None = None
    ) -> None:
        self._sending()
        await self._connection.put(blob, path, deadline, mode=mode, become=become)


def _closing(replies: object) -> AbstractAsyncContextManager[object]:
    """An async generator is closed at once, so that its channels are; another iterator has nothing to close."""
    return aclosing(replies) if isinstance(replies, AsyncGenerator) else nullcontext()


def _backoff(state: RetryCallState) -> float:
    # half drawn at random, so that a fleet that failed together does not come back together
    longest: float = min(_FIRST_BACKOFF_S * 2 ** (state.attempt_number - 1), _LONGEST_BACKOFF_S)
    return longest * random.uniform(0.5, 1.0)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
