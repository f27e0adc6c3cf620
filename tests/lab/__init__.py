"""The rehearsal fleet: its parts, and hosts of a real one seen through OpenSSH."""
