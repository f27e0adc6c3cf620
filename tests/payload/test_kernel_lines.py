"""What lines of the kernel log say; each shape as NVIDIA's driver prints it."""

import unittest

from gigactl.payload.kernel_lines import parse, pci_address


class Lines(unittest.TestCase):
    def seen(self, text):
        event = parse(7, text)
        assert event is not None, text
        self.assertEqual(event["usec"], 7)
        return event["kind"], event["pci"], event["code"], event["fields"]

    def test_xid_plain(self):
        text = "NVRM: Xid (PCI:0000:3b:00): 31, pid=2280636, name=python3, Ch 00000008, intr 00000000. MMU Fault"
        fields = {"pid": "2280636", "name": "python3", "channel": "00000008"}
        self.assertEqual(self.seen(text), ("xid", "0000:3b:00.0", 31, fields))

    def test_xid_with_unknown_process(self):
        text = "NVRM: Xid (PCI:0000:CB:00): 13, pid='<unknown>', name=<unknown>, SM Warp Exception (GPC 7, TPC 6, SM 0)"
        fields = {"pid": "<unknown>", "name": "<unknown>", "gpc": "7", "tpc": "6", "sm": "0"}
        self.assertEqual(self.seen(text), ("xid", "0000:cb:00.0", 13, fields))

    def test_xid_without_anything_after_its_number(self):
        self.assertEqual(self.seen("NVRM: Xid (PCI:0000:19:00): 48"), ("xid", "0000:19:00.0", 48, {}))

    def test_xid_of_nvlink5(self):
        text = (
            "NVRM: Xid (PCI:0018:01:00): 149, NETIR_LINK_EVT  Fatal   XC0 i0 Link 09 "
            "(0x025525c6 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000)"
        )
        kind, pci, code, fields = self.seen(text)
        self.assertEqual((kind, pci, code), ("xid", "0018:01:00.0", 149))
        self.assertEqual(
            fields,
            {
                "unit": "NETIR_LINK_EVT",
                "severity": "Fatal",
                "link": "9",
                "intrinfo": "0x025525c6",
                "error_status": "0x00000000",
            },
        )

    def test_xid_of_nvlink5_with_its_process(self):
        text = (
            "NVRM: Xid (PCI:0000:04:00): 145, pid='<unknown>', name=<unknown>, RLW_SRC_TRACK Nonfatal XC0 i0 Link 17 "
            "(0x000e10e2 0x80000000 0x00000000 0x00000000 0x00000000 0x00000000)"
        )
        fields = self.seen(text)[3]
        self.assertEqual((fields["unit"], fields["severity"], fields["link"]), ("RLW_SRC_TRACK", "Nonfatal", "17"))
        self.assertEqual((fields["intrinfo"], fields["error_status"]), ("0x000e10e2", "0x80000000"))

    def test_xid_of_nvlink5_before_r575(self):
        fields = self.seen("NVRM: Xid (PCI:0000:00:1e): 149, NETIR_LINK_EVT Fatal XC 1 i 2 Link 01 [0x0000000a]")[3]
        self.assertEqual((fields["link"], fields["intrinfo"]), ("1", "0x0000000a"))
        self.assertNotIn("error_status", fields)

    def test_xid_154_states_its_action(self):
        text = (
            "NVRM: Xid (PCI:0008:01:00): 154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"
        )
        fields = {"before": "0", "was": "None", "action": "2", "action_text": "Node Reboot Required"}
        self.assertEqual(self.seen(text), ("xid", "0008:01:00.0", 154, fields))

    def test_xid_45_names_its_cause(self):
        text = "NVRM: Xid (PCI:0000:19:00): 45, pid=77, name=a b, channel 0x00000003, caused by previous Xid 149"
        fields = {"pid": "77", "name": "a b", "channel": "0x00000003", "caused_by": "149"}
        self.assertEqual(self.seen(text)[3], fields)

    def test_sxid(self):
        text = (
            "nvidia-nvswitch3: SXid (PCI:0000:05:00.0): 12028, Non-fatal, Link 32 egress non-posted PRIV error (First)"
        )
        self.assertEqual(self.seen(text), ("sxid", "0000:05:00.0", 12028, {"severity": "Non-fatal", "link": "32"}))

    def test_fallen_off_in_three_lines(self):
        text = (
            "NVRM: The NVIDIA GPU 0000:b3:00.0\nNVRM: (PCI ID: 10de:26b5) installed in this system has\n"
            "NVRM: fallen off the bus and is not responding to commands."
        )
        self.assertEqual(self.seen(text), ("fallen-off", "0000:b3:00.0", 0, {}))
        self.assertNotIn("\n", (parse(0, text) or {})["text"])

    def test_fallen_off_in_one(self):
        text = "NVRM: GPU 0000:01:00.0: GPU has fallen off the bus."
        self.assertEqual(self.seen(text), ("fallen-off", "0000:01:00.0", 0, {}))

    def test_reset(self):
        text = "GPU reset executed: GPU-455d8f70-2051-db6c-0430-ffc457bff834, success: true"
        fields = {"uuid": "GPU-455d8f70-2051-db6c-0430-ffc457bff834", "success": "true"}
        self.assertEqual(self.seen(text), ("gpu-reset", "", 0, fields))

    def test_driver_load(self):
        text = "NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  580.126.20  Release Build"
        self.assertEqual(self.seen(text), ("driver-load", "", 0, {"flavour": "open", "version": "580.126.20"}))
        text = "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023"
        self.assertEqual(self.seen(text), ("driver-load", "", 0, {"flavour": "proprietary", "version": "535.104.05"}))

    def test_address_of_a_gpu(self):
        text = "NVRM: GPU at PCI:0000:3b:00: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
        fields = {"uuid": "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"}
        self.assertEqual(self.seen(text), ("gpu-address", "0000:3b:00.0", 0, fields))

    def test_api_mismatch(self):
        text = (
            "NVRM: API mismatch: the client has the version 535.54.03, but\n"
            "NVRM: this kernel module has the version 535.104.05.  Please\nNVRM: make sure"
        )
        self.assertEqual(self.seen(text), ("api-mismatch", "", 0, {"client": "535.54.03", "module": "535.104.05"}))
        first = text.split("\n", 1)[0]
        self.assertEqual(self.seen(first), ("api-mismatch", "", 0, {"client": "535.54.03"}))

    def test_nvlink_training(self):
        text = "NVRM: GPU2 knvlinkUpdatePostRxDetectLinkMask_IMPL: Failed to update Rx Detect Link mask!"
        self.assertEqual(self.seen(text)[3], {"gpu": "2", "function": "knvlinkUpdatePostRxDetectLinkMask_IMPL"})
        text = "NVRM: knvlinkDiscoverPostRxDetLinks_GH100: Getting peer0's postRxDetLinkMask failed!"
        self.assertEqual(self.seen(text)[0], "nvlink-training")

    def test_other_lines_say_nothing(self):
        for text in (
            "",
            "usb 1-1: new high-speed USB device",
            "NVRM: Xid (PCI:0000:66:00): abc, pid=2280636",
            "NVRM: Xid error: xyz, invalid data",
            "NVRM: GPU2 knvlinkUpdatePostRxDetectLinkMask_IMPL: done",
            "NVRM: nvAssertFailedNoLog: Assertion failed: pGpu != NULL",
            "GPU reset executed:",
        ):
            self.assertIsNone(parse(0, text), text)

    def test_text_is_capped_and_printable(self):
        event = parse(0, "NVRM: Xid (PCI:0000:19:00): 13, \x1b[2Jred\x9b31m " + "x" * 5000)
        assert event is not None
        self.assertLessEqual(len(event["text"]), 400)
        self.assertTrue(event["text"].isprintable())


class Addresses(unittest.TestCase):
    def test_every_spelling(self):
        for text in ("0000:3B:00", "00000000:3b:00.0", "0000:3b:00.0"):
            self.assertEqual(pci_address(text), "0000:3b:00.0")
        self.assertEqual(pci_address("0000:00:1e"), "0000:00:1e.0")

    def test_what_is_no_address(self):
        for text in ("", "3b:00.0", "zz:00:00", "0000:3b", "0:0:0:0"):
            self.assertEqual(pci_address(text), "")
