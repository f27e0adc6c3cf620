"""Every way an SSH connection fails, in gigactl's words: the one place where paramiko's exceptions are translated."""

from __future__ import annotations

import errno
import socket

import paramiko

from gigactl.errors import (
    AddressUnknown,
    AuthenticationFailed,
    ConnectionLost,
    ConnectRefused,
    ConnectTimeout,
    HostError,
    HostKeyChanged,
    HostKeyUnknown,
    NegotiationFailed,
    NoRoute,
)
from gigactl.transport.ssh.known_hosts import Known, fingerprint, key_type
from gigactl.transport.ssh.wire import Disconnected, HostKeyRejected, KeysRefused

_NO_WAY_NOW = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_NO_WAY = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL})


def connecting(where: str, error: OSError) -> HostError:
    """A TCP connection that did not come to be."""
    words = error.strerror or str(error)
    if isinstance(error, ConnectionRefusedError):
        return ConnectRefused(where)
    if isinstance(error, TimeoutError):
        return ConnectTimeout(f"{where}: {words}")
    if error.errno in _NO_WAY_NOW:
        return NoRoute(f"{where}: {words}")
    if error.errno in _NO_WAY:
        return AddressUnknown(f"{where}: {words}")
    return ConnectRefused(f"{where}: {words}")  # reset, aborted: something was there and hung up


def resolving(where: str, error: OSError | UnicodeError) -> AddressUnknown:
    """A name that has no address, or cannot be a name."""
    if isinstance(error, UnicodeError):
        return AddressUnknown(f"{where}: not a host name")
    words = f"{where}: {error.strerror or error}"
    return NoRoute(words) if error.errno == socket.EAI_AGAIN else AddressUnknown(words)


def key_rejected(where: str, blob: bytes, known: Known) -> HostError:
    """The host's key is not the one on record, or there is none."""
    shown = f"{where} shows {key_type(blob)} {fingerprint(blob)}"
    if blob in known.revoked:
        return HostKeyChanged(f"{shown}, which is marked @revoked", hint="find out who uses a revoked key")
    if known.keys:
        recorded = ", ".join(f"{key_type(key)} {fingerprint(key)}" for key in known.keys)
        return HostKeyChanged(f"{shown}; on record is {recorded} ({', '.join(known.places)})")
    if known.authorities:
        return HostKeyUnknown(f"{shown}; only a certificate authority is on record, and those are not supported")
    return HostKeyUnknown(f"{shown}; no key of it is on record")


def establishing(where: str, user: str, error: Exception | None, known: Known, tried: str) -> HostError:
    """A session that was not established: key exchange, host key or login."""
    if isinstance(error, HostKeyRejected):
        return key_rejected(where, error.blob, known)
    if isinstance(error, KeysRefused):
        return login_refused(where, user, error.methods, tried)
    if isinstance(error, Disconnected) and "authentication" in str(error).lower():
        return AuthenticationFailed(f"{user}@{where}: {error}; tried {tried}")
    if isinstance(error, EOFError | OSError) or error is None:
        return ConnectRefused(f"{where}: the host hung up before the session was established")
    if isinstance(error, Disconnected):
        return ConnectRefused(f"{where}: the host said {str(error)!r} before the session was established")
    return NegotiationFailed(f"{where}: {error}")


def login_refused(where: str, user: str, methods: tuple[str, ...], tried: str) -> AuthenticationFailed:
    """No key was taken; says which were tried, and which could not be."""
    wants = f"; it would take {', '.join(methods)}" if methods and "publickey" not in methods else ""
    return AuthenticationFailed(
        f"{user}@{where}: tried {tried}{wants}",
        hint=f"put one of the public keys into ~{user}/.ssh/authorized_keys, or name the right key and user",
    )


def lost(where: str, error: Exception | None) -> ConnectionLost:
    """An established session that was cut."""
    if error is None or isinstance(error, EOFError):
        return ConnectionLost(f"{where}: the host hung up")
    if isinstance(error, OSError):
        return ConnectionLost(f"{where}: {error.strerror or error}")
    return ConnectionLost(f"{where}: {error}")


def key_file(path: str, error: Exception) -> str:
    """Why a private key cannot be used."""
    if isinstance(error, paramiko.PasswordRequiredException) or "password" in str(error).lower():
        return f"{path} is encrypted (add it to an agent: ssh-add {path})"
    if isinstance(error, OSError):
        return f"{path}: {error.strerror or error}"
    return f"{path} is not a private key gigactl can read: {error}"
