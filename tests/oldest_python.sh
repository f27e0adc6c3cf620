#!/usr/bin/env bash
# Runs the payload's tests under the oldest Python 3 (3.6 or newer) on this machine, and prints which one that was.
# Usage: oldest_python.sh FALLBACK_PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."
fallback=$1
shopt -s nullglob

# a shim on the PATH may answer for an interpreter it does not have: each candidate has to run
candidates=(/usr/bin/python3.[0-9]* /usr/local/bin/python3.[0-9]* /usr/libexec/platform-python
            "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 /opt/python*/bin/python3 "$fallback")
oldest='' oldest_version=99999
for candidate in "${candidates[@]}"; do
    [[ $candidate == *-config ]] && continue
    version=$("$candidate" -c 'import sys; print("%d%03d" % sys.version_info[:2])' 2>/dev/null) || continue
    if [ "$version" -ge 3006 ] && [ "$version" -lt "$oldest_version" ]; then
        oldest=$candidate oldest_version=$version
    fi
done

echo "payload tests under $("$oldest" -V 2>&1) ($oldest)"
library=$("$fallback" -c 'import os, pynvml; print(os.path.dirname(os.path.abspath(pynvml.__file__)))')
single=$(mktemp -d)
trap 'rm -rf "$single"' EXIT
# pynvml alone: the rest of that directory is for another interpreter
cp "$library/pynvml.py" "$single/"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$single "$oldest" -W error -m unittest discover -s tests/payload -t .
