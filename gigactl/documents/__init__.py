"""YAML read once: every problem with its line, in plain words, with the nearest key; and the JSON Schema."""

from gigactl.documents.conversion import complaints_of, convert, in_order, salvage
from gigactl.documents.nearest import did_you_mean, nearest
from gigactl.documents.reading import Document, examine, parse_document, read_bytes, read_document
from gigactl.documents.schema import json_schema, schema_text

__all__ = [
    "Document",
    "complaints_of",
    "convert",
    "did_you_mean",
    "examine",
    "in_order",
    "json_schema",
    "nearest",
    "parse_document",
    "read_bytes",
    "read_document",
    "salvage",
    "schema_text",
]
