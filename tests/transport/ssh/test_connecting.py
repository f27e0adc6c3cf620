"""Every way a connection does not come to be, and the words for it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import gigactl
from gigactl.errors import (
    AddressUnknown,
    AuthenticationFailed,
    ConnectRefused,
    ConnectTimeout,
    DeadlineExceeded,
    HostKeyChanged,
    HostKeyUnknown,
    NegotiationFailed,
)
from gigactl.inventory.model import SshSettings
from gigactl.transport.base import Endpoint, Exit
from gigactl.transport.ssh import SshOptions, SshTransport, failures
from gigactl.transport.ssh.known_hosts import fingerprint
from tests.transport.speaking import on, run, settles, soon, threads
from tests.transport.sshd import KINDS, USER, Sshd, free_port, keygen, public, serving, transport


async def scan(endpoint: Endpoint) -> None:
    await transport().scan(endpoint, soon())


async def nothing(connection: object) -> None:
    pass


def blob_print(path: Path) -> str:
    """As ssh-keygen prints it."""
    said = subprocess.run(["ssh-keygen", "-lf", f"{path}.pub"], capture_output=True, text=True, check=True).stdout
    return said.split()[1]


# host keys


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_key_on_record_is_the_one_asked_for(sshd: Sshd, kind: str) -> None:
    assert run(transport(), sshd.endpoint(known_hosts=sshd.known_hosts(kind)), "true").exit == Exit(0)


def test_an_unknown_key_is_refused_with_its_fingerprint(sshd: Sshd) -> None:
    with pytest.raises(HostKeyUnknown) as caught:
        on(transport(), sshd.endpoint(known_hosts=""), nothing)
    assert blob_print(sshd.directory / "host_ed25519") in caught.value.detail
    assert f"gpu001 (127.88.0.1:{sshd.port})" in caught.value.detail
    assert "inventory trust" in caught.value.hint


def test_another_key_is_refused_with_both_fingerprints(sshd: Sshd, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other")
    with pytest.raises(HostKeyChanged) as caught:
        on(transport(), sshd.endpoint(known_hosts=f"{sshd.label()} {public(other)}\n"), nothing)
    assert blob_print(sshd.directory / "host_ed25519") in caught.value.detail
    assert blob_print(other) in caught.value.detail


def test_hashed_names_serve(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "hashed"
    file.write_text(sshd.known_hosts())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert file.read_text().startswith("|1|")
    assert run(transport(), sshd.endpoint(known_hosts=file.read_text()), "true").exit == Exit(0)


def test_a_revoked_key_is_refused_though_on_record(sshd: Sshd) -> None:
    revoked = f"@revoked * {public(sshd.directory / 'host_ed25519')}\n"
    with pytest.raises(HostKeyChanged, match="@revoked"):
        on(transport(), sshd.endpoint(known_hosts=sshd.known_hosts() + revoked), nothing)


def test_what_the_system_revokes_is_refused_whichever_file_is_named(sshd: Sshd, tmp_path: Path) -> None:
    system = tmp_path / "ssh_known_hosts"
    system.write_text(f"@revoked * {public(sshd.directory / 'host_ed25519')}\n")
    with pytest.raises(HostKeyChanged, match="@revoked"):
        on(transport(system_known_hosts=str(system)), sshd.endpoint(), nothing)
    system.write_text(f"* {public(sshd.directory / 'host_ed25519')}\n")
    with pytest.raises(HostKeyUnknown):
        on(transport(system_known_hosts=str(system)), sshd.endpoint(known_hosts=""), nothing)


def test_a_certificate_authority_is_said_to_be_unsupported(sshd: Sshd) -> None:
    authority = f"@cert-authority * {public(sshd.directory / 'host_rsa')}\n"
    with pytest.raises(HostKeyUnknown, match=r"certificate authority .* not supported"):
        on(transport(), sshd.endpoint(known_hosts=authority), nothing)


def test_a_key_recorded_by_name_or_without_port_serves(sshd: Sshd) -> None:
    key = public(sshd.directory / "host_ed25519")
    for label in ("gpu001", f"[gpu001]:{sshd.port}", "127.88.0.1", "127.88.0.*"):
        assert run(transport(), sshd.endpoint(known_hosts=f"{label} {key}\n"), "true").exit == Exit(0)


def test_a_second_key_on_record_serves(sshd: Sshd, tmp_path: Path) -> None:
    other = f"{sshd.label()} {public(keygen(tmp_path / 'other'))}\n"
    assert run(transport(), sshd.endpoint(known_hosts=other + sshd.known_hosts()), "true").exit == Exit(0)


# logging in


@pytest.mark.parametrize(("kind", "form"), [("ecdsa", "RFC4716"), ("ecdsa", "PEM"), ("rsa", "RFC4716"), ("rsa", "PEM")])
def test_other_keys_and_formats(sshd: Sshd, tmp_path: Path, kind: str, form: str) -> None:
    key = keygen(tmp_path / "key", kind, form=form)
    with authorized(sshd, key):
        assert run(transport(), sshd.endpoint(identity_file=(str(key),)), "true").exit == Exit(0)


def test_a_refused_key_is_named(sshd: Sshd, tmp_path: Path) -> None:
    key = keygen(tmp_path / "stranger")
    with pytest.raises(AuthenticationFailed) as caught:
        on(transport(), sshd.endpoint(identity_file=(str(key),)), nothing)
    assert str(key) in caught.value.detail
    assert f"{USER}@gpu001 (127.88.0.1:{sshd.port})" in caught.value.detail
    assert "authorized_keys" in caught.value.hint


def test_the_second_key_is_tried(sshd: Sshd, tmp_path: Path) -> None:
    files = (str(keygen(tmp_path / "stranger")), str(sshd.identity))
    assert run(transport(), sshd.endpoint(identity_file=files), "true").exit == Exit(0)


def test_too_many_keys_are_an_authentication_failure(sshd: Sshd, tmp_path: Path) -> None:
    files = tuple(str(keygen(tmp_path / f"key{number}")) for number in range(7))  # sshd's MaxAuthTries is 6
    with pytest.raises(AuthenticationFailed, match=r"[Tt]oo many"):
        on(transport(), sshd.endpoint(identity_file=files), nothing)


def test_an_encrypted_key_points_to_the_agent(sshd: Sshd, tmp_path: Path) -> None:
    for form in ("RFC4716", "PEM"):
        key = keygen(tmp_path / f"locked{form}", "rsa", passphrase="long enough", form=form)
        with pytest.raises(AuthenticationFailed, match=f"{key} is encrypted .*ssh-add"):
            on(transport(), sshd.endpoint(identity_file=(str(key),)), nothing)


def test_a_missing_or_mangled_key_is_named(sshd: Sshd, tmp_path: Path) -> None:
    mangled = tmp_path / "mangled"
    mangled.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nnot base64\n-----END OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(AuthenticationFailed) as caught:
        on(transport(), sshd.endpoint(identity_file=(str(tmp_path / "none"), str(mangled))), nothing)
    assert "none: No such file" in caught.value.detail
    assert "mangled is not a private key" in caught.value.detail


def test_default_keys_are_found_at_home(sshd: Sshd, tmp_path: Path) -> None:
    home = tmp_path / "someone"
    (home / ".ssh").mkdir(parents=True)
    for name in ("id_ed25519", "id_ed25519.pub"):
        (home / ".ssh" / name).write_bytes((sshd.directory / name).read_bytes())
    (home / ".ssh/known_hosts").write_text(sshd.known_hosts())
    endpoint = Endpoint("gpu001", sshd.address, SshSettings(user=USER, port=sshd.port))
    assert run(transport(home=home), endpoint, "true").exit == Exit(0)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_the_agents_keys_are_tried(sshd: Sshd, tmp_path: Path, kind: str) -> None:
    key = keygen(tmp_path / "agent_key", kind)
    with authorized(sshd, key), agent(tmp_path, key) as path:
        key.unlink()
        with_agent = SshTransport(SshOptions(agent_socket=path, home=tmp_path))
        assert run(with_agent, sshd.endpoint(identity_file=()), "true").exit == Exit(0)


def test_an_encrypted_key_is_used_through_the_agent(sshd: Sshd, tmp_path: Path) -> None:
    key = keygen(tmp_path / "locked")
    with authorized(sshd, key), agent(tmp_path, key) as path:
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "long enough", "-f", str(key)], check=True)
        with_agent = SshTransport(SshOptions(agent_socket=path, home=tmp_path))
        assert run(with_agent, sshd.endpoint(identity_file=(str(key),)), "true").exit == Exit(0)


def test_many_connections_share_the_agent(sshd: Sshd, tmp_path: Path) -> None:
    key = keygen(tmp_path / "agent_key")

    async def main(used: SshTransport, endpoint: Endpoint) -> None:
        async def connect() -> None:
            async with used.connect(endpoint, soon()):
                pass

        await asyncio.gather(*(connect() for _ in range(20)))

    with authorized(sshd, key), agent(tmp_path, key) as path:
        asyncio.run(main(SshTransport(SshOptions(agent_socket=path, home=tmp_path)), sshd.endpoint(identity_file=())))


def test_an_agent_that_is_gone_is_named(sshd: Sshd, tmp_path: Path) -> None:
    lonely = SshTransport(SshOptions(agent_socket=str(tmp_path / "gone"), home=tmp_path))
    with pytest.raises(AuthenticationFailed, match=r"agent at .*gone does not answer"):
        on(lonely, sshd.endpoint(identity_file=()), nothing)


# the network, and what is not sshd


def test_nothing_listens() -> None:
    port = free_port()
    with pytest.raises(ConnectRefused, match=rf"gpu001 \(127\.88\.0\.1:{port}\)"):
        on(transport(), somewhere(port), nothing)


def test_a_name_that_is_none() -> None:
    with pytest.raises(AddressUnknown, match=r"no-such-host\.invalid"):
        on(transport(), somewhere(22, "no-such-host.invalid"), nothing)


@pytest.mark.parametrize("name", ["gpu..x", "x" * 64, ".".join(["é" * 60] * 3)])
def test_a_name_that_cannot_be_one(name: str) -> None:
    with pytest.raises(AddressUnknown):
        on(transport(), somewhere(22, name), nothing)
    with pytest.raises(AddressUnknown):
        asyncio.run(scan(somewhere(22, name)))


def test_what_may_pass_may_be_tried_again() -> None:
    for again, final in (
        (
            failures.connecting("x", OSError(errno.EHOSTUNREACH, "No route to host")),
            failures.connecting("x", OSError(errno.EADDRNOTAVAIL, "Cannot assign")),
        ),
        (
            failures.resolving("x", socket.gaierror(socket.EAI_AGAIN, "Temporary failure")),
            failures.resolving("x", socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
        ),
    ):
        assert isinstance(again, AddressUnknown)
        assert isinstance(final, AddressUnknown)
        assert (again.retryable, final.retryable) == (True, False)


def test_a_banner_is_waited_for_no_longer_than_a_connection() -> None:
    with listening() as sock, pytest.raises(ConnectTimeout, match=r"waited 0\.3 s for its SSH banner"):
        on(transport(connect_s=0.3, exchange_s=30), somewhere(sock.getsockname()[1]), nothing)


def test_a_port_where_nobody_speaks() -> None:
    with listening() as sock, pytest.raises(ConnectTimeout, match=r"waited 0\.3 s for its SSH banner"):
        on(transport(exchange_s=0.3), somewhere(sock.getsockname()[1]), nothing)


def test_the_deadline_counts_before_the_phase_limit() -> None:
    with listening() as sock:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            on(transport(), somewhere(sock.getsockname()[1]), nothing, seconds=0.3)
        assert time.monotonic() - began < 2


def test_a_port_that_is_full() -> None:
    """SYNs go unanswered where the backlog is full, as with a host that is down."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        with pytest.raises(ConnectTimeout, match=r"no answer in 0\.3 s"):
            on(transport(connect_s=0.3), somewhere(port, "127.0.0.1"), nothing)
        for sock in waiting:
            sock.close()


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 50, NegotiationFailed),
        (b"SSH-1.5-old\r\n", NegotiationFailed),
        (b"SSH-2.0-broken\r\n" + b"\xff" * 4096, NegotiationFailed),
        (b"\xff\xfe\r\n" * 5, NegotiationFailed),
        (b"", ConnectRefused),
        (b"Exceeded MaxStartups\r\n", ConnectRefused),
        (b"SSH-2.0-gone\r\n", ConnectRefused),
    ],
)
def test_what_is_not_ssh(says: bytes, error: type[Exception]) -> None:
    with listening() as sock:

        def serve() -> None:
            peer, _ = sock.accept()
            with peer:
                peer.sendall(says)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass

        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(error):
            asyncio.run(connect_once(transport(), somewhere(sock.getsockname()[1])))
        server.join(5)
        assert not server.is_alive()


