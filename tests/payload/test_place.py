"""The bundle on the host: installed whole or not at all, found only when whole and ours, the newest two kept."""

import hashlib
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest
import zlib

from gigactl.payload import loader, place

PARTS = {"room": "", "room.door": "def main(place):\n    return 'opened in ' + place\n"}
DIGEST = hashlib.sha256(b"bundle").hexdigest()


class Places(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="gigactl-place-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.place = self.directory + "/gigactl"

    def install(self, *places, digest=DIGEST, parts=PARTS):
        bundle = loader.Bundle(dict(parts))
        return place.install(
            bundle, digest, places or (self.place,), loader.code_name(), loader.ours, loader.on_network, hashlib.sha256
        )

    def found(self, *places, digest=DIGEST):
        return loader.cached(digest, ":".join(places or (self.place,)))

    def code(self, digest=DIGEST):
        return "%s/%s/%s" % (self.place, digest, loader.code_name())

    def test_what_was_installed_is_found_and_runs(self):
        self.assertEqual(self.install(), self.place)
        where, parts = self.found()
        self.assertEqual(where, self.place)
        bundle = loader.Bundle(parts)
        sys.meta_path.insert(0, bundle)
        self.addCleanup(sys.meta_path.remove, bundle)
        self.addCleanup(lambda: [sys.modules.pop(name) for name in PARTS])
        self.assertEqual(__import__("room.door", fromlist=["main"]).main("x"), "opened in x")

    def test_nothing_is_readable_by_others(self):
        self.install()
        for path in (self.place, self.place + "/" + DIGEST, self.code()):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode) & 0o077, 0)

    def test_nothing_installed_is_nothing_found(self):
        self.assertEqual(self.found(), ("", None))

    def test_a_damaged_bundle_is_not_found_and_replaced_by_the_next_install(self):
        self.install()
        for damage in (lambda data: data[:-1], lambda data: b"", lambda data: data[:40] + b"\0" + data[41:]):
            with open(self.code(), "rb") as file:
                data = file.read()
            with open(self.code(), "wb") as file:
                file.write(damage(data))
            self.assertEqual(self.found(), ("", None))
            self.install()
            self.assertEqual(self.found()[0], self.place)

    def test_a_bundle_others_could_write_is_not_run(self):
        for path in (self.place, self.place + "/" + DIGEST, self.code()):
            self.install()
            mode = os.stat(path).st_mode
            os.chmod(path, 0o777)
            self.assertEqual(self.found(), ("", None))
            os.chmod(path, mode)

    def test_a_bundle_of_another_user_is_not_run(self):
        if os.geteuid() != 0:
            self.skipTest("needs a file of another user")
        for path in (self.place, self.place + "/" + DIGEST, self.code()):
            self.install()
            os.chown(path, 12345, 12345)
            self.assertEqual(self.found(), ("", None))
            os.chown(path, 0, 0)

    def test_a_link_is_not_followed(self):
        self.install()
        os.rename(self.place, self.directory + "/elsewhere")
        os.symlink(self.directory + "/elsewhere", self.place)
        self.assertEqual(self.found(), ("", None))

    def test_where_nothing_can_be_written_the_next_place_is_taken(self):
        blocked = self.directory + "/file"
        with open(blocked, "w"):
            pass
        self.assertEqual(self.install("/proc/gigactl", blocked + "/gigactl", self.place), self.place)

    def test_a_full_disk_leaves_nothing_half_written(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
        try:
            self.assertEqual(self.install(), "")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assertEqual(os.listdir(self.place + "/" + DIGEST), [])
        self.assertEqual(self.found(), ("", None))
        self.assertEqual(self.install(), self.place)

    def test_the_newest_two_are_kept(self):
        digests = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(4)]
        for age, digest in enumerate(digests):
            self.install(digest=digest)
            os.utime(self.place + "/" + digest, (1000 + age, 1000 + age))
        self.install(digest=digests[0])
        self.assertEqual(sorted(os.listdir(self.place)), sorted((digests[0], digests[3])))

    def test_leftovers_are_swept_once_they_are_old(self):
        self.install()
        leftover = self.place + "/" + DIGEST + "/.new-1-aa"
        with open(leftover, "w"):
            pass
        place.sweep(self.place, DIGEST)
        self.assertTrue(os.path.exists(leftover))
        place.sweep(self.place, DIGEST, now=os.stat(leftover).st_mtime + place.LEFTOVER_AGE + 1)
        self.assertFalse(os.path.exists(leftover))
        self.assertEqual(self.found()[0], self.place)

    def test_many_installs_at_once(self):
        children = []
        for _ in range(6):
            pid = os.fork()
            if pid == 0:
                os._exit(0 if self.install() == self.place and self.found()[0] == self.place else 1)
            children.append(pid)
        self.assertEqual([os.waitpid(pid, 0)[1] for pid in children], [0] * 6)
        self.assertEqual(os.listdir(self.place + "/" + DIGEST), [loader.code_name()])


