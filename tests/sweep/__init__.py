"""Tests of gigactl.sweep."""
