"""Writing a file on a host with nothing but a POSIX shell and coreutils there: temporary name, digest, rename."""

from __future__ import annotations

from gigactl.errors import HostError
from gigactl.transport.base import Become, Blob, Connection, Deadline, Exec, Stream

_SCRIPT = """
umask 077
temporary="$1.$$.part"
trap 'rm -f -- "$temporary"' EXIT
trap 'exit 1' HUP INT TERM PIPE
cat > "$temporary" || exit 1
sum=$(sha256sum < "$temporary") || exit 1
[ "${sum%% *}" = "$2" ] || { echo "what arrived is not what was sent" >&2; exit 1; }
chmod -- "$3" "$temporary" && mv -fT -- "$temporary" "$1"
"""
_LONGEST_COMPLAINT = 4096


async def place(
    connection: Connection, blob: Blob, path: str, deadline: Deadline, mode: int, become: Become | None
) -> None:
    """Write `blob` to `path` with `mode`. Raises HostError in the host's words when it cannot."""
    argv = ("/bin/sh", "-c", _SCRIPT, "sh", path, blob.digest, f"{mode:o}")
    exec = Exec(argv, stdin=blob.data, become=become, limit_bytes=_LONGEST_COMPLAINT)
    said = b""
    async with connection.start(exec, deadline) as process:
        async for stream, data in process.chunks():
            said += data if stream is Stream.STDERR else b""
        ended = await process.exit()
    if ended.code != 0:
        words = " ".join(said.decode(errors="replace").split())
        raise HostError(f"could not write {path}: {words or ended.signal or ended.code}")
