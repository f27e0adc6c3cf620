"""Transports: real sshd on loopback, this host, scripts."""
