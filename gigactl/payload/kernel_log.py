"""The kernel log of this boot from a cursor on: /dev/kmsg first (it costs no process), the journal where that begins
too late.

The host keeps nothing: the cursor (boot id and microseconds since that boot) comes with the request and goes back
with the reply.
"""

import errno
import os
import stat

from gigactl.payload import kernel_lines, protocol, spawn, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Sequence

# newest first, so that reading stops as soon as the cursor or the limit is reached; the short form is for systemd
# before 236
JOURNAL = ("journalctl", "-k", "-b", "-r", "-q", "--no-pager", "-o", "export")
FIELDS = "--output-fields=MESSAGE,SYSLOG_FACILITY,_SOURCE_MONOTONIC_TIMESTAMP"
KEPT = 1000  # events told: an application that fails can write an Xid per thread, and what counts is kind, code and GPU
KEPT_BYTES = protocol.LINE_LIMIT // 2  # of all events as JSON; the rest of the line is short
CURES = ("gpu-reset", "driver-load", "gpu-address")  # they decide what of the rest still counts
BOOT_BEGINS = 1000000  # microseconds: the kernel's first line stands at 0, the journal may miss the very first


class Found:
    """What one source gave. `first` and `last`: microseconds since boot of its oldest and newest line, -1 where it
    has none.

    `whole`: nothing older than `first` was ever logged, or all of it was seen before. `error`: why it could not be
    read.
    """

    def __init__(self, error: str = "") -> None:
        self.events: "List[Dict[str, Any]]" = []
        self.first = -1
        self.last = -1
        self.whole = False
        self.error = error
        self.cut = ""


def read(
    root: str,
    boot_id: str,
    cursor: "Optional[Dict[str, Any]]",
    limit: int,
    seconds: float,
    journal: "Sequence[str]" = JOURNAL,
) -> "Dict[str, Any]":
    """The KernelLog line. `limit`: newest bytes read of each source; `seconds`: for the journal, if it is needed."""
    after = cursor["usec"] if cursor is not None and cursor["boot_id"] == boot_id else -1
    near = from_kmsg(tree.join(root, "/dev/kmsg"), after, limit)
    deep = Found()
    if not near.whole:
        deep = from_journal(journal, after, near.first, limit, seconds)
    return _told(boot_id, after, near, deep)


def from_lines(boot_id: str, after: int, text: str) -> "Dict[str, Any]":
    """The KernelLog line from records of /dev/kmsg read by other means: the first, the last, and those about GPUs."""
    near = Found()
    lines = list(dict.fromkeys(text.encode("utf-8", "replace").split(b"\n")))
    sequence = scan(lines, after, near)
    near.whole = near.first >= 0 and (sequence == 0 or near.first <= after)
    near.error = "" if near.first >= 0 else "no-permission"
    return _told(boot_id, after, near, Found())


def _told(boot_id: str, after: int, near: "Found", deep: "Found") -> "Dict[str, Any]":
    seen = [name for name, found in (("kmsg", near), ("journal", deep)) if found.first >= 0]
    gap = "" if near.whole or deep.whole else _gap(near, deep)
    unread = "" if seen else _unread(near, deep)
    events = deep.events + near.events
    kept = fewer(events)
    if len(kept) < len(events):
        dropped = "%d of %d events are left out, the first of each kind is not" % (len(events) - len(kept), len(events))
        gap = gap + ", " + dropped if gap else dropped
    return {
        "type": "kernel",
        "source": "+".join(seen) or "none",
        "gap": bool(gap) and not unread,
        "gap_reason": "" if unread else gap,
        "unread": unread,
        "cursor": {"boot_id": boot_id, "usec": max(near.last, deep.last, after, 0)},
        "events": kept,
    }


def fewer(events: "List[Dict[str, Any]]") -> "List[Dict[str, Any]]":
    """The events that one line can carry, in their order: the first of each kind, code and GPU, then what cures, then
    the newest."""
    firsts: "Dict[Any, int]" = {}
    for at, event in enumerate(events):
        firsts.setdefault((event["kind"], event["code"], event["pci"]), at)
    newest = range(len(events) - 1, -1, -1)
    cures = [at for at in newest if events[at]["kind"] in CURES]
    kept, room = [], KEPT_BYTES
    for at in list(dict.fromkeys([*firsts.values(), *cures, *newest]))[:KEPT]:
        room -= len(protocol.encode(events[at]))
        if room < 0:
            break
        kept.append(at)
    return [events[at] for at in sorted(kept)]


