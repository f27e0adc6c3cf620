"""The units that matter to GPU hosts, in systemd's words: one `systemctl show` for all of them."""

import os

from gigactl.payload import spawn, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Sequence

UNITS = (
    "nvidia-fabricmanager",
    "nvidia-persistenced",
    "nvidia-imex",
    "nvidia-dcgm",
    "slurmd",
    "kubelet",
    "containerd",
    "docker",
)
COMMAND = ("systemctl", "show", "--no-pager", "-p", "Id,LoadState,ActiveState,SubState,UnitFileState")
_WORDS = {"LoadState": "load", "ActiveState": "active", "SubState": "sub", "UnitFileState": "enabled"}


class NotHereError(Exception):
    """systemd does not run here."""


def states(root: str, command: "Sequence[str]" = COMMAND, seconds: float = 10.0) -> "List[Dict[str, str]]":
    """The Service shapes, one per unit asked for. Raises NotHereError without systemd, OSError where it does not
    answer."""
    if not os.path.isdir(tree.join(root, "/run/systemd/system")):
        raise NotHereError("systemd is not running")
    code, data = spawn.run((*command, *[unit + ".service" for unit in UNITS]), seconds)
    if code is None:
        raise OSError("systemctl did not answer")
    return parse(data.decode("utf-8", "replace"))


def parse(text: str) -> "List[Dict[str, str]]":
    """Blocks of `Key=value` lines, one block per unit, as `systemctl show` prints them."""
    found = []
    for block in text.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        name = values.get("Id", "")
        if not name:
            continue
        service = {"name": name[: -len(".service")] if name.endswith(".service") else name}
        service.update({key: values.get(word, "") for word, key in _WORDS.items()})
        found.append(service)
    return found
