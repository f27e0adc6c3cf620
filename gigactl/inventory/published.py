"""The JSON Schema of inventories, published for editors beside this module, which writes it when run."""

from __future__ import annotations

from pathlib import Path

from gigactl.documents import schema_text
from gigactl.inventory.layout import InventoryFile

SCHEMA_FILE = Path(__file__).with_name("inventory.schema.json")


def inventory_schema() -> str:
    """The schema as text, as it is published."""
    return schema_text(InventoryFile, "gigactl inventory, version 1")


if __name__ == "__main__":
    SCHEMA_FILE.write_text(inventory_schema(), encoding="utf-8")
