#!/usr/bin/env bash
# `make demo`: a rehearsal fleet of 16 hosts x 8 GPUs with a handful of faults, its health, and what to try next.
# Environment: GIGACTL (the program), LAB_DIR (where the fleet lives). Needs root. Leaves the fleet up.
set -euo pipefail
dir=$LAB_DIR

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
show() { printf '$ gigactl %s\n' "$*"; "$GIGACTL" "$@"; }

if [ -e "$dir" ]; then
    "$GIGACTL" -q lab down --dir "$dir"
fi

say "A fleet of 16 ThinkSystem SR680a V3, 8 x H200 each: real sshd, the real NVML ABI, no GPU needed."
show lab up --dir "$dir" --hosts 16 --gpus 8 --model sr680a-v3 --board h200
export GIGACTL_INVENTORY="$dir/inventory.yaml"

say "A handful of things that happen to real ones."
show lab fault gpu003 gpu-lost gpu=5 --dir "$dir"
show lab fault gpu007 row-remap-pending gpu=2 --dir "$dir"
show lab fault gpu009,gpu012 nvlink-down gpu=1 links=2 --dir "$dir"
show lab fault gpu014 driver-mismatch --dir "$dir"
show lab fault gpu016 refused --dir "$dir"

say "The health of the fleet."
code=0
show health check || code=$?
printf '(exit code %s: 8 means findings at or above --fail-on)\n' "$code"

say "What to try next (as root):"
cat <<TXT
  export GIGACTL_INVENTORY=$dir/inventory.yaml PATH=$(dirname "$GIGACTL"):\$PATH
  gigactl health show gpu003            every GPU of one host, and what to do
  gigactl health explain XID-79         what a finding means, and where that is written
  gigactl health check -o json          the same for a program
  gigactl exec -l gpu[001-004] -y -- uptime
  gigactl lab fault gpu001 xid code=79 gpu=0 --dir $dir
  gigactl lab fault gpu003 clear --dir $dir
  gigactl lab down --dir $dir           leaves no process, mount or file
TXT
[ "$code" = 8 ]
