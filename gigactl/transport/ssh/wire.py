"""The one place that leans on paramiko's non-public parts: its protocol code, our socket, keys, channels and events.

Everything in here runs in the connection's own thread, except what says otherwise. The thread never polls and holds
no lock over a wait; the loop reaches it through `post`, it reaches the loop through `notify`. tests/transport/ssh hold
these parts to a real sshd.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from _thread import start_new_thread
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import paramiko
from paramiko import common
from paramiko.auth_handler import AuthHandler
from paramiko.message import Message
from paramiko.packet import Packetizer
from paramiko.ssh_exception import PartialAuthentication

from gigactl.transport.ssh.channel import BY_MESSAGE, NOBODY, Channel, ChannelListener, Opening
from gigactl.transport.ssh.socket import WakeableSocket

# curve25519 and AES-GCM first: 0.12 ms of crypto per login, where paramiko's own order picks AES-CTR and an HMAC
KEX = (
    "curve25519-sha256@libssh.org",
    "mlkem768x25519-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
)
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_AGENT_S = 15.0
"""Seconds an agent may take for one answer; it may ask its owner first."""
LARGEST_PACKET = 256 << 10
"""Bytes of one packet beyond which a host is not believed (OpenSSH's PACKET_MAX_SIZE)."""


class HostKeyRejected(paramiko.SSHException):
    """The host showed a key that is not on record. `blob` is that key."""

    def __init__(self, blob: bytes) -> None:
        super().__init__("host key rejected")
        self.blob = blob


class KeysRefused(paramiko.SSHException):
    """The host took none of our keys. `methods`: what it would take, where it said so."""

    def __init__(self, methods: Sequence[str]) -> None:
        super().__init__("no key accepted")
        self.methods = tuple(methods)


class Disconnected(paramiko.SSHException):
    """The host said goodbye, with its reason."""


class Listener(Protocol):
    """Who hears of one connection; called in the loop."""

    def ready(self) -> None:
        """The host is who it should be, and, where keys were given, took one."""

    def finished(self, error: Exception | None) -> None:
        """The thread is over; nothing follows."""


@dataclass(frozen=True, slots=True)
class Hello:
    """How to present ourselves: whose keys we take, who we are."""

    accepts: Callable[[bytes], bool]
    host_key_types: tuple[str, ...]
    user: str = ""
    keys: tuple[paramiko.PKey, ...] = ()


class _Event:
    """Stands where paramiko wants a threading.Event; setting it goes on with the work, in the same thread."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def set(self) -> None:
        self._then()


class _Packetizer(Packetizer):
    """Without the Timer thread per handshake: phase limits are the loop's."""

    def start_handshake(self, timeout: float) -> None:
        del timeout

    def complete_handshake(self) -> None:
        pass

    def handshake_timed_out(self) -> bool:
        return False

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        if n > LARGEST_PACKET:
            raise paramiko.SSHException(f"packet of {n} bytes")
        return super().read_all(n, check_rekey)


class _Login(AuthHandler):
    """Sends its request with the service request, not after its answer: one round trip fewer."""

    transport: Wire

    def _request_auth(self) -> None:
        wire = self.transport
        if not wire.service_asked:
            wire.service_asked = True
            super()._request_auth()  # type: ignore[misc]  # not in the stubs
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]  # not in the stubs

    def _parse_service_accept(self, m: Message) -> None:
        """The answer we did not wait for."""