async def connect_once(used: SshTransport, endpoint: Endpoint) -> None:
    async with used.connect(endpoint, soon()):
        pass


def test_no_common_algorithm(keys: Path) -> None:
    with (
        serving(keys, "Ciphers chacha20-poly1305@openssh.com") as server,
        pytest.raises(NegotiationFailed, match="cipher"),
    ):
        on(transport(), server.endpoint(), nothing)


@pytest.mark.parametrize(
    "only",
    [
        "Ciphers aes256-ctr\nMACs hmac-sha2-512",
        "Ciphers aes128-ctr\nMACs hmac-sha2-256-etm@openssh.com",
        "Ciphers aes256-gcm@openssh.com",
        "KexAlgorithms ecdh-sha2-nistp384",
        "KexAlgorithms diffie-hellman-group14-sha256",
        "HostKeyAlgorithms rsa-sha2-256",
    ],
)
def test_hosts_that_know_only_other_algorithms(keys: Path, only: str) -> None:
    with serving(keys, only) as server:
        endpoint = server.endpoint(known_hosts=server.known_hosts(*KINDS))
        assert run(transport(), endpoint, "cat", stdin=b"x" * 200_000).stdout == b"x" * 200_000


def test_a_rekey_in_the_middle_is_survived(keys: Path) -> None:
    with serving(keys, "RekeyLimit 1M") as server:
        data = os.urandom(6 << 20)
        assert run(transport(), server.endpoint(), "cat", stdin=data).stdout == data


