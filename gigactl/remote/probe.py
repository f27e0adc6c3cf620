"""The probe as a dialogue: one exec once the payload is on the host, two to bring it there, nvidia-smi where no
Python is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec

from gigactl.errors import ConnectionLost, DeadlineExceeded, ReplyInvalid
from gigactl.inventory.model import Host
from gigactl.payload.schema import PROTOCOL, KernelCursor, ProbeRequest, Snapshot
from gigactl.remote.bundle import PLACES, command, probe_bundle
from gigactl.remote.heard import Heard
from gigactl.remote.reply import LIMIT_BYTES, Assembly
from gigactl.remote.smi import without_python
from gigactl.transport.base import Become, Connection, Deadline, Exec
from gigactl.transport.dialogue import CutShort, Effect

ENTRY = "gigactl.payload.probe"
# what the host's own deadline leaves for its last lines to reach us: a tenth of what is left, within these bounds
_WAY_BACK = (0.5, 3.0)


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at a host: yields exactly one Snapshot.

    `cursors`: where an earlier look at a host's kernel log ended, by host name. `become` None: what the inventory
    names for the host. `reading_deadline_s`: seconds one NVML reading or section of facts may take; real ones take
    milliseconds, a GPU's first handle without persistence mode seconds (the payload allows for that). Raises
    HostError.
    """

    become: Become | None = None
    cursors: Mapping[str, KernelCursor] = field(default_factory=dict)
    reading_deadline_s: float = 5.0
    kernel_limit_bytes: int = 5 << 20
    places: tuple[str, ...] = PLACES

    @property
    def effect(self) -> Effect:
        """It changes nothing on the host but its own cache."""
        return Effect.READ

    async def speak(self, host: Host, connection: Connection, deadline: Deadline) -> AsyncIterator[Snapshot]:
        become = self.become or (Become(host.become) if host.become else None)
        assembly = await self._ask(host, connection, deadline, become, carried=False)
        if assembly.asked == "need-bundle":
            assembly = await self._ask(host, connection, deadline, become, carried=True)
        if assembly.asked == "no-python":
            yield await without_python(connection, deadline, become, self.cursors.get(host.name))
            return
        yield assembly.snapshot()

    async def _ask(
        self, host: Host, connection: Connection, deadline: Deadline, become: Become | None, *, carried: bool
    ) -> Assembly:
        deadline.check("asking for the snapshot")
        bundle = probe_bundle()
        request = msgspec.json.encode(self._request(host, deadline)) + b"\n"
        asked = Exec(
            argv=command(bundle, ENTRY, self.places, carried=carried),
            stdin=(bundle.data if carried else b"") + request,
            become=become,
            limit_bytes=LIMIT_BYTES,
        )
        assembly = Assembly()
        heard = Heard(take=assembly.feed)
        try:
            await heard.all_of(connection, asked, deadline)
        except ConnectionLost as lost:
            # what came before a cut is still true, but less than another attempt may give
            if assembly.worth_keeping:
                raise CutShort(lost, assembly.snapshot()) from None
            raise
        except DeadlineExceeded:
            if not assembly.worth_keeping:
                raise
        if not (assembly.worth_keeping or assembly.asked == "no-python" or (assembly.asked and not carried)):
            said = "after its greeting" if assembly.begun else "without a word"
            raise ReplyInvalid(f"the probe ended {said} ({heard.how}): {heard.complaint}")
        return assembly

    def _request(self, host: Host, deadline: Deadline) -> ProbeRequest:
        left = deadline.remaining()
        way_back = min(max(left / 10, _WAY_BACK[0]), _WAY_BACK[1], left / 2)
        return {
            "protocol": PROTOCOL,
            "deadline_s": max(left - way_back, 0.1),
            "reading_deadline_s": self.reading_deadline_s,
            "kernel_cursor": self.cursors.get(host.name),
            "kernel_limit_bytes": self.kernel_limit_bytes,
        }
