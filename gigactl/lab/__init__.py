"""The rehearsal fleet: hosts with their own namespaces, real sshd and a real NVML ABI on this one machine, broken on
purpose.
"""
