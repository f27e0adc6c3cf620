"""Removes every trace of gigactl from a host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from gigactl.errors import ReplyInvalid
from gigactl.inventory.model import Host
from gigactl.remote.bundle import PLACES
from gigactl.remote.heard import Heard
from gigactl.transport.base import Become, Connection, Deadline, Exec
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
        heard = Heard(1 << 16)
        await heard.all_of(connection, asked, deadline)
        if heard.code != 0:
            raise ReplyInvalid(f"could not remove everything ({heard.how}): {heard.complaint}")
        paths = heard.stdout.decode("utf-8", "replace").splitlines()
        yield Removed(tuple(path for path in paths if path.isprintable()))
