"""Removes every trace of gigactl from a host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gigactl.errors import ReplyInvalid
from gigactl.inventory.model import Host
from gigactl.remote.bundle import PLACES
from gigactl.remote.heard import Heard
from gigactl.transport.base import Become, Connection, Deadline, Exec
from gigactl.transport.dialogue import Effect

# `--` and no look behind a link: one that somebody planted there is removed, not followed. The lock of a reader that is
# at work stays, and is said: without it the next probe would start a second reader beside the first.
_SCRIPT = """
bad=0
there() { [ -e "$1" ] || [ -L "$1" ]; }
held() {
  [ -f "$1" ] && [ ! -L "$1" ] && command -v flock >/dev/null 2>&1 || return 1
  flock -n "$1" true && return 1
  echo "$1 is held by a probe that is at work" >&2; bad=1
}
gone() { there "$1" || return 0; if rm -rf -- "$1" && ! there "$1"; then echo "$1"; else bad=1; fi; }
for p in "$@"; do
  case $p in "~") p=${XDG_CACHE_HOME:-$HOME/.cache}/gigactl;; esac
  case $p in /*/gigactl) ;; *) continue;; esac
  if [ ! -L "$p" ] && held "$p/reader"; then
    for q in "$p"/* "$p"/.[!.]*; do [ "$q" = "$p/reader" ] || gone "$q"; done
  else
    gone "$p"
  fi
done
p=/dev/shm/gigactl-reader-$(id -u)
held "$p" || gone "$p"
exit $bad
"""


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed from a host, by path."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clean:
    """Removes bundles and lock files, also the login user's where it is to become another; yields one Removed.

    Removing what is gone is no error, so it may be repeated. Raises ReplyInvalid when something was left.
    """

    become: Become | None = None
    places: tuple[str, ...] = PLACES

    @property
    def effect(self) -> Effect:
        return Effect.RESUMABLE

    async def speak(self, host: Host, connection: Connection, deadline: Deadline) -> AsyncIterator[Removed]:
        become = self.become or (Become(host.become) if host.become else None)
        paths = await self._remove(connection, deadline, become, self.places)
        if become is not None:
            # what a probe left that was not elevated
            paths += await self._remove(connection, deadline, None, [place for place in self.places if place == "~"])
        yield Removed(tuple(dict.fromkeys(path for path in paths if path.isprintable())))

    @staticmethod
    async def _remove(
        connection: Connection, deadline: Deadline, become: Become | None, places: Sequence[str]
    ) -> list[str]:
        asked = Exec(("sh", "-c", _SCRIPT, "gigactl", *places), become=become, limit_bytes=1 << 16)
        heard = Heard(1 << 16)
        await heard.all_of(connection, asked, deadline)
        if heard.code != 0:
            raise ReplyInvalid(f"could not remove everything ({heard.how}): {heard.complaint}")
        return heard.stdout.decode("utf-8", "replace").splitlines()
