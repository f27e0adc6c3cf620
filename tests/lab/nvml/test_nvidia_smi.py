"""Debian's own nvidia-smi on the lab's library: the table, `-q`, `-q -x`, and its exit codes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gigactl.errors import LabError
from gigactl.lab import boards, nvidia_smi
from gigactl.lab.hardware import identities
from tests.lab.nvml.lab_host import CACHE, LabHost, make

DATA = Path(__file__).resolve().parents[2] / "data" / "nvidia_smi"


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return nvidia_smi.fetch(CACHE)
    except LabError as error:
        pytest.skip(error.detail)


def said(host: LabHost, program: Path, *arguments: str) -> str:
    done = host.run([program, *arguments])
    assert done.returncode == 0, done.stdout
    return done.stdout


def gpus(xml: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(xml).findall("gpu")


def text(gpu: ElementTree.Element, path: str) -> str:
    found = gpu.find(path)
    assert found is not None, path
    return (found.text or "").strip()


def test_the_table_shows_every_gpu(program: Path, tmp_path: Path) -> None:
    table = said(make(tmp_path), program)
    assert "Driver Version: 580.126.20   CUDA Version: 13.0" in table
    assert table.count("NVIDIA H200") == 8
    assert "00000000:18:00.0" in table
    assert "rror" not in table.replace("Uncorr", "")


def test_the_long_form_reads_everything(program: Path, tmp_path: Path) -> None:
    full = said(make(tmp_path, gpus=2), program, "-q")
    assert full.count("Product Name                          : NVIDIA H200") == 2
    for wrong in ("Unknown Error", "ERR!", "Insufficient", "GPU is lost"):
        assert wrong not in full


@pytest.mark.parametrize("driver", ["535.261.03", "580.126.20"])
@pytest.mark.parametrize("board", sorted(boards.load()))
def test_the_xml_agrees_with_the_state(board: str, driver: str, program: Path, tmp_path: Path) -> None:
    profile = boards.load()[board]
    host = make(tmp_path, board, driver)
    found = gpus(said(host, program, "-q", "-x"))
    known = identities(host.state.read_text(encoding="utf-8"))
    assert [text(gpu, "uuid") for gpu in found] == [one.uuid for one in known]
    assert [text(gpu, "serial") for gpu in found] == [one.serial for one in known]
    for gpu in found:
        assert text(gpu, "product_name") == profile.name
        assert text(gpu, "pci/pci_gpu_link_info/link_widths/current_link_width") == "16x"
        assert text(gpu, "pci/pci_gpu_link_info/pcie_gen/current_link_gen") == str(profile.pcie_generation)
        assert text(gpu, "ecc_mode/current_ecc") == "Enabled"
        assert text(gpu, "ecc_errors/volatile/sram_uncorrectable_secded") == "0"
        assert text(gpu, "ecc_errors/aggregate/sram_threshold_exceeded") == "No"
        assert text(gpu, "remapped_rows/remapped_row_pending") == "No"
        assert text(gpu, "remapped_rows/row_remapper_histogram/row_remapper_histogram_max") != "N/A"
        assert text(gpu, "fabric/state") == ("Completed" if "fabric.health" in profile.readings else "N/A")
        assert text(gpu, "gsp_firmware_version") == driver


def test_faults_show_in_the_xml(program: Path, tmp_path: Path) -> None:
    lines = {"gpu.1.remap.pending": "1", "gpu.1.ecc.1.0.7": "2", "gpu.1.pcie.width": "8", "gpu.1.temp": "88",
             "frozen": "1"}  # fmt: skip
    healthy, broken = gpus(said(make(tmp_path, gpus=2, overrides=lines), program, "-q", "-x"))
    assert text(broken, "remapped_rows/remapped_row_pending") == "Yes"
    assert text(broken, "ecc_errors/volatile/sram_uncorrectable_secded") == "2"
    assert text(broken, "pci/pci_gpu_link_info/link_widths/current_link_width") == "8x"
    assert text(broken, "temperature/gpu_temp") == "88 C"
    assert text(healthy, "remapped_rows/remapped_row_pending") == "No"


def test_it_tells_of_every_link(program: Path, tmp_path: Path) -> None:
    status = said(make(tmp_path, gpus=1, overrides={"gpu.0.nvlink.2.state": "0"}), program, "nvlink", "-s")
    assert status.count("26.562 GB/s") == 17
    assert "Link 2: <inactive>" in status


@pytest.mark.parametrize(
    ("lines", "code", "words"),
    [
        ({"driver": "580.95.05"}, 18, "Driver/library version mismatch"),
        ({"driver": "none"}, 9, "couldn't communicate with the NVIDIA driver"),
        ({"gpu.3.lost": "1"}, 15, "Unable to determine the device handle for GPU3: GPU is lost"),
    ],
)
def test_it_fails_as_on_a_broken_host(
    lines: dict[str, str], code: int, words: str, program: Path, tmp_path: Path
) -> None:
    done = make(tmp_path, overrides=lines).run([program, "-q", "-x"])
    assert done.returncode == code
    assert words in done.stdout


def test_what_was_recorded_is_what_it_says(program: Path, tmp_path: Path) -> None:
    """The recorded data must not drift from the library; only the time differs."""
    fresh = said(make(tmp_path, overrides={"frozen": "1"}), program, "-q", "-x")
    recorded = (DATA / "h200x8.xml").read_text(encoding="utf-8")
    assert [*_without_time(fresh)] == [*_without_time(recorded)]


def _without_time(xml: str) -> Iterator[str]:
    return (line for line in xml.splitlines() if "<timestamp>" not in line)


@pytest.mark.slow
def test_fetching_leaves_this_machines_apt_alone(tmp_path: Path) -> None:
    places = [Path(place) for place in ("/var/lib/apt/lists", "/var/cache/apt/archives", "/var/lib/dpkg", "/etc/apt")]
    before = [_listing(place) for place in places]
    try:
        fetched = nvidia_smi.fetch(tmp_path / "cache")
    except LabError as error:
        pytest.skip(error.detail)
    assert [_listing(place) for place in places] == before
    assert os.access(fetched, os.X_OK)
    assert list((tmp_path / "cache").iterdir()) == [fetched]
    assert nvidia_smi.fetch(tmp_path / "cache") == fetched


def _listing(place: Path) -> str:
    command = ["find", str(place), "-type", "f", "-printf", "%p %s %T@\\n"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
