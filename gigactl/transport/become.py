"""Another user on the host: the command line for sudo, and telling sudo's words from the command's own. Pure.

The command is started through `sh`, which first writes a mark. What comes before the mark is sudo's; a process that
ends without it was refused, in whatever language sudo says so. The password is sent only when sudo asks for it, so
that it can never reach the command (where sudo wants none) nor a second prompt (where it was wrong).
"""

from __future__ import annotations

import secrets

from gigactl.errors import BecomeFailed
from gigactl.transport.base import Become, Stream

_LAUNCH = 'printf "%s\\n" "$1" >&2; shift; exec "$@"'
_LONGEST_PREFACE = 256 << 10
"""Bytes kept while waiting for the mark (a lecture and a motd take a few hundred)."""


class Elevation:
    """One elevated command. Feed it both streams as they come; it gives back what is the command's.

    `started`: the mark was seen. `wants_password`: sudo asks; send `password()` once.
    """

    def __init__(self, become: Become, argv: tuple[str, ...], mark: str | None = None) -> None:
        if become.method != "sudo":
            raise BecomeFailed(f"method {become.method!r} is not known; sudo is")
        self._become = become
        nonce = secrets.token_hex(8) if mark is None else mark
        self._mark = f"gigactl-begin-{nonce}".encode()
        self._prompt = f"gigactl-password-{nonce}:".encode()
        asking = ("-n",) if become.password is None else ("-S", "-p", self._prompt.decode())
        launch = ("/bin/sh", "-c", _LAUNCH, "sh", self._mark.decode())
        self.argv = ("sudo", "-H", *asking, "-u", become.user, "--", *launch, *argv)
        self.started = False
        self.wants_password = False
        self._asked = False
        self._held: dict[Stream, bytes] = {Stream.STDOUT: b"", Stream.STDERR: b""}

    @property
    def interactive(self) -> bool:
        """Whether the command's own stdin must wait until it has started."""
        return self._become.password is not None

    def password(self) -> bytes:
        """The line for sudo, once."""
        assert self._become.password is not None
        self.wants_password = False
        return self._become.password.text.encode() + b"\n"

    def feed(self, stream: Stream, data: bytes) -> tuple[tuple[Stream, bytes], ...]:
        """What of this is the command's. Raises BecomeFailed when sudo asks a second time."""
        if self.started:
            return ((stream, data),)
        self._held[stream] += data
        self._look_for_prompt(stream)
        _, found, after = self._held[stream].partition(self._mark)
        if not found or b"\n" not in after:  # the mark's own line end may come later
            if sum(map(len, self._held.values())) > _LONGEST_PREFACE:
                raise BecomeFailed("sudo wrote much and started nothing")
            return ()
        self.started = True
        other = Stream.STDOUT if stream is Stream.STDERR else Stream.STDERR
        own = after.partition(b"\n")[2]
        kept = ((other, self._held[other]), (stream, own))
        self._held = {}
        return tuple((name, part) for name, part in kept if part)

    def _look_for_prompt(self, stream: Stream) -> None:
        before, found, after = self._held[stream].partition(self._prompt)
        if not found:
            return
        if self._asked:
            raise BecomeFailed("sudo did not take the password")
        self._asked = self.wants_password = True
        self._held[stream] = before + after

    def refusal(self) -> BecomeFailed:
        """Why nothing was started, in sudo's words."""
        said = (self._held[Stream.STDERR] or self._held[Stream.STDOUT]).decode(errors="replace")
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        # sudo's own lines; what it hands through (a refusal by policy, after the lecture) has its word last
        words = " ".join([line for line in lines if line.startswith("sudo:")] or lines[-1:])
        hint = "let this user sudo without a password, or give one" if self._become.password is None else None
        return BecomeFailed(words[:400] or "sudo said nothing", hint=hint)
