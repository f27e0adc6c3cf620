"""`python -m gigactl` and the `gigactl` command. The version is answered before anything is imported."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from gigactl import __version__


def main() -> None:
    """Run the program and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        print(f"gigactl {__version__}")
        return
    from gigactl.cli.entry import run
    from gigactl.cli.world import real

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's
            signal.signal(number, _terminated)
    sys.exit(run(sys.argv[1:], real()))


def _terminated(number: int, frame: FrameType | None) -> None:
    """So that what is half done is taken back, as with Ctrl-C. While hosts are talked to, the loop has its own way."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
