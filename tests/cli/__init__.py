"""Tests of gigactl.cli."""
