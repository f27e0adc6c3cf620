"""TCP to a host, on the loop: no thread while waiting for a host that does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any

from gigactl.errors import AddressUnknown, HostError
from gigactl.transport.ssh import failures

_Found = list[tuple[Any, ...]]


async def dial(address: str, port: int, where: str) -> socket.socket:
    """A connected, non-blocking socket. Tries each address of a name in turn. Raises the Unreachable errors."""
    failure: HostError = AddressUnknown(where)
    for family, kind, protocol, _, place in await _resolve(address, port, where):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, place)
        except OSError as error:
            sock.close()
            failure = failures.connecting(where, error)
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _resolve(address: str, port: int, where: str) -> _Found:
    try:
        return socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    except UnicodeError as error:  # an empty or overlong label, which IDNA refuses
        raise failures.resolving(where, error) from None
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Found] = loop.create_future()

    def ask() -> None:
        try:
            found: _Found | OSError | UnicodeError = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            found = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, found)

    def tell(found: _Found | OSError | UnicodeError) -> None:
        if answer.done():
            return
        if isinstance(found, OSError | UnicodeError):
            answer.set_exception(failures.resolving(where, found))
        else:
            answer.set_result(found)

    # a daemon, not the loop's executor: a resolver that hangs must not keep the program from ending
    threading.Thread(target=ask, daemon=True, name="resolve").start()
    return await answer
