"""The kernel log from its two sources, from the beginning and from a cursor."""

import os
import unittest

from gigactl.payload import kernel_log, protocol
from tests.payload.trees import Tree

BOOT = "5b1f0d0e-7c1b-4f6e-9a53-0c1d2e3f4a5b"
XID = "NVRM: Xid (PCI:0000:19:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
LIMIT = 5 << 20


def entry(usec, message, facility="0", stamp="_SOURCE_MONOTONIC_TIMESTAMP"):
    """One entry of journalctl's export form."""
    lines = ["__CURSOR=s=1", "__REALTIME_TIMESTAMP=1", "__MONOTONIC_TIMESTAMP=%d" % (usec + 5), "_BOOT_ID=" + BOOT]
    if stamp.startswith("_SOURCE"):
        lines.append("%s=%d" % (stamp, usec))
    lines.append("SYSLOG_FACILITY=" + facility)
    data = "\n".join(lines).encode() + b"\n"
    if "\n" in message:
        data += b"MESSAGE\n" + len(message.encode()).to_bytes(8, "little") + message.encode() + b"\n"
    else:
        data += b"MESSAGE=" + message.encode() + b"\n"
    return data + b"\n"


class Log(unittest.TestCase):
    def setUp(self):
        self.tree = Tree("sr680a-v3")
        self.addCleanup(self.tree.close)

    def read(self, cursor=None, limit=LIMIT, journal=("/nonexistent/journalctl",), seconds=5.0):
        return kernel_log.read(self.tree.root, BOOT, cursor, limit, seconds, journal)

    def kmsg(self, *records):
        self.tree.put("/dev/kmsg", "\n".join("%d,%d,%d,-;%s" % record for record in records))

    def journal(self, *entries):
        """A journalctl that prints these entries, given oldest first, newest first as -r does."""
        path = self.tree.root + "/journal"
        with open(path, "wb") as file:
            file.write(b"".join(reversed(entries)))
        return ("/bin/cat", path)

    def cat(self, *entries):
        path = self.journal(*entries)[1]
        return ("/bin/sh", "-c", "exec /bin/cat " + path)

    def test_the_whole_boot_from_the_ring_buffer(self):
        log = self.read()
        kinds = [(event["kind"], event["pci"], event["code"]) for event in log["events"]]
        self.assertEqual(
            kinds,
            [
                ("driver-load", "", 0),
                ("gpu-address", "0000:4e:00.0", 0),
                ("xid", "0000:4e:00.0", 79),
                ("fallen-off", "0000:4e:00.0", 0),
            ],
        )
        self.assertEqual((log["source"], log["gap"], log["unread"]), ("kmsg", False, ""))
        self.assertEqual(log["cursor"], {"boot_id": BOOT, "usec": 9100000000})

    def test_from_a_cursor_only_what_is_newer(self):
        log = self.read({"boot_id": BOOT, "usec": 9000000001})
        self.assertEqual([event["kind"] for event in log["events"]], ["fallen-off"])
        self.assertFalse(log["gap"])

    def test_reading_on_from_the_cursor_that_came_back_gives_nothing_twice(self):
        log = self.read(self.read()["cursor"])
        self.assertEqual(log["events"], [])
        self.assertEqual(log["cursor"]["usec"], 9100000000)
        self.assertFalse(log["gap"])

    def test_a_cursor_of_another_boot_is_none(self):
        log = self.read({"boot_id": "another", "usec": 9100000000})
        self.assertEqual(len(log["events"]), 4)

    def test_a_user_space_message_quoting_an_xid_is_not_one(self):
        self.kmsg((6, 0, 0, "Linux"), (1 << 3 | 4, 1, 5, XID), (3 << 3, 2, 6, "app: " + XID), (4, 3, 7, "hello"))
        self.assertEqual(self.read()["events"], [])

    def test_a_ring_that_lost_its_beginning_is_a_gap(self):
        self.kmsg((6, 812, 30000000, "late"), (4, 813, 40000000, XID))
        log = self.read()
        self.assertTrue(log["gap"])
        self.assertEqual(log["gap_reason"], "the ring buffer begins 30 s after boot, no journalctl")
        self.assertEqual(len(log["events"]), 1)

    def test_the_journal_fills_what_the_ring_lost(self):
        self.kmsg((6, 812, 30000000, "late"), (4, 813, 40000000, XID))
        older = "NVRM: GPU at PCI:0000:19:00: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
        log = self.read(
            journal=self.cat(entry(0, "Linux"), entry(9, older), entry(30000000, "late"), entry(40000000, XID))
        )
        self.assertEqual([event["kind"] for event in log["events"]], ["gpu-address", "xid"])
        self.assertEqual((log["source"], log["gap"]), ("kmsg+journal", False))

    def test_the_journal_alone(self):
        self.tree.drop("/dev/kmsg")
        fallen = "NVRM: The NVIDIA GPU 0000:b3:00.0\nNVRM: fallen off the bus and is not responding to commands."
        log = self.read(
            journal=self.cat(entry(0, "Linux"), entry(5, XID, facility="1"), entry(6, fallen), entry(8, "end"))
        )
        self.assertEqual([(event["kind"], event["usec"]) for event in log["events"]], [("fallen-off", 6)])
        self.assertEqual((log["source"], log["gap"], log["cursor"]["usec"]), ("journal", False, 8))

    def test_a_journal_without_source_stamps(self):
        self.tree.drop("/dev/kmsg")
        log = self.read(journal=self.cat(entry(0, "Linux", stamp="none"), entry(70, XID, stamp="none")))
        self.assertEqual([event["usec"] for event in log["events"]], [75])

    def test_only_the_newest_of_a_long_log(self):
        self.kmsg((4, 0, 0, XID), *[(6, number, number, "line " * 10) for number in range(1, 200)], (4, 200, 200, XID))
        log = self.read(limit=2000)
        self.assertEqual([event["usec"] for event in log["events"]], [200])
        self.assertTrue(log["gap"])
        self.assertIn("only the newest 2000 bytes", log["gap_reason"])

    def test_only_the_newest_of_a_long_journal(self):
        self.tree.drop("/dev/kmsg")
        entries = (
            [entry(0, XID)] + [entry(1000000 * number, "line") for number in range(1, 100)] + [entry(990000000, XID)]
        )
        log = self.read(limit=3000, journal=self.cat(*entries))
        self.assertEqual([event["usec"] for event in log["events"]], [990000000])
        self.assertTrue(log["gap"])

    def test_a_journal_is_read_no_further_than_the_cursor(self):
        self.tree.drop("/dev/kmsg")
        path = self.journal(entry(40, XID), entry(50, XID), entry(60, XID))[1]
        # what comes after the cursor is never asked for: by then it has been ended
        slow = ("/bin/sh", "-c", "/bin/cat %s; sleep 0.5; echo >%s.further" % (path, path))
        log = self.read({"boot_id": BOOT, "usec": 50}, journal=slow)
        self.assertEqual([event["usec"] for event in log["events"]], [60])
        self.assertFalse(log["gap"])
        self.assertFalse(os.path.exists(path + ".further"))

    def test_a_stamp_that_a_chunk_cuts_in_two_ends_nothing(self):
        self.tree.drop("/dev/kmsg")
        whole = entry(900, "newest") + entry(800, XID) + entry(100, "seen")
        at = whole.rindex(b"_MONOTONIC_TIMESTAMP=800") + 22
        for name, data in (("/head", whole[:at]), ("/tail", whole[at:])):
            with open(self.tree.root + name, "wb") as file:
                file.write(data)
        parts = ("/bin/sh", "-c", "cat {0}/head; sleep 0.2; cat {0}/tail".format(self.tree.root))
        log = self.read({"boot_id": BOOT, "usec": 500}, journal=parts)
        self.assertEqual([event["usec"] for event in log["events"]], [800])
        self.assertFalse(log["gap"])

    def test_a_journal_that_does_not_answer(self):
        self.tree.drop("/dev/kmsg")
        log = self.read(journal=("/bin/sh", "-c", "sleep 5"), seconds=0.05)
        self.assertEqual(log["source"], "none")
        self.assertTrue(log["unread"].startswith("failed: "))

    def test_without_a_single_record(self):
        log = kernel_log.from_lines(BOOT, -1, "")
        self.assertEqual((log["unread"], log["source"]), ("no-permission: neither /dev/kmsg nor the journal", "none"))

    def test_records_read_by_other_means(self):
        log = kernel_log.from_lines(BOOT, -1, "6,0,0,-;Linux\n4,9,80,-;%s\n4,9,80,-;%s\n" % (XID, XID))
        self.assertEqual([event["usec"] for event in log["events"]], [80])
        self.assertFalse(log["gap"])

    def test_an_unread_log_keeps_the_cursor(self):
        self.tree.drop("/dev/kmsg")
        log = self.read({"boot_id": BOOT, "usec": 77})
        self.assertEqual((log["cursor"]["usec"], log["gap"]), (77, False))

    def test_torn_records_are_skipped(self):
        self.tree.put("/dev/kmsg", "nonsense\n4,x,1,-;" + XID + "\n4,0,1,-;" + XID + "\n;;;\n4,5")
        self.assertEqual(len(self.read()["events"]), 1)

    def test_of_very_many_events_the_newest_the_first_of_each_kind_and_the_cures_are_kept(self):
        many = [(4, n, n, "NVRM: Xid (PCI:0000:19:00): 13, pid=%d, %s" % (n, "é" * 300)) for n in range(10, 5010)]
        many[100] = (4, 110, 110, "NVRM: Xid (PCI:0000:4e:00): 79, gone")
        many[2000] = (4, 2010, 2010, "NVRM: GPU at PCI:0000:19:00: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77")
        many[2001] = (4, 2011, 2011, "NVRM: GPU at PCI:0000:19:00: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77")
        self.kmsg((6, 0, 0, "Linux"), *many)
        log = self.read()
        stamps = [event["usec"] for event in log["events"]]
        self.assertEqual(stamps[:4], [10, 110, 2010, 2011])
        self.assertEqual(stamps[4:], list(range(5010 - len(stamps) + 4, 5010)))
        self.assertLess(len(protocol.encode(log)), protocol.LINE_LIMIT)
        self.assertEqual((log["gap"], log["unread"], log["cursor"]["usec"]), (True, "", 5009))
        self.assertIn("%d of 5000 events are left out" % (5000 - len(stamps)), log["gap_reason"])

    def test_a_thousand_short_events_are_the_most(self):
        self.kmsg(*[(4, number, number, "NVRM: Xid (PCI:0000:19:00): 13, x") for number in range(1500)])
        stamps = [event["usec"] for event in self.read()["events"]]
        self.assertEqual(stamps, [0, *range(501, 1500)])

    def test_escaped_bytes(self):
        self.kmsg((4, 0, 1, "NVRM: Xid (PCI:0000:19:00): 13, caf\\xc3\\xa9 \\xzz"))
        self.assertIn("café", self.read()["events"][0]["text"])
