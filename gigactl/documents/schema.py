"""The JSON Schema of a document, made from the same types that decode it; published for editors."""

from __future__ import annotations

import json
from typing import Any

import msgspec

DRAFT = "https://json-schema.org/draft/2020-12/schema"


_made: dict[Any, dict[str, Any]] = {}


def json_schema(kind: Any) -> dict[str, Any]:
    """The schema of `kind`, as msgspec writes it; made once."""
    if kind not in _made:
        _made[kind] = {"$schema": DRAFT, **msgspec.json.schema(kind)}
    return _made[kind]


def schema_text(kind: Any, title: str) -> str:
    """The schema as the file that is published: indented, in a fixed order, with a title."""
    return json.dumps({"title": title, **json_schema(kind)}, indent=2, ensure_ascii=False, sort_keys=False) + "\n"


def at(kind: Any, path: tuple[str | int, ...]) -> dict[str, Any]:
    """What the schema of `kind` says of the place at `path`; empty where anything is allowed."""
    whole = json_schema(kind)
    here: dict[str, Any] = whole
    for key in path:
        options = [_below(_resolve(option, whole), key) for option in alternatives(_resolve(here, whole))]
        here = next((option for option in options if option is not None), {})
    return _resolve(here, whole)


def alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The branches of an anyOf, or the schema itself."""
    branches: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return branches


def _resolve(schema: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        target: Any = whole
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def _below(schema: dict[str, Any], key: str | int) -> dict[str, Any] | None:
    if isinstance(key, int):
        items = schema.get("items")
        return items if isinstance(items, dict) else None
    properties = schema.get("properties", {})
    if key in properties:
        found: dict[str, Any] = properties[key]
        return found
    more = schema.get("additionalProperties")
    return more if isinstance(more, dict) else None