def from_kmsg(path: str, after: int, limit: int) -> "Found":
    """Lines after `after` from the ring buffer. A device gives a record per read and then EAGAIN; a recorded file
    just ends."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Found(_errno(error))
    found = Found()
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_size > limit:
            os.lseek(fd, status.st_size - limit, os.SEEK_SET)
            found.cut = "only the newest %d bytes were read" % limit
        lines = _records(fd).split(b"\n")
    except OSError as error:
        return Found(_errno(error))
    finally:
        os.close(fd)
    sequence = scan(lines[1:] if found.cut else lines, after, found)
    found.whole = not found.cut and found.first >= 0 and (sequence == 0 or found.first <= after)
    return found


def _records(fd: int) -> bytes:
    parts = []
    while True:
        try:
            part = os.read(fd, 65536)
        except OSError as error:
            if error.errno == errno.EPIPE:  # overwritten while we read: the next read goes on with the oldest kept
                continue
            if error.errno == errno.EAGAIN:
                break
            raise
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def scan(lines: "Iterable[bytes]", after: int, found: "Found") -> int:
    """Fill `found` from /dev/kmsg's records `prio,sequence,usec,flags;text`; return the first sequence number (-1
    without a record)."""
    first_sequence = -1
    for line in lines:
        head, mark, text = line.partition(b";")
        if not mark or line[:1] == b" ":  # a continuation line: the record's dictionary
            continue
        parts = head.split(b",", 3)
        try:
            prio, sequence, usec = int(parts[0]), int(parts[1]), int(parts[2])
        except (ValueError, IndexError):
            continue
        if found.first < 0:
            found.first, first_sequence = usec, sequence
        found.last = max(found.last, usec)
        # facility kernel is 0, and the kernel never lets user space write with it
        if prio >> 3 == 0 and usec > after and (b"NVRM" in text or b"SXid" in text or b"GPU reset" in text):
            event = kernel_lines.parse(usec, _unescaped(text))
            if event is not None:
                found.events.append(event)
    return first_sequence


def _unescaped(text: bytes) -> str:
    r"""The text of a kmsg record: unprintable bytes come as \xNN."""
    if b"\\x" in text:
        pieces = text.split(b"\\x")
        out = [pieces[0]]
        for piece in pieces[1:]:
            try:
                out.append(bytes((int(piece[:2], 16),)) + piece[2:])
            except ValueError:
                out.append(b"\\x" + piece)
        text = b"".join(out)
    return text.decode("utf-8", "replace")


def from_journal(argv: "Sequence[str]", after: int, before: int, limit: int, seconds: float) -> "Found":
    """Kernel lines of this boot after `after` and before `before` (-1: no end) from the journal, oldest first."""

    def not_yet(chunk: bytes) -> bool:
        # a stamp that a chunk's end cut in two reads too small
        at = chunk.rfind(b"_MONOTONIC_TIMESTAMP=", 0, chunk.rfind(b"\n") + 1)
        return at < 0 or _integer(chunk[at + 21 :].split(b"\n", 1)[0], after + 1) > after

    try:
        code, data = spawn.run((*argv, FIELDS), seconds, limit, not_yet)
        if code not in (0, None) and not data:
            code, data = spawn.run(tuple(argv), seconds, limit, not_yet)
    except OSError as error:
        return Found("no journalctl" if error.errno == errno.ENOENT else _errno(error))
    found = Found()
    entries = data.split(b"\n\n")
    if code is None:
        entries = entries[:-1]  # cut in mid-entry
    for entry in reversed(entries):
        _journal_entry(entry, after, before, found)
    found.whole = found.first >= 0 and (found.first <= after or (after < 0 and code == 0 and found.first < BOOT_BEGINS))
    if found.first < 0:
        found.error = "the journal shows no kernel lines of this boot"
    elif code is None and not found.whole:
        found.cut = "only the newest %d bytes of the journal were read" % len(data)
    return found


def _journal_entry(entry: bytes, after: int, before: int, found: "Found") -> None:
    usec = _field(entry, b"_SOURCE_MONOTONIC_TIMESTAMP", None)
    usec = _integer(_field(entry, b"__MONOTONIC_TIMESTAMP", b"") if usec is None else usec, -1)
    if usec < 0:
        return
    if found.first < 0:
        found.first = usec
    found.last = max(found.last, usec)
    if usec <= after or 0 <= before <= usec or _field(entry, b"SYSLOG_FACILITY", b"0") != b"0":
        return
    event = kernel_lines.parse(usec, _field(entry, b"MESSAGE", b"").decode("utf-8", "replace"))
    if event is not None:
        found.events.append(event)


def _field(entry: bytes, name: bytes, default: "Any") -> "Any":
    """A field of one export entry: `NAME=text`, or `NAME`, a 64-bit length and bytes where the text has newlines in
    it."""
    at = entry.find(name + b"=") if entry.startswith(name + b"=") else entry.find(b"\n" + name + b"=") + 1
    if entry[at : at + len(name) + 1] == name + b"=":
        return entry[at + len(name) + 1 :].split(b"\n", 1)[0]
    at = entry.find(b"\n" + name + b"\n")
    if at < 0:
        return default
    start = at + len(name) + 2
    size = int.from_bytes(entry[start : start + 8], "little")
    return entry[start + 8 : start + 8 + size]


def _integer(text: bytes, default: int) -> int:
    try:
        return int(text)
    except ValueError:
        return default


def _errno(error: "OSError") -> str:
    if error.errno in (errno.EPERM, errno.EACCES):
        return "no-permission"
    return "failed: %s" % os.strerror(error.errno or 0)


def _gap(near: "Found", deep: "Found") -> str:
    if near.first >= 0 and deep.first < 0:
        reason = near.cut or "the ring buffer begins %d s after boot" % (near.first // 1000000)
        return reason + (", " + deep.error if deep.error else "")
    return deep.cut or "the journal begins %d s after boot" % (deep.first // 1000000)


def _unread(near: "Found", deep: "Found") -> str:
    if near.error == "no-permission":
        return "no-permission: neither /dev/kmsg nor the journal"
    return near.error or ("failed: the kernel log is empty" if not deep.error else "failed: " + deep.error)
