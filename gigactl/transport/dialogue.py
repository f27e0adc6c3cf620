"""What is said to one host, as a value: below both `fanout` (runs it on many) and `remote` (has the words)."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from gigactl.errors import HostError
from gigactl.inventory.model import Host
from gigactl.results import Status
from gigactl.transport.base import Connection, Deadline

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Effect(enum.Enum):
    """What may be repeated: READ until its first message, RESUMABLE always (from its own cursor), ONCE never after its
    exec request may have been sent."""

    READ = "read"
    RESUMABLE = "resumable"
    ONCE = "once"


class Dialogue(Protocol[T_co]):
    """A frozen value: it pickles, compares, and prints redacted."""

    @property
    def effect(self) -> Effect: ...

    def speak(self, host: Host, connection: Connection, deadline: Deadline) -> AsyncIterator[T_co]: ...


@runtime_checkable
class Resumable(Dialogue[T], Protocol[T]):
    """A RESUMABLE dialogue that can go on after what arrived."""

    def resumed(self, last: T) -> Resumable[T]:
        """The dialogue to speak in the next connection, `last` being the last message that arrived."""
        ...


class CutShort(HostError, Generic[T]):
    """The session was cut, or its time was up, after a part of the message had come that is worth having: `partial`. A
    dialogue raises it before its first message; the engine tries again where that is allowed, and delivers the part
    where nothing better comes."""

    def __init__(self, lost: HostError, partial: T) -> None:
        super().__init__(lost.detail, hint=lost.hint)
        self.lost = lost
        self.partial = partial


@dataclass(frozen=True, slots=True)
class Message(Generic[T_co]):
    """Something one host said."""

    host: str
    value: T_co


@dataclass(frozen=True, slots=True)
class Ended:
    """A host is done; exactly one per host, after its messages. OK when the dialogue came to its end, whatever becomes
    of the connection then. UNREACHABLE where no session came to be, or it was cut before the first reply. UNKNOWN after
    the first reply, where that was a refusal or not our protocol, where the time ran out with a request on the host
    (it was reached), or a ONCE may have run. SKIPPED when nothing was sent. `attempts` counts connections tried;
    `seconds` is from the first of them."""

    host: str
    status: Status
    failure: HostError | None
    attempts: int
    seconds: float
