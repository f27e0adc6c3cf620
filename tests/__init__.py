"""Tests, mirroring gigactl/; recorded data in data/, peers side by side in benchmarks/."""
