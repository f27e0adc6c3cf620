"""Reaching one host: the protocols, and what speaks them (ssh, local, simulated)."""
