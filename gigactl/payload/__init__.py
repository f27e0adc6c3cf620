"""The only code that runs on a host: the standard library and pynvml.py, Python 3.6, imports nothing else of
gigactl."""
