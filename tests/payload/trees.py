"""Recorded file systems: a text file per host, unpacked below a directory of its own."""

import os
import shutil
import tempfile

RECORDED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "hosts")


class Tree:
    """A recorded host unpacked for one test. `@@ PATH` begins a text file, `@> PATH` a link, `@x PATH` bytes in hex."""

    def __init__(self, name=None):
        self.root = tempfile.mkdtemp(prefix="gigactl-tree-")
        if name is not None:
            with open(os.path.join(RECORDED, name + ".tree"), encoding="utf-8") as recorded:
                self._unpack(recorded.read())

    def _unpack(self, text):
        path, kind = "", ""
        lines: "list" = []
        for line in [*text.splitlines(), "@@ "]:
            if line[:3] in ("@@ ", "@> ", "@x "):
                if path:
                    self.put(path, "\n".join(lines), kind)
                kind, path, lines = line[:2], line[3:].strip(), []
            else:
                lines.append(line)

    def put(self, path, content, kind="@@"):
        """Write one file, replacing what is there."""
        where = self.root + path
        os.makedirs(os.path.dirname(where), exist_ok=True)
        if os.path.lexists(where):
            os.unlink(where)
        if kind == "@>":
            os.symlink(content.strip(), where)
        else:
            with open(where, "wb") as file:
                file.write(
                    bytes.fromhex(content.replace(" ", "").strip()) if kind == "@x" else content.encode() + b"\n"
                )

    def drop(self, path):
        """Remove a file or directory."""
        shutil.rmtree(self.root + path) if os.path.isdir(self.root + path) else os.unlink(self.root + path)

    def close(self):
        shutil.rmtree(self.root)
