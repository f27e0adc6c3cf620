"""Tests of the code that runs on hosts: unittest and the standard library only, so that they run on the oldest
Python."""
