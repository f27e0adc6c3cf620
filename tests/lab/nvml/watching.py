"""A program with NVML open that reads a temperature for every line it is sent: what a test sees while it alters a host.

`python -m tests.lab.nvml.watching`: prints `ready`, then per line of input one line: the value or `error CODE`.
"""

from __future__ import annotations

import sys

import pynvml as nv


def main() -> None:
    """Read until the input ends."""
    nv.nvmlInit()
    handle = nv.nvmlDeviceGetHandleByIndex(0)
    print("ready", flush=True)
    for _ in sys.stdin:
        try:
            print(nv.nvmlDeviceGetTemperature(handle, 0), flush=True)
        except nv.NVMLError as error:
            print(f"error {error.value}", flush=True)


if __name__ == "__main__":
    main()
