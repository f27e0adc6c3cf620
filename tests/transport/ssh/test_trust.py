"""Putting host keys on record: nothing silently, nothing else touched."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from gigactl.errors import ConnectRefused, HostKeyChanged, HostKeyUnknown, InvalidDocument
from gigactl.transport.base import Endpoint
from gigactl.transport.ssh import trust
from gigactl.transport.ssh.known_hosts import KnownHosts, parse
from gigactl.transport.ssh.trust import HostKey, Scanned
from tests.transport.speaking import soon
from tests.transport.ssh.test_known_hosts import blob, hashed, line
from tests.transport.sshd import KINDS, Sshd, free_port, public, serving, transport

ED, RSA, OTHER = HostKey(blob("ed")), HostKey(blob("rsa", "ssh-rsa")), HostKey(blob("other"))
SHOWN = Scanned("gpu001", "10.0.0.1", "known_hosts", (ED, RSA))


def scan(endpoint: Endpoint) -> Scanned:
    async def main() -> Scanned:
        return await transport().scan(endpoint, soon())

    return asyncio.run(main())


def test_a_scan_shows_every_kind_without_logging_in(sshd: Sshd) -> None:
    shown = scan(sshd.endpoint(known_hosts="", identity_file=("nowhere",), user="nobody-there"))
    assert [f"{key.line}" for key in shown.keys] == [public(sshd.directory / f"host_{kind}") for kind in KINDS]
    assert shown.label == sshd.label()


def test_a_scan_of_a_host_with_one_key(keys: Path) -> None:
    with serving(keys, kinds=("rsa",)) as server:
        assert [key.kind for key in scan(server.endpoint()).keys] == ["ssh-rsa"]


def test_a_scan_of_nothing(sshd: Sshd) -> None:
    with pytest.raises(ConnectRefused):
        scan(sshd.endpoint(port=free_port()))


def test_what_was_scanned_and_recorded_is_accepted(sshd: Sshd) -> None:
    endpoint = sshd.endpoint(known_hosts="")
    shown = scan(endpoint)
    file = Path(shown.file)
    trust.save(file, trust.record(file.read_text(), str(file), shown, shown.keys).text)

    async def main() -> None:
        async with transport().connect(endpoint, soon()):
            pass

    asyncio.run(main())


def test_recording_adds_and_keeps_the_rest() -> None:
    before = "# ours\n\n" + line("gpu002", blob("b"), comment="kept") + "not a line"
    after = trust.record(before, "file", SHOWN, SHOWN.keys)
    assert after.text == before + "\n" + f"10.0.0.1 {ED.line}\n10.0.0.1 {RSA.line}\n"
    assert (after.added, after.replaced) == ((ED, RSA), ())


def test_recording_twice_changes_nothing() -> None:
    once = trust.record("", "file", SHOWN, SHOWN.keys)
    twice = trust.record(once.text, "file", SHOWN, SHOWN.keys)
    assert (twice.text, twice.added, twice.replaced) == (once.text, (), ())


@pytest.mark.parametrize("label", ["10.0.0.1", "10.0.0.1,gpu001", hashed("10.0.0.1")])
def test_a_changed_key_is_replaced_only_when_told(label: str) -> None:
    before = "# first\n" + line(label, OTHER.blob) + line("gpu002", blob("b"))
    with pytest.raises(HostKeyChanged) as caught:
        trust.record(before, "file", SHOWN, [ED])
    assert ED.fingerprint in caught.value.detail
    assert f"{OTHER.fingerprint} (file:2)" in caught.value.detail
    after = trust.record(before, "file", SHOWN, [ED], replace=True)
    hosts = KnownHosts(parse(after.text, "file"))
    assert hosts.lookup(["10.0.0.1"], 22).keys == (ED.blob,)
    assert hosts.lookup(["gpu002"], 22).keys == (blob("b"),)
    assert hosts.lookup(["gpu001"], 22).keys == ((OTHER.blob,) if "gpu001" in label else ())
    assert after.text.startswith("# first\n")
    assert after.replaced == (OTHER.fingerprint,)


def test_a_key_of_another_kind_stays() -> None:
    after = trust.record(line("10.0.0.1", RSA.blob), "file", SHOWN, [ED])
    assert KnownHosts(parse(after.text, "file")).lookup(["10.0.0.1"], 22).keys == (RSA.blob, ED.blob)


def test_a_revoked_key_is_never_recorded() -> None:
    with pytest.raises(HostKeyChanged, match="@revoked"):
        trust.record(line("*", ED.blob, "@revoked"), "file", SHOWN, [ED], replace=True)


def test_a_pattern_is_left_to_a_human() -> None:
    with pytest.raises(HostKeyChanged) as caught:
        trust.record(line("10.0.*", OTHER.blob), "file", SHOWN, [ED], replace=True)
    assert "file:1" in caught.value.hint


def test_a_fingerprint_list_vouches() -> None:
    listed = trust.parse_fingerprints(f"# printed at the console\ngpu001 {ED.fingerprint}  # ed\n", "list")
    assert trust.vouched_by_fingerprint(SHOWN, listed["gpu001"]) == (ED,)
    with pytest.raises(HostKeyChanged, match=OTHER.fingerprint):
        trust.vouched_by_fingerprint(SHOWN, frozenset({OTHER.fingerprint}))
    with pytest.raises(HostKeyUnknown, match="nobody vouches"):
        trust.vouched_by_fingerprint(SHOWN, frozenset())


def test_a_fingerprint_list_is_read_strictly() -> None:
    with pytest.raises(InvalidDocument) as caught:
        trust.parse_fingerprints("gpu001\ngpu002 MD5:aa:bb\ngpu003 SHA256:short\n", "list")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3]


def test_a_known_hosts_file_vouches() -> None:
    file = KnownHosts(parse(line("gpu001", ED.blob), "theirs"))
    assert trust.vouched_by_known(SHOWN, file.lookup(["gpu001"], 22)) == (ED,)
    with pytest.raises(HostKeyChanged, match="wanted"):
        trust.vouched_by_known(SHOWN, KnownHosts(parse(line("gpu001", OTHER.blob), "theirs")).lookup(["gpu001"], 22))


def test_saving_keeps_the_mode_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ssh" / "known_hosts"
    trust.save(file, "one\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    trust.save(file, "two\n")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("two\n", 0o644)
    assert [path.name for path in file.parent.iterdir()] == ["known_hosts"]