def test_cancelling_in_the_middle_of_the_handshake_is_prompt() -> None:
    async def main(port: int) -> float:
        attempt = asyncio.create_task(connect_once(transport(), somewhere(port)))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        return time.monotonic() - began

    before = threads()
    with listening() as sock:
        assert asyncio.run(main(sock.getsockname()[1])) < 1
    assert settles(lambda: threads() <= before)


def test_an_interrupted_program_ends_though_hosts_hang(keys: Path, tmp_path: Path) -> None:
    """Ctrl-C: neither a thread in the handshake nor one in the resolver keeps the process."""
    with listening() as sock:
        program = tmp_path / "program.py"
        program.write_text(HANGING.format(port=sock.getsockname()[1], key=keys / "id_ed25519"))
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, str(program)], timeout=20, capture_output=True, text=True, env=with_gigactl()
        )
        assert ended.returncode == 130, ended.stderr
        assert time.monotonic() - began < 10


def with_gigactl() -> dict[str, str]:
    """An environment in which the gigactl under test is imported, installed or not."""
    return {**os.environ, "PYTHONPATH": str(Path(gigactl.__file__).parent.parent)}


HANGING = """
import asyncio, os, signal, sys
from gigactl.inventory.model import SshSettings
from gigactl.transport.base import Deadline, Endpoint
from gigactl.transport.ssh import SshOptions, SshTransport, failures

async def main():
    settings = SshSettings(user="x", port={port}, identity_file=("{key}",), known_hosts="/dev/null", config_file="none")
    transport = SshTransport(SshOptions(agent_socket=None))
    deadline = Deadline.after(60, asyncio.get_running_loop().time)
    asyncio.get_running_loop().call_later(0.5, os.kill, os.getpid(), signal.SIGINT)
    async with transport.connect(Endpoint("gpu001", "127.0.0.1", settings), deadline):
        pass

try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_nothing_heavy_is_loaded_before_the_first_connection() -> None:
    program = (
        "import sys, gigactl.transport.ssh as ssh; ssh.SshTransport(ssh.SshOptions()); print('paramiko' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=with_gigactl()
    ).stdout
    assert said == "False\n"


def test_fingerprints_are_openssh_s(keys: Path) -> None:
    import base64

    for kind in KINDS:
        blob = base64.b64decode(public(keys / f"host_{kind}").split()[1])
        assert fingerprint(blob) == blob_print(keys / f"host_{kind}")


def somewhere(port: int, address: str = "127.88.0.1") -> Endpoint:
    """An endpoint that never gets as far as a key."""
    return Endpoint("gpu001", address, SshSettings(USER, port, (str(ANY_KEY[0]),), os.devnull, None, "none"))


ANY_KEY: list[Path] = []


@pytest.fixture(autouse=True)
def any_key(keys: Path) -> None:
    ANY_KEY[:] = [keys / "id_ed25519"]


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A port that accepts and says nothing."""
    with closing(socket.create_server(("0.0.0.0", 0))) as sock:
        yield sock


@contextmanager
def authorized(sshd: Sshd, key: Path) -> Iterator[None]:
    file = sshd.directory / "authorized_keys"
    before = file.read_text()
    file.write_text(before + public(key) + "\n")
    try:
        yield
    finally:
        file.write_text(before)


@contextmanager
def agent(directory: Path, key: Path) -> Iterator[str]:
    """A real ssh-agent holding `key`; its socket. (A socket's path must be short.)"""
    path = str(Path(os.path.relpath(directory)) / "agent") if len(str(directory)) > 80 else str(directory / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 5
        while not Path(path).exists() and time.monotonic() < until:
            time.sleep(0.01)
        subprocess.run(
            ["ssh-add", "-q", str(key)], env={**os.environ, "SSH_AUTH_SOCK": path}, check=True, stdin=subprocess.DEVNULL
        )
        yield path
    finally:
        process.terminate()
        process.wait(5)
