"""What paramiko takes for its socket: reads ahead, gathers writes, sleeps until the network or the loop has something.

One thread owns it. There is no timeout in it and no polling: whoever wants it to end shuts it down.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Final

READ_AHEAD: Final = 64 << 10
GATHER: Final = 64 << 10
"""Bytes written before they must go out; below it they wait for the next read, so that one segment carries them all."""
_QUICKACK: Final = getattr(socket, "TCP_QUICKACK", None)


class WakeableSocket:
    """Wraps a connected, non-blocking socket.

    `before_sleep` runs before each wait, `on_wake` after `wake()` was called from another thread; both in the owner's
    thread.
    """

    def __init__(self, sock: socket.socket, before_sleep: Callable[[], None], on_wake: Callable[[], None]) -> None:
        self._sock = sock
        self._before_sleep = before_sleep
        self._on_wake = on_wake
        self._read = b""
        self._written = bytearray()
        self._wake_lock = threading.Lock()
        self._wake_in, self._wake_out = os.pipe()
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)
        self._poll.register(self._wake_in, select.POLLIN)
        self._tcp = sock.family in {socket.AF_INET, socket.AF_INET6}
        if self._tcp:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._acknowledge()

    def _acknowledge(self) -> None:
        # sshd's Nagle against our delayed ACK costs 40 ms at channel-open; the kernel clears this flag on its own
        if self._tcp and _QUICKACK is not None:
            self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def recv(self, count: int) -> bytes:
        """Up to `count` bytes, waiting for the first; empty at the end of the stream."""
        if not self._read:
            self._read = self._receive()
        taken, self._read = self._read[:count], self._read[count:]
        return taken

    def _receive(self) -> bytes:
        while True:
            self._before_sleep()
            self._flush()
            ready = {fd for fd, _ in self._poll.poll()}
            if self._wake_in in ready:
                os.read(self._wake_in, 4096)
                self._on_wake()
            if self._sock.fileno() not in ready:
                continue
            with contextlib.suppress(BlockingIOError):
                data = self._sock.recv(READ_AHEAD)
                self._acknowledge()
                return data

    def send(self, data: bytes) -> int:
        """Takes all of `data`; waits only when much is unsent."""
        self._written += data
        if len(self._written) >= GATHER:
            self._flush()
        return len(data)

    def _flush(self) -> None:
        while self._written:
            try:
                sent = self._sock.send(self._written)
            except BlockingIOError:
                writable = select.poll()
                writable.register(self._sock.fileno(), select.POLLOUT)
                writable.poll()
                continue
            del self._written[:sent]

    def wake(self) -> None:
        """From any thread: `on_wake` runs soon in the owner's thread."""
        with self._wake_lock:
            if self._wake_out >= 0:
                os.write(self._wake_out, b"!")

    def finish(self) -> None:
        """By the owner: send what is unsent, then end."""
        self._flush()
        self.shutdown()

    def shutdown(self) -> None:
        """From any thread: whatever the owner waits for ends now."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """By the owner, or when no thread was started."""
        with self._wake_lock:
            if self._wake_out < 0:
                return
            os.close(self._wake_in)
            os.close(self._wake_out)
            self._wake_in = self._wake_out = -1
        self._sock.close()
        self._before_sleep = self._on_wake = _nothing  # no circle through the owner

    def settimeout(self, seconds: float | None) -> None:
        """paramiko sets one so as to poll; here nothing polls."""

    @property
    def _closed(self) -> bool:  # the name paramiko asks a socket for
        return self._wake_out < 0


def _nothing() -> None:
    pass
