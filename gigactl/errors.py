"""Every way gigactl can fail, in one tree. Each class owns its exit code, a fixed summary and a hint.

GigactlError                      1   a bug
├── UsageError                    2   the command line asks for something that cannot be done
│   └── SafetyRail                2   refused to protect hosts
├── InvalidDocument               3   an inventory, policy or settings file is wrong (all problems at once)
├── HeldByAnother                 4   another owner holds it
├── LabError                      5   a rehearsal fleet failed
│   └── LabMisuse                 2   what it was asked for cannot be
└── HostError                     6   one host: never leaves a fan-out as an exception, it becomes that host's outcome
    ├── Unreachable               6   no session was established
    │   ├── ConnectRefused            nothing listens there
    │   ├── ConnectTimeout            no answer in time (also a banner that never comes)
    │   ├── AddressUnknown            the name does not resolve, or there is no route
    │   │   └── NoRoute               no way there, or no answer from the name service: both may pass
    │   ├── HostKeyUnknown            no key on record: `gigactl inventory trust`
    │   ├── HostKeyChanged            another key than the one on record
    │   ├── AuthenticationFailed      the host refused our keys
    │   └── NegotiationFailed         no common algorithm, or not SSH at all
    ├── ConnectionLost            6   the session was cut
    ├── DeadlineExceeded          6   the host's time was up
    ├── BecomeFailed              6   sudo refused
    ├── ReplyInvalid              6   the host answered something that is not our protocol
    └── Stopped                   6   the run was stopped before this host was done
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class GigactlError(Exception):
    """Root of the tree; shown as `summary: detail` and a hint.

    `detail` says what happened in this case; `hint` what to do about it (the class's own unless given).
    """

    exit_code: ClassVar[int] = 1
    summary: ClassVar[str] = "unexpected error"
    default_hint: ClassVar[str] = ""

    def __init__(self, detail: str = "", *, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = self.default_hint if hint is None else hint

    def __str__(self) -> str:
        return f"{self.summary}: {self.detail}" if self.detail else self.summary


class UsageError(GigactlError):
    """The command line asks for something that cannot be done."""

    exit_code = 2
    summary = "usage"


class SafetyRail(UsageError):
    """Refused to protect hosts; the hint names the explicit way to go on."""

    summary = "refused"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a document: where, what, and what to do. `line` counts from 1; None is the whole file."""

    file: str
    line: int | None
    what: str
    suggestion: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.what}" + (f" ({self.suggestion})" if self.suggestion else "")


class InvalidDocument(GigactlError):
    """A document is wrong; carries every problem found, not only the first."""

    exit_code = 3
    summary = "invalid document"

    def __init__(self, problems: tuple[Problem, ...], *, hint: str | None = None) -> None:
        super().__init__("\n".join(str(problem) for problem in problems), hint=hint)
        self.problems = problems


class HeldByAnother(GigactlError):
    """Another owner holds it; the detail says who and since when."""

    exit_code = 4
    summary = "held by another owner"


class LabError(GigactlError):
    """A rehearsal fleet failed at what could be asked of it."""

    exit_code = 5
    summary = "lab"


class LabMisuse(LabError):
    """What was asked of a rehearsal fleet cannot be: unknown names, wrong values, no lab there, not on this machine."""

    exit_code = 2


class HostError(GigactlError):
    """Something one host did or did not do. `retryable`: trying again may help and cannot hurt."""

    exit_code = 6
    summary = "host failed"
    retryable: ClassVar[bool] = False


class Unreachable(HostError):
    """No session was established."""

    summary = "unreachable"


class ConnectRefused(Unreachable):
    """Nothing listens at that address and port."""

    summary = "connection refused"
    retryable = True


class ConnectTimeout(Unreachable):
    """No answer in time."""

    summary = "connection timed out"
    retryable = True


class AddressUnknown(Unreachable):
    """The name does not resolve, or there is no route to it."""

    summary = "address unknown"


class NoRoute(AddressUnknown):
    """No way to it right now, or no answer from the name service: both may pass."""

    summary = "no route"
    retryable = True


class HostKeyUnknown(Unreachable):
    """No host key is on record for this host."""

    summary = "host key unknown"
    default_hint = "check the fingerprint, then record it with `gigactl inventory trust -l HOST`"


class HostKeyChanged(Unreachable):
    """The host showed another key than the one on record: reinstalled, or somebody in between."""

    summary = "host key changed"
    default_hint = "if the host was reinstalled, record its new key with `gigactl inventory trust -l HOST --replace`"


class AuthenticationFailed(Unreachable):
    """The host refused every key we have."""

    summary = "authentication failed"


class NegotiationFailed(Unreachable):
    """No common algorithm, or what answers is not SSH."""

    summary = "SSH negotiation failed"


class ConnectionLost(HostError):
    """The session was cut after it was established."""

    summary = "connection lost"
    retryable = True


class DeadlineExceeded(HostError):
    """The host's time was up before it had answered."""

    summary = "deadline exceeded"


class BecomeFailed(HostError):
    """sudo refused: no permission, a password wanted, or a wrong one."""

    summary = "become failed"


class ReplyInvalid(HostError):
    """The host answered something that is not our protocol."""

    summary = "invalid reply"


class Stopped(HostError):
    """The run was stopped before this host was done, or before it was begun."""

    summary = "stopped"
