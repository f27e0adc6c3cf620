"""The process that holds a lab: makes its hosts, owns their SSH ports, does what the command line asks. `python -m`
this module.

Runs in a session and a mount namespace of its own, so that it survives the command line and takes its mounts with it
when it dies; it is the parent of every host's PID 1, and they end when it does.
"""

from __future__ import annotations

import ctypes
import os
import resource
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import msgspec

from gigactl.errors import LabError, LabMisuse
from gigactl.lab import control, record, roster
from gigactl.lab.blueprint import Blueprint
from gigactl.lab.control import Reply, Request
from gigactl.lab.effect import Reach
from gigactl.lab.faults import choose
from gigactl.lab.keys import known_host, make_key, write_key
from gigactl.lab.labhost import LabHost
from gigactl.lab.record import Layout, Record
from gigactl.lab.tools import run

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, linux/prctl.h
_FILES_PER_HOST, _SPARE_FILES = 3, 200  # its port, its channel, a connection on its way
_ASKING_S = 10.0  # for a request of a few hundred bytes from this machine
_AT_ONCE = 4  # hosts booted at the same time; most of a boot is waiting for the kernel


class Supervisor:
    """All hosts of one lab and the loop that serves them."""

    def __init__(self, layout: Layout, found: Record) -> None:
        self._layout = layout
        self._record = found
        self._hosts: dict[str, LabHost] = {}
        self._frozen = False
        self._ending = False
        self._selector = selectors.DefaultSelector()

    # --- coming up

    def create(self) -> None:
        """Layers, keys, hosts, documents: everything up to a fleet that answers."""
        self._layout.layers.mkdir()
        run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self._layout.layers)])
        key = make_key(f"lab {self._layout.dir}")
        write_key(self._layout.identity, key)
        blueprint = Blueprint.of(self._record, self._layout)
        blueprint.lay(key[1])
        block = self._take_addresses(blueprint)
        known = []
        for host in self._hosts.values():
            key = make_key(host.place.name)
            host.create(key)
            known.append(known_host(host.place.address, host.front.port, key[1]))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _done in pool.map(LabHost.boot, self._hosts.values()):
                pass
        self._layout.known_hosts.write_text("".join(known), encoding="ascii")
        self._layout.inventory.write_text(roster.inventory(self._record.options, block), encoding="utf-8")

    def _take_addresses(self, blueprint: Blueprint) -> int:
        """The first block of addresses in which every host's port is free; they are held from here on."""
        options = self._record.options
        for block in range(roster.FIRST_BLOCK, roster.LAST_BLOCK + 1):
            hosts = {place.name: LabHost(place, blueprint, self._selector) for place in roster.places(options, block)}
            try:
                for host in hosts.values():
                    host.front.open(Reach.SERVING)
            except OSError:
                for host in hosts.values():
                    host.front.close()
                continue
            self._hosts = hosts
            return block
        raise LabMisuse(f"port {options.port} is taken on every address tried", hint="choose another with --port")

    # --- serving

    def serve(self, listening: socket.socket) -> None:
        """Answer what is asked on this control socket until `down` is, or SIGTERM comes."""
        wake, wakes = socket.socketpair()
        with wake, wakes:
            for end in (wake, wakes):
                end.setblocking(False)
            signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
            self._selector.register(wake, selectors.EVENT_READ, lambda: self._woken(wake))
            self._selector.register(listening, selectors.EVENT_READ, lambda: self._answer(listening))
            while not self._ending:
                for key, _events in self._selector.select():
                    _turn(key.data)
            signal.set_wakeup_fd(-1)

    def end(self, *_signal: object) -> None:
        """Leave the loop at the next turn."""
        self._ending = True

    def stop(self) -> None:
        """Every host off, nothing mounted."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _done in pool.map(LabHost.stop, self._hosts.values()):
                pass
        if self._layout.layers.is_mount():
            run(["umount", str(self._layout.layers)])

    def _woken(self, wake: socket.socket) -> None:
        """A signal came: children that ended are taken note of. A host whose PID 1 is gone is off."""
        wake.recv(4096)
        while True:
            try:
                pid, _status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for host in self._hosts.values():
                if host.pid == pid:
                    print(f"{host.place.name}: its PID 1 has ended", flush=True)
                    host.ended()

    def _answer(self, listening: socket.socket) -> None:
        connection, _peer = listening.accept()
        with connection:
            connection.settimeout(_ASKING_S)
            try:
                request = msgspec.json.decode(control.read(connection), type=Request)
                reply = self._do(request)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the fleet stays up and whoever asked is told
                reply = _failed(error, self._layout)
            try:
                connection.sendall(msgspec.json.encode(reply))
            except OSError as error:
                print(f"nobody waited for the answer: {error}", flush=True)

    def _do(self, request: Request) -> Reply:
        match request.verb:
            case "status":
                hosts = tuple(host.status() for host in self._hosts.values())
                return Reply(supervisor=os.getpid(), frozen=self._frozen, hosts=hosts)
            case "fault":
                self._fault(request)
            case "clear":
                for host in self._named(request.hosts):
                    host.clear()
            case "freeze":
                self._frozen = request.on
                for host in self._hosts.values():
                    host.freeze(request.on)
            case "down":
                self.stop()
                self.end()
        return Reply()

    def _fault(self, request: Request) -> None:
        """On all of the hosts or, when it makes no sense on one of them, on none."""
        fault, hosts = choose(request.kind, request.options), self._named(request.hosts)
        for host in hosts:
            host.effect(fault)
        for host in hosts:
            host.afflict(fault)

    def _named(self, names: Iterable[str]) -> list[LabHost]:
        found = [self._hosts.get(name) for name in names]
        unknown = [name for name, host in zip(names, found, strict=True) if host is None]
        if unknown:
            raise LabMisuse(f"no host of this lab is called {', '.join(unknown)}")
        return [host for host in found if host is not None]


def _turn(ready: Callable[[], None]) -> None:
    """Do what one event asks for. What goes wrong is in the log; the fleet stays up."""
    try:
        ready()
    except Exception:  # noqa: BLE001 - a thousand hosts hang on this loop
        traceback.print_exc()


def _failed(error: Exception, layout: Layout) -> Reply:
    """What whoever asked is told; what nobody foresaw goes to the log too."""
    if isinstance(error, LabError):
        return Reply(error=error.detail, hint=error.hint, misuse=isinstance(error, LabMisuse))
    traceback.print_exception(error)
    return Reply(error=f"the supervisor failed: {error!r}", hint=f"its log: {layout.log}")


def _raise_limit(files: int) -> None:
    """Room for so many open files."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, hard), max(files, hard)))
    except (ValueError, OSError) as error:
        raise LabMisuse(
            f"so many hosts need {files} open files, and only {hard} are allowed", hint="ulimit -n"
        ) from error


def main(directory: str, ready: str) -> int:
    """Make the lab in `directory`, say so on the descriptor `ready`, hold it until it is taken down."""
    layout = Layout(Path(directory))
    os.umask(0o022)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    found = record.read(layout)
    supervisor = Supervisor(layout, found)
    signal.signal(signal.SIGTERM, supervisor.end)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with ExitStack() as leaving:
        leaving.callback(supervisor.stop)
        with os.fdopen(int(ready), "wb") as answer:
            try:
                _raise_limit(_SPARE_FILES + _FILES_PER_HOST * found.options.hosts)
                supervisor.create()
                listening = leaving.enter_context(control.listen(layout))
            except Exception as error:  # noqa: BLE001 - whoever waits for the fleet is told, whatever it was
                answer.write(msgspec.json.encode(_failed(error, layout)))
                return 1
            answer.write(msgspec.json.encode(Reply(supervisor=os.getpid())))
        supervisor.serve(listening)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
