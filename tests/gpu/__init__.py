"""On real hardware: `pytest -m gpu tests/gpu`; nothing here runs elsewhere."""
