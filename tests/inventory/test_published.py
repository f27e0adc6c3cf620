"""The published JSON Schema is the one the types make, and it says of inventories what loading says."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from gigactl.documents import read_document
from gigactl.inventory.published import SCHEMA_FILE, inventory_schema

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "inventory").glob("*.yaml"))


def test_what_is_published_is_what_the_types_say() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == inventory_schema(), "run python -m gigactl.inventory.published"


def test_the_examples_fit_it() -> None:
    validator = Draft202012Validator(json.loads(inventory_schema()))
    assert EXAMPLES
    for path in EXAMPLES:
        assert list(validator.iter_errors(read_document(path).value)) == []


def test_a_wrong_key_does_not() -> None:
    validator = Draft202012Validator(json.loads(inventory_schema()))
    assert list(validator.iter_errors({"version": 1, "hosts": {"a": {"adress": "x"}}}))