class Wire(paramiko.Transport):
    """One SSH connection and its thread. `begin` starts it; the listener hears `ready`, then `finished`."""

    _send_message: Callable[[Message], None]
    _handler_table: dict[int, Callable[[Message], None]]
    _channels: Any
    _next_channel: Callable[[], int]
    active: bool

    _preferred_kex = tuple(
        name
        for name in KEX
        if name in paramiko.Transport._kex_info  # type: ignore[attr-defined]  # not in the stubs
    )
    _channel_handler_table = BY_MESSAGE

    def __init__(self, sock: socket.socket, hello: Hello, listener: Listener, loop: AbstractEventLoop) -> None:
        self._hello = hello
        self._listener = listener
        self._loop = loop
        self._notices: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._posted: deque[Callable[[], None]] = deque()
        self._deferred: list[Message] = []
        self._open_channels: dict[int, Channel] = {}
        self._keys_left: Iterator[paramiko.PKey] = iter(hello.keys)
        self._methods: Sequence[str] = ()
        self._ready = False
        self.service_asked = False
        self._sock = WakeableSocket(sock, before_sleep=self._tell, on_wake=self._work)
        super().__init__(self._sock, packetizer_class=_Packetizer)  # type: ignore[arg-type]  # paramiko asks for no more
        self._handler_table[common.MSG_CHANNEL_OPEN_SUCCESS] = self._channel_confirmed
        self._handler_table[common.MSG_CHANNEL_OPEN_FAILURE] = self._channel_refused
        # phases are limited by the loop, which shuts the socket down
        self.banner_timeout = self.handshake_timeout = threading.TIMEOUT_MAX

    # called from the loop

    def begin(self) -> None:
        self.active = True
        # not Thread.start: it waits for the thread to come up, which at 64 at once is a third of the loop's time
        start_new_thread(self.run, ())

    def post(self, work: Callable[[], None]) -> None:
        """Run `work` soon in this connection's thread."""
        self._posted.append(work)
        if len(self._posted) == 1:  # else the thread is about to look at them anyway
            self._sock.wake()

    def finish(self) -> None:
        """End once what was posted before has gone out. The listener hears `finished`."""
        self.post(self._sock.finish)

    def abort(self) -> None:
        """End now, whatever is going on. The listener still hears `finished`."""
        self._sock.shutdown()

    @property
    def stage(self) -> str:
        """How far it has come."""
        if not self.remote_version:
            return "its SSH banner"
        return "the login" if self.initial_kex_done else "the key exchange"

    def open(self, opening: Opening, listener: ChannelListener) -> Channel:
        """A new channel; its listener hears `opened` or `refused`."""
        number = self._next_channel()
        channel = Channel(self, number, opening, listener)
        self._open_channels[number] = channel  # paramiko's own map holds them weakly
        self._channels.put(number, channel)
        self.channels_seen[number] = True
        self.post(channel.request_open)
        return channel

    # called in this connection's thread

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._sock.close()
            for channel in list(self._open_channels.values()):
                channel._unlink()
            error, self.saved_exception = self.saved_exception, None
            self.notify(self._listener.finished, None if error is None else error.with_traceback(None))
            self._tell()
            self._let_go()

    def _let_go(self) -> None:
        """Cut the circles through this object: finished connections are freed now, not when the collector comes by."""
        self._handler_table.clear()
        self._posted.clear()
        self.auth_handler = self.kex_engine = None
        self._listener = NOBODY

    def notify(self, call: Callable[..., None], *values: Any) -> None:
        """Tell the loop, before this thread sleeps the next time."""
        self._notices.append((call, values))

    def send(self, message: Message) -> None:
        """Send, or keep it until a key exchange that is going on is over."""
        if self.clear_to_send.is_set():
            self._send_message(message)
        else:
            self._deferred.append(message)

    def forget(self, number: int) -> None:
        self._open_channels.pop(number, None)

    def _tell(self) -> None:
        if self._notices:
            notices, self._notices = self._notices, []
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(_call_all, notices)

    def _work(self) -> None:
        while self._posted:
            self._posted.popleft()()

    # paramiko's names

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return self._hello.host_key_types

    @property
    def preferred_kex(self) -> tuple[str, ...]:
        return self._preferred_kex

    @property
    def preferred_ciphers(self) -> tuple[str, ...]:
        return CIPHERS

    @property
    def preferred_macs(self) -> tuple[str, ...]:
        return MACS

    def _log(self, level: int, msg: str | list[str], *args: object) -> None:
        """paramiko logs every packet; formatting that is a tenth of a connection's cost."""

    def _parse_debug(self, m: Message) -> None:
        """sshd's notes on authorized_keys options; making them printable is another tenth."""

    def _check_banner(self) -> None:
        try:
            super()._check_banner()  # type: ignore[misc]  # not in the stubs
        except paramiko.SSHException as error:
            if isinstance(error.__context__, EOFError | OSError):
                raise error.__context__ from None  # hung up: sshd does that when it is busy
            raise

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        if not self._hello.accepts(host_key):
            raise HostKeyRejected(host_key)
        super()._verify_key(host_key, sig)  # type: ignore[misc]  # not in the stubs

    def _parse_newkeys(self, m: Message) -> None:
        super()._parse_newkeys(m)  # type: ignore[misc]  # not in the stubs
        deferred, self._deferred = self._deferred, []
        for message in deferred:
            self._send_message(message)
        if self._ready:
            return
        self._ready = True
        if self._hello.keys:
            self._try_next_key()
        else:
            self.notify(self._listener.ready)

    def _try_next_key(self) -> None:
        key = next(self._keys_left, None)
        if key is None:
            raise KeysRefused(self._methods)
        self.auth_handler = _Login(self)
        answered = _Event(self._answered)
        self.auth_handler.auth_publickey(
            self._hello.user,
            key,
            answered,  # type: ignore[arg-type]  # the stubs want a threading.Event; only `set` is called
        )

    def _answered(self) -> None:
        if not self.active:
            return  # paramiko wakes waiters when the connection is over; `finished` tells
        if self.is_authenticated():
            self.notify(self._listener.ready)
            return
        if isinstance(self.saved_exception, (paramiko.BadAuthenticationType, PartialAuthentication)):
            self._methods = tuple(self.saved_exception.allowed_types)
        self.saved_exception = None
        self._try_next_key()

    def _parse_disconnect(self, m: Message) -> None:
        m.get_int()
        self.saved_exception = Disconnected(m.get_text())

    def _channel_confirmed(self, m: Message) -> None:
        number, remote, room, largest = m.get_int(), m.get_int(), m.get_int(), m.get_int()
        channel = self._open_channels.get(number)
        if channel is not None:
            channel.confirmed(remote, room, largest)
            return
        close = Message()  # whoever wanted it has left
        close.add_byte(common.cMSG_CHANNEL_CLOSE)
        close.add_int(remote)
        self.send(close)

    def _channel_refused(self, m: Message) -> None:
        channel = self._open_channels.pop(m.get_int(), None)
        m.get_int()
        if channel is not None:
            channel.refused(m.get_text())


def _call_all(notices: list[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
    for call, values in notices:
        call(*values)


class Agent(paramiko.Agent):
    """An ssh-agent shared by many connections: a socket per question, so that none waits for another's."""

    def __init__(self, path: str) -> None:
        paramiko.agent.AgentSSH.__init__(self)  # Agent's own takes the path from the environment
        self._path = path
        self._connect(None)  # type: ignore[attr-defined]  # not in the stubs; asks for the keys

    def _send_message(self, msg: Message | bytes) -> tuple[int, Message]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_AGENT_S)
            connection.connect(self._path)
            asking: Any = paramiko.agent.AgentSSH()
            asking._conn = connection
            answer: tuple[int, Message] = asking._send_message(msg)
            return answer
