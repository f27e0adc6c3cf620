"""One library for each driver version, compiled once, without a warning, exporting NVML's names and no other."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from gigactl.errors import LabError, LabMisuse
from gigactl.lab import nvml_build, tools
from tests.lab.nvml.lab_host import CACHE

SOURCES = Path(nvml_build.__file__).parent / "nvml"
VERSIONS = ["535.261.03", "550.163.01", "570.211.01", "580.65.06", "580.126.20", "590.48.01"]


def exported(library: Path) -> set[str]:
    said = tools.run(["nm", "-D", "--defined-only", str(library)])
    return {line.split()[-1] for line in said.splitlines()}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_sources_compile_without_a_warning(version: str) -> None:
    major, minor, _ = version.split(".")
    defines = [f'-DLAB_DRIVER="{version}"', f"-DLAB_MAJOR={major}", f"-DLAB_MINOR={int(minor)}"]
    strict = [
        "-std=gnu11",
        "-fsyntax-only",
        "-Wall",
        "-Wextra",
        "-Wshadow",
        "-Wmissing-prototypes",
        "-Werror",
    ]
    done = subprocess.run(
        ["gcc", *strict, *defines, *map(str, SOURCES.glob("*.c"))], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_a_version_is_compiled_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = nvml_build.build("580.126.20", cache)
    made = first.stat().st_mtime_ns
    assert nvml_build.build("580.126.20", cache) == first
    assert first.stat().st_mtime_ns == made
    assert list(cache.iterdir()) == [first]


def test_older_libraries_lack_what_came_later() -> None:
    names = {version: exported(nvml_build.build(version, CACHE)) for version in VERSIONS}
    for older, newer in pairwise(VERSIONS):
        assert names[older] <= names[newer]
    assert "nvmlDeviceGetMarginTemperature" in names["570.211.01"] - names["550.163.01"]
    assert "nvmlDeviceGetUnrepairableMemoryFlag_v1" in names["590.48.01"] - names["580.126.20"]
    assert all(name.startswith("nvml") for name in names["590.48.01"])


@pytest.mark.parametrize("version", ["470.256.02", "580", "580.126.20; rm", "", "five.eighty"])
def test_what_is_no_version_is_refused(version: str, tmp_path: Path) -> None:
    with pytest.raises(LabMisuse, match="is not a version from 535 on"):
        nvml_build.build(version, tmp_path)


def test_the_compilers_words_are_passed_on(tmp_path: Path) -> None:
    broken = tmp_path / "sources"
    shutil.copytree(SOURCES, broken)
    (broken / "events.c").write_text("this is not C\n", encoding="utf-8")
    with pytest.raises(LabError, match=r"events\.c:1:"):
        nvml_build.build("580.126.20", tmp_path / "cache", sources=broken)
    assert list((tmp_path / "cache").iterdir()) == []
