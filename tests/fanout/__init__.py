"""The engine and its laws."""