class Networks(unittest.TestCase):
    def test_this_hosts_root_is_not_on_the_network(self):
        self.assertFalse(loader.on_network("/usr"))
        self.assertFalse(loader.on_network("/"))

    def test_the_longest_mount_decides(self):
        mounts = "/dev/sda1 / ext4 rw\nfiler:/home /home nfs4 rw\n/dev/sdb /home/local xfs rw\nauto /net autofs rw\n"
        for path, there in (
            ("/var/lib/gigactl", False), ("/home/ops/.cache", True), ("/home", True), ("/homeward", False),
            ("/home/local/ops", False), ("/net/x", True),
        ):  # fmt: skip
            self.assertEqual(loader.on_network(path, mounts), there, path)

    def test_a_link_leads_where_it_leads(self):
        top = os.path.realpath(tempfile.mkdtemp(prefix="gigactl-link-"))
        self.addCleanup(shutil.rmtree, top)
        os.makedirs(top + "/local/deep")
        os.makedirs(top + "/lustre/home/ops")
        os.symlink(top + "/lustre/home", top + "/home")
        os.symlink("../lustre", top + "/local/up")
        os.symlink("home", top + "/again")
        os.symlink("round", top + "/round")
        os.symlink("local/deep", top + "/fine")
        mounts = "/dev/sda1 / ext4 rw\nmgs:/scratch %s/lustre lustre rw\n" % top
        for path, there in (
            ("/home/ops", True), ("/again/ops/.cache", True), ("/local/up/home", True), ("/local/../home", True),
            ("/round", True), ("/fine/new", False), ("/local/deep", False), ("/lustre/../local", True),
        ):  # fmt: skip
            self.assertEqual(loader.on_network(top + path, mounts), there, path)

    def test_a_mount_whose_name_has_a_space(self):
        self.assertTrue(loader.on_network("/net home/ops", "/dev/sda1 / ext4 rw\nf:/h /net\\040home nfs4 rw\n"))

    def test_neither_home_nor_cache_is_used_on_the_network(self):
        home = tempfile.mkdtemp(prefix="gigactl-home-")
        self.addCleanup(shutil.rmtree, home)
        kept = {name: os.environ.get(name) for name in ("HOME", "XDG_CACHE_HOME")}
        self.addCleanup(lambda: [os.environ.pop(name, None) for name in kept])
        self.addCleanup(lambda: os.environ.update({name: value for name, value in kept.items() if value is not None}))
        os.environ["HOME"] = home
        os.environ["XDG_CACHE_HOME"] = home + "/cache"
        self.assertEqual(list(loader.usable("~", lambda path: False)), [home + "/cache/gigactl"])
        for away in (home, home + "/cache"):
            self.assertEqual(list(loader.usable("~", away.__eq__)), [], away)

    def test_nothing_is_installed_on_the_network(self):
        top = tempfile.mkdtemp(prefix="gigactl-place-")
        self.addCleanup(shutil.rmtree, top)
        bundle, asked = loader.Bundle(dict(PARTS)), [top + "/gigactl"]
        name = loader.code_name()
        far = asked.__contains__
        self.assertEqual(place.install(bundle, DIGEST, asked, name, loader.ours, far, hashlib.sha256), "")
        self.assertEqual(os.listdir(top), [])


class Loading(unittest.TestCase):
    """The loader as it runs on a host, by itself."""

    def loaded(self, *arguments, stdin=b"", before=""):
        code = before + "import sys;sys.argv.pop(1);exec(open(%r).read())" % loader.__file__
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", code, "", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            if stdin is not None:
                out, err = process.communicate(stdin, timeout=20)
                return process.returncode, out, err
            return process.wait(20), b"", b""
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def test_a_bundle_that_is_not_what_its_digest_says_is_not_run(self):
        plain = "\0".join(("ran", "def main(place):\n    print('ran')\n")).encode()
        data, right = zlib.compress(plain), hashlib.sha256(plain).hexdigest()
        for digest, code, out, err in ((right, 1, b"", b"No module named 'gigactl'"), (DIGEST, 1, b"", b"digest")):
            said = self.loaded(digest, "ran", str(len(data)), "", stdin=data)
            self.assertEqual(said[:2], (code, out))
            self.assertIn(err, said[2])

    def test_a_cut_bundle_is_said(self):
        self.assertIn(b"cut", self.loaded(DIGEST, "ran", "100", "", stdin=b"x")[2])

    def test_what_waits_for_a_bundle_that_never_comes_ends(self):
        self.assertEqual(self.loaded(DIGEST, "ran", "100", "", "1", stdin=None)[0], -signal.SIGALRM)

    def test_the_answer_begins_a_line_of_its_own(self):
        code, out, _ = self.loaded(DIGEST, "ran", "0", "/nonexistent")
        self.assertEqual((code, out), (0, b'\n{"type":"need-bundle"}\n'))

    def test_a_python_without_what_the_probe_needs_gives_way_before_it_reads(self):
        for name in ("ctypes", "mmap"):
            missing = "import sys;sys.modules[%r]=None;" % name
            code, out, _ = self.loaded(DIGEST, "ran", "100", "", stdin=None, before=missing)
            self.assertEqual((code, out), (97, b""), name)
