"""Tests of gigactl.render."""
