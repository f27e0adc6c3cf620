"""pynvml cut down: what is kept is the original's, and what the payload uses is all there."""

from __future__ import annotations

import ast
import importlib.util
import sys
import types
from pathlib import Path

import pytest

from gigactl import payload
from gigactl.remote import prune
from gigactl.remote.bundle import Bundle, command, make, probe_bundle

SPEC = importlib.util.find_spec("pynvml")
assert SPEC is not None
assert SPEC.origin is not None
ORIGINAL = Path(SPEC.origin).read_text(encoding="utf-8")
USER = "".join(
    (Path(payload.__file__).parent / name).read_text(encoding="utf-8") for name in ("nvml.py", "nvml_calls.py")
)


def executed(source: str, name: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def test_what_is_kept_is_the_originals(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = prune.pruned(ORIGINAL, [USER])
    assert len(cut) < len(ORIGINAL) / 3
    original = {name: node for node in ast.parse(ORIGINAL).body for name in [getattr(node, "name", "")] if name}
    for node in ast.parse(cut).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert ast.dump(node) == ast.dump(original[node.name])
    whole, part = executed(ORIGINAL, "whole", monkeypatch), executed(cut, "part", monkeypatch)
    used = {
        node.attr
        for node in ast.walk(ast.parse(USER))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nv"
    }
    assert "nvmlDeviceGetRemappedRows" in used
    for name in used:
        kept = getattr(part, name)
        assert callable(kept) or kept == getattr(whole, name)
    for name in dir(part):
        value = getattr(part, name)
        if isinstance(value, int | str):
            assert name.startswith("__") or value == getattr(whole, name)


def test_the_licence_stays() -> None:
    cut = prune.pruned(ORIGINAL, [USER])
    header = ORIGINAL[: ORIGINAL.index("##\n# Python bindings")]
    assert "Copyright" in header
    assert cut.startswith(header)


def test_each_error_is_still_a_class_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    part = executed(prune.pruned(ORIGINAL, [USER]), "part", monkeypatch)
    assert type(part.NVMLError(15)).__name__ == "NVMLError_GpuIsLost"
    assert part.NVMLError(15).value == 15


def test_statements_that_only_run_are_kept_and_unused_ones_are_not() -> None:
    source = "import os\nimport sys\nA = 1\nB = A\nC = 3\ndef f():\n    return B\ndef g():\n    return C\nf()\n"
    assert prune.pruned(source, []) == "A = 1\nB = A\ndef f():\n    return B\nf()\n"
    assert prune.pruned(source, ["import x as nv\nnv.g\n"]) == source[source.index("A = 1") :]


def test_the_bundle_is_the_same_each_time_and_named_by_what_is_in_it() -> None:
    parts = {"b": "x", "a": "y"}
    assert make(parts) == make(dict(reversed(parts.items())))
    assert make(parts).digest != make({**parts, "c": ""}).digest
    assert probe_bundle() == probe_bundle()
    assert len(probe_bundle().data) < 60_000


def test_the_command_passes_any_login_shell() -> None:
    for carried in (False, True):
        argv = command(Bundle("d" * 64, b"xyz"), "entry", ("/a", "~"), carried=carried)
        for argument in argv:
            assert "\n" not in argument
            assert "'" not in argument
            assert "!" not in argument  # csh's history
        assert argv[-4:] == ("d" * 64, "entry", "3" if carried else "0", "/a:~")
