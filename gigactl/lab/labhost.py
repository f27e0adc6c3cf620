"""One host of a running lab, as its supervisor holds it: boot, power off, and making it show its faults."""

from __future__ import annotations

import os
import select
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import PurePath

from gigactl.errors import LabError
from gigactl.lab.blueprint import Blueprint
from gigactl.lab.bootplan import Content, Disk, boot_plan
from gigactl.lab.effect import Effect, Reach, Root, merge
from gigactl.lab.faults import STUCK_FILE, Target, effect
from gigactl.lab.fixtures import dmi, kernel_log, pci
from gigactl.lab.fixtures.kernel_log import ERROR, UPTIME_AT_START, Line
from gigactl.lab.front import Front
from gigactl.lab.hardware import banks, identities, without
from gigactl.lab.image import Image
from gigactl.lab.inside import KERNEL_LOG, STATE, Inside
from gigactl.lab.keys import write_key
from gigactl.lab.layers import LIBRARY, library_directory
from gigactl.lab.options import Fault, HostStatus
from gigactl.lab.roster import Place
from gigactl.lab.tools import run
from gigactl.lab.tree import remove

_STOP_S = 20.0  # a killed host is gone within milliseconds
_STUCK_BYTES, _FULL_BYTES = 1 << 20, 256 << 20  # sparse: what is full takes no space of this machine
_BALLAST = "var/crash/vmcore"


