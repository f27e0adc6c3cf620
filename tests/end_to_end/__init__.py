"""The program as its users run it, against the rehearsal fleet, over real SSH."""
