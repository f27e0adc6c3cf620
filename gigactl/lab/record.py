"""Where everything of one lab lies below its directory, and the record that says the directory is a lab's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gigactl.errors import LabError, LabMisuse
from gigactl.lab.options import LabOptions

MARK = "GIGACTL_REHEARSAL_OF"  # in the environment of every process of a lab: its directory
RECORD = "lab.json"
_PARTIAL = "lab.new"  # a record on its way


@dataclass(frozen=True, slots=True)
class Record:
    """What `up` decided once and everything later relies on. `nvidia_smi` is empty where there is none, then `reason`
    says why.
    """

    version: int
    options: LabOptions
    labhost: Path
    library: Path
    cache: Path
    nvidia_smi: str
    nvidia_smi_reason: str
    masked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below a lab's directory."""

    dir: Path

    @property
    def record(self) -> Path:
        return self.dir / RECORD

    @property
    def control(self) -> Path:
        return self.dir / "control"

    @property
    def log(self) -> Path:
        return self.dir / "supervisor.log"

    @property
    def layers(self) -> Path:
        return self.dir / "layers"

    @property
    def identity(self) -> Path:
        return self.dir / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.dir / "known_hosts"

    @property
    def inventory(self) -> Path:
        return self.dir / "inventory.yaml"

    def host(self, name: str) -> Path:
        return self.dir / "hosts" / name


def write(layout: Layout, record: Record) -> None:
    """Replace the record in one step."""
    partial = layout.dir / _PARTIAL
    partial.write_bytes(msgspec.json.encode(record, enc_hook=str))
    partial.replace(layout.record)


def claims(directory: Path) -> bool:
    """Whether a directory is a lab's, be it one whose `up` was cut before the record was whole."""
    names = {path.name for path in directory.iterdir()} if directory.is_dir() else set()
    return RECORD in names or names <= {_PARTIAL}


def no_lab(layout: Layout) -> LabMisuse:
    """For whoever asks where no lab is."""
    return LabMisuse(f"{layout.dir} is no lab", hint="bring one up with `gigactl lab up --dir DIR`")


def read(layout: Layout) -> Record:
    """The record of a lab; LabMisuse where the directory is none, LabError for one that this version does not know."""
    try:
        data = layout.record.read_bytes()
    except OSError:
        raise no_lab(layout) from None
    try:
        return msgspec.json.decode(data, type=Record, dec_hook=_path)
    except msgspec.MsgspecError as error:
        raise LabError(f"{layout.record}: {error}", hint="take it away with `gigactl lab down`") from error


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)  # msgspec's own word from a hook for a type it does not know