class LabHost:
    """Everything about one host goes through here. Not safe to use from two threads at once."""

    def __init__(self, place: Place, blueprint: Blueprint, selector: selectors.BaseSelector) -> None:
        self.place = place
        self.front = Front(place.address, blueprint.record.options.port, selector, self._connection)
        self.faults: list[Fault] = []
        self.pid = 0
        self.frozen = False
        self._blueprint = blueprint
        self._directory = blueprint.layout.host(place.name)
        self._channel: socket.socket | None = None
        self._booted = 0.0
        self._lines = 0
        self._stuck = Image(self._directory, "stuck", _STUCK_BYTES)
        self._full = Image(self._directory, "full", _FULL_BYTES)
        state, board = blueprint.state(place.name, {}), blueprint.board
        driver = blueprint.record.options.driver
        self._target = Target(identities(state), board.nvlinks, board.pcie_width, driver, banks(state))

    # --- what is asked of it

    def status(self) -> HostStatus:
        """Where it is and what it has."""
        state = "up" if self.pid else "off"
        return HostStatus(self.place.name, self.place.address, self.front.port, state, tuple(self.faults))

    def effect(self, fault: Fault) -> Effect:
        """What a fault would do here; LabError when it makes no sense on this host."""
        return effect(fault, self._target)

    def afflict(self, fault: Fault) -> None:
        """Add a fault; it shows at once."""
        change = self.effect(fault)
        self.faults.append(fault)
        try:
            if change.boots or not self.pid or not self._settle():
                self.stop()
                self.boot()
            else:
                self._log(change.log)
        except (OSError, LabError) as error:
            self.faults.remove(fault)
            if not self.pid:
                self.boot()
            raise LabError(f"{self.place.name}: {fault} cannot be done with the faults it has ({error})") from error

    def clear(self) -> None:
        """No fault any more: a fresh boot, and nothing that a fault left on the disk."""
        if not self.faults and self.pid:
            return
        self.stop()
        self.faults.clear()
        for path in (self._directory / "upper" / library_directory()).glob(f"{LIBRARY}*"):
            remove(path)
        self.boot()

    def freeze(self, on: bool) -> None:
        """Whether readings stand still."""
        self.frozen = on
        if self.pid:
            self._inside().replace(STATE, self._state(self._condition()))

    # --- life

    def create(self, key: tuple[bytes, str]) -> None:
        """Its directory, identity and host key (private and public part); once, before the first boot."""
        for path in ("upper/etc/ssh", "work", "root"):
            (self._directory / path).mkdir(parents=True)
        name, etc = self.place.name, self._directory / "upper/etc"
        (etc / "hostname").write_text(f"{name}\n", encoding="ascii")
        (etc / "machine-id").write_text(f"{dmi.machine_id(name)}\n", encoding="ascii")
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n{self.place.address} {name}\n", encoding="ascii")
        write_key(etc / "ssh/ssh_host_ed25519_key", key)

    def boot(self) -> None:
        """Start it: namespaces, its own files, its faults, then its SSH port."""
        change = self._condition()
        plan = boot_plan(self._disk(change), self._blueprint.layers, self._content(change), change)
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            done = subprocess.run(
                [str(self._blueprint.record.labhost), "boot", str(theirs.fileno()), str(UPTIME_AT_START)],
                input=bytes(plan),
                capture_output=True,
                pass_fds=(theirs.fileno(),),
                env=self._blueprint.environment,
                check=False,
            )
        if done.returncode != 0:
            channel.close()
            raise LabError(f"{self.place.name} did not start: {done.stderr.decode(errors='replace').strip()}")
        self.pid, self._channel, self._booted = int(done.stdout), channel, time.monotonic()
        self._log(change.log)
        self._settle()

    def stop(self) -> None:
        """A power cut: everything in the host is killed, its port refuses."""
        self.front.open(Reach.REFUSED)
        self._stuck.thaw()
        if self.pid:
            _kill(self.pid, self.place.name)
        self.ended()
        self._stuck.remove()
        self._full.remove()

    def ended(self) -> None:
        """Its PID 1 is gone."""
        self.pid = 0
        self.front.open(Reach.REFUSED)
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _connection(self) -> None:
        """Somebody waits at its port."""
        if self._channel is not None:
            self.front.accept(self._channel)

    # --- showing its condition

    def _condition(self) -> Effect:
        return merge(self.effect(fault) for fault in self.faults)

    def _state(self, change: Effect) -> str:
        frozen = {"frozen": "1"} if self.frozen else {}
        return without(self._blueprint.state(self.place.name, {**change.state, **frozen}), change.missing)

    def _content(self, change: Effect) -> Content:
        """Its own files for a boot. GPUs that are missing are missing in the log and among the devices too."""
        state = self._state(change)
        absent = {gpu.pci for gpu in self._target.gpus if gpu.index in change.missing}
        devices = [device for device in self._blueprint.devices if device.address not in absent]
        lines = self._blueprint.kernel_log(devices)
        self._lines = len(lines)
        return Content(
            name=self.place.name,
            state=state,
            kernel_log=kernel_log.records(lines, 0),
            sys=dmi.own(self.place.name),
            gpus=range(len(identities(state))),
        )

    def _disk(self, change: Effect) -> Disk:
        """Where it writes: its directory, or a disk that can be full, with everything it has written so far."""
        if change.root is not Root.FULL:
            return Disk(self._directory / "root", self._directory / "upper", self._directory / "work")
        self._full.make()
        upper, work = self._full.mountpoint / "upper", self._full.mountpoint / "work"
        run(["cp", "-a", "-T", str(self._directory / "upper"), str(upper)])
        work.mkdir()
        return Disk(self._directory / "root", upper, work)

    def _settle(self) -> bool:
        """Make the running host show what its faults are; doing it again changes nothing. False: it takes a boot."""
        change, inside = self._condition(), self._inside()
        inside.replace(STATE, self._state(change))
        for gpu, device in zip(self._target.gpus, self._blueprint.gpus, strict=True):
            if gpu.index in change.missing:
                inside.remove(f"sys/bus/pci/devices/{device.address}")
                inside.remove(f"sys/bus/pci/drivers/{device.driver}/{device.address}")
                inside.remove(f"sys/{device.directory}")
            elif gpu.index in change.links:
                inside.overwrite(f"sys/{device.directory}", pci.link_files(device, change.links[gpu.index]))
        if change.library:
            inside.install_library(self._blueprint.library(change.library), change.library)
        if change.stuck:
            self._stuck.make()
            (self._stuck.mountpoint / PurePath(STUCK_FILE).name).touch()
            inside.graft(self._stuck.mountpoint, str(PurePath(STUCK_FILE).parent))
            self._stuck.freeze()
        if change.root is Root.FULL:
            inside.fill(_BALLAST)
        if change.reach is not self.front.reach:
            self.front.open(change.reach)
        return change.root is not Root.READONLY or inside.make_readonly()

    def _log(self, texts: Iterable[str]) -> None:
        usec = int((time.monotonic() - self._booted + UPTIME_AT_START) * 1_000_000)
        lines = [Line(usec + number, ERROR, text) for number, text in enumerate(texts)]
        if lines:
            self._inside().append(KERNEL_LOG, kernel_log.records(lines, self._lines))
            self._lines += len(lines)

    def _inside(self) -> Inside:
        return Inside(self.pid, self._blueprint.record.labhost)


def _kill(pid: int, name: str) -> None:
    """End a host's PID 1, and with it all that runs in the host; LabError when the kernel does not let go of it."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        ready, _, _ = select.select([descriptor], [], [], _STOP_S)
    except ProcessLookupError:
        ready = [descriptor]
    finally:
        os.close(descriptor)
    if not ready:
        raise LabError(f"{name}: its processes do not end")
    os.waitpid(pid, 0)
