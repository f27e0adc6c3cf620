"""`python -m gigactl` and the `gigactl` command. The version is answered before anything is imported."""

from __future__ import annotations

import sys

from gigactl import __version__


def main() -> None:
    """Run the program and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        print(f"gigactl {__version__}")
        return
    from gigactl.cli.entry import run
    from gigactl.cli.world import real

    sys.exit(run(sys.argv[1:], real()))


if __name__ == "__main__":
    main()
