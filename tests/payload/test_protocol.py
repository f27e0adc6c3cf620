"""Lines out and the request in."""

import json
import unittest

from gigactl.payload import protocol

GOOD = {"protocol": 1, "deadline_s": 9.5, "reading_deadline_s": 3, "kernel_cursor": None, "kernel_limit_bytes": 5}


class Lines(unittest.TestCase):
    def test_no_control_character_leaves(self):
        line = protocol.encode({"type": "x", "text": "a\x1b[31mb\x9bc\n\x00d", "more": ["\udcffe"], "k\x07": 1})
        self.assertEqual(
            json.loads(line.decode("ascii")), {"type": "x", "text": "a [31mb c d", "more": [" e"], "k ": 1}
        )
        self.assertEqual(line.count(b"\n"), 1)

    def test_other_text_stays_as_it_is(self):
        said = {"type": "x", "text": 'é \\ " 中', "n": 1.5, "b": True, "none": None}
        self.assertEqual(json.loads(protocol.encode(said).decode("ascii")), said)

    def test_a_number_that_is_none_is_refused(self):
        with self.assertRaises(ValueError):
            protocol.encode({"type": "x", "n": float("nan")})

    def test_a_line_over_the_cap_is_refused(self):
        with self.assertRaises(ValueError):
            protocol.encode({"type": "x", "text": "x" * protocol.LINE_LIMIT})

    def test_printable(self):
        self.assertEqual(protocol.printable("a\r\n\tb" + "c" * 50, 10), "a bccccccc")


class Requests(unittest.TestCase):
    def refused(self, request, says):
        data = request if isinstance(request, bytes) else json.dumps(request).encode()
        with self.assertRaises(protocol.RequestInvalidError) as caught:
            protocol.read_request(data, 1)
        self.assertIn(says, str(caught.exception))

    def test_good(self):
        self.assertEqual(protocol.read_request(json.dumps(GOOD).encode(), 1), GOOD)
        with_cursor = dict(GOOD, kernel_cursor={"boot_id": "b", "usec": 7})
        self.assertEqual(protocol.read_request(json.dumps(with_cursor).encode(), 1), with_cursor)

    def test_bad(self):
        self.refused(b"", "not JSON")
        self.refused(b"\xff", "not JSON")
        self.refused(b"[" * 100000, "over the cap")
        self.refused([], "not an object")
        self.refused(dict(GOOD, protocol=2), "protocol 2")
        for name in ("deadline_s", "reading_deadline_s", "kernel_limit_bytes"):
            for value in (0, -1, True, "9", None):
                self.refused(dict(GOOD, **{name: value}), name)
        self.refused(dict(GOOD, kernel_cursor={"boot_id": "b"}), "kernel_cursor")
