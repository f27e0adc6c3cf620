"""`python -m tests.benchmarks [NAME…]`: all of them or those named; exit 1 when a goal is missed on a quiet machine."""

from __future__ import annotations

import importlib
import sys

NAMES = ("fanout_true", "sweep_lab")


def main(argv: list[str]) -> int:
    unknown = [name for name in argv if name not in NAMES]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    codes = []
    for name in argv or NAMES:
        print(f"== {name}", flush=True)
        codes.append(int(importlib.import_module(f"tests.benchmarks.{name}").main() or 0))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
