"""Removes every trace of gigactl from a host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from gigactl.errors import ReplyInvalid
from gigactl.inventory.model import Host
from gigactl.remote.bundle import PLACES
from gigactl.transport.base import Become, Connection, Deadline, Exec, Stream
from gigactl.transport.dialogue import Effect

# `--` and the test for a real directory: a link somebody planted there is removed, not followed
_SCRIPT = (
    'for p in "$@"; do case $p in "~") p=${XDG_CACHE_HOME:-$HOME/.cache}/gigactl;; esac; '
    'case $p in /*/gigactl) if [ -e "$p" ] || [ -L "$p" ]; then rm -rf -- "$p" && echo "$p"; fi;; esac; done; '
    'p=/dev/shm/gigactl-reader-$(id -u); if [ -e "$p" ]; then rm -f -- "$p" && echo "$p"; fi'
)


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed from a host, by path."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clean:
    """Removes bundles and lock files; yields one Removed. Removing what is gone is no error, so it may be repeated."""

    become: Become | None = None
    places: tuple[str, ...] = PLACES

    @property
    def effect(self) -> Effect:
        return Effect.RESUMABLE

    async def speak(self, host: Host, connection: Connection, deadline: Deadline) -> AsyncIterator[Removed]:
        become = self.become or (Become(host.become) if host.become else None)
        asked = Exec(("sh", "-c", _SCRIPT, "gigactl", *self.places), become=become, limit_bytes=1 << 16)
        output = {Stream.STDOUT: b"", Stream.STDERR: b""}
        async with connection.start(asked, deadline) as process:
            async for stream, chunk in process.chunks():
                output[stream] += chunk
            ended = await process.exit()
        if ended.code != 0:
            said = " ".join(output[Stream.STDERR].decode("utf-8", "replace").split())
            raise ReplyInvalid(f"could not remove everything: {said[:300]}")
        paths = output[Stream.STDOUT].decode("utf-8", "replace").splitlines()
        yield Removed(tuple(path for path in paths if path.isprintable()))
