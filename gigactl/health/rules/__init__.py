"""Every rule that judges one host, in the order in which they are asked. GPU_RULES read each GPU through NVML."""

from __future__ import annotations

from gigactl.health.rules import driver, fabric, host, kernel, links, memory, presence

GPU_RULES = (*memory.RULES, *links.RULES, *fabric.RULES)
ALL_GPU_RULES = (*presence.RULES, *driver.RULES, *kernel.RULES, *GPU_RULES)
HOST_RULES = host.RULES
RULES = (*ALL_GPU_RULES, *HOST_RULES)
