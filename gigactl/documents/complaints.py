"""What a JSON Schema finds wrong with a value, in words for people who never heard of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from gigactl.documents.nearest import did_you_mean
from gigactl.documents.values import Path

Complaint = tuple[Path, str, str]
"""Where, what is wrong, what to do."""

_WANTED = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}
_SHOWN = 60  # characters of a wrong value


def complaints(schema: dict[str, Any], value: Any) -> Iterator[Complaint]:
    """Everything wrong with `value`, each once."""
    for error in Draft202012Validator(schema).iter_errors(_textual(value)):
        yield from _of(error)


def _textual(value: Any) -> Any:
    """Keys as text: jsonschema knows no others."""
    if isinstance(value, dict):
        return {str(key): _textual(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_textual(inner) for inner in value]
    return value


def _of(error: ValidationError) -> Iterator[Complaint]:
    path: Path = tuple(error.absolute_path)
    name = _name(path)
    given: Any = error.instance
    rule: Any = error.validator_value
    match error.validator:
        case "anyOf":
            yield from _branches(error)
        case "additionalProperties" if isinstance(given, dict):
            yield from _unknown_keys(error, path)
        case "required":
            missing = [key for key in rule if key not in given]
            # one error for each missing key, all with the same list: this one names its own first in the message
            key = next(key for key in missing if error.message.startswith(repr(key)))
            yield path, f"{name} lacks the key `{key}`" if path else f"the key `{key}` is missing", ""
        case "type":
            what = f"{name} should be {_wanted(_listed(error))}, not {_given(given)}"
            yield path, what, _instead(given, _listed(error))
        case "enum" | "const":
            allowed = rule if error.validator == "enum" else [rule]
            yield (path, *_not_allowed(name, given, allowed))
        case "pattern":
            yield path, f"{name} cannot be {_given(given)}", f"it must match {rule}"
        case "minItems" | "minLength" | "minProperties":
            yield path, f"{name} is empty" if rule == 1 else f"{name} is too short", ""
        case limit if limit in _LIMITS:
            yield path, f"{name} is {given}: it must be {_LIMITS[str(limit)]} {rule}", ""
        case "format":
            yield path, f"{name} should be a {rule}, not {_given(given)}", ""
        case _:
            yield path, f"{name}: {error.message}", ""


def _branches(error: ValidationError) -> Iterator[Complaint]:
    """Of several allowed forms, what is wrong with the one that was meant; all forms where none was.

    An optional value is `anyOf: [form, null]`: the branch for nothing is noise, except that it says what is allowed.
    """
    by_branch: dict[int, list[ValidationError]] = {}
    for inner in error.context or ():
        by_branch.setdefault(int(inner.schema_path[0]), []).append(inner)
    at = len(error.absolute_path)
    meant = [found for found in by_branch.values() if not _wrong_form(found, at)]
    if meant:
        for inner in min(meant, key=len):
            yield from _of(inner)
        return
    forms = [inner for found in by_branch.values() for inner in found if inner.validator == "type"]
    wanted = [form for inner in forms for form in _listed(inner) if form != "null"]
    others = [inner for found in by_branch.values() for inner in found if inner.validator != "type"]
    if wanted or not others:
        path: Path = tuple(error.absolute_path)
        what = f"{_name(path)} should be {_wanted(wanted)}, not {_given(error.instance)}"
        yield path, what, _instead(error.instance, wanted)
    else:
        yield from _of(others[0])


def _wrong_form(found: list[ValidationError], at: int) -> bool:
    """Whether a branch fails for the form of the value itself, not for something in it."""
    return any(inner.validator == "type" and len(inner.absolute_path) == at for inner in found)


def _unknown_keys(error: ValidationError, path: Path) -> Iterator[Complaint]:
    schema: Any = error.schema
    given: Any = error.instance
    known = list(schema.get("properties", {}))
    for key in given:
        if key not in known:
            unused = [name for name in known if name not in given]
            yield (*path, key), f"unknown key `{key}`", did_you_mean(key, unused or known, "known here:")


def _not_allowed(name: str, value: Any, allowed: list[Any]) -> tuple[str, str]:
    words = [str(one) for one in allowed if one is not None]
    if isinstance(value, str):
        hint = did_you_mean(value, words)
        listed = "" if hint.startswith("there are") or len(words) > 12 else f" ({', '.join(words)})"
        return f"{name} cannot be {_given(value)}", hint + listed
    wanted = f"one of {', '.join(words)}" if len(words) > 1 else words[0]
    return f"{name} should be {wanted}, not {_given(value)}", ""


def _name(path: Path) -> str:
    """The place in words: `ssh.port`, or `groups[2]` for a list item."""
    if not path:
        return "the document"
    text = ""
    for key in path[-2:]:
        text += f"[{key + 1}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return f"`{text}`"


def _listed(error: ValidationError) -> list[str]:
    """The types an error of type asks for."""
    kinds: Any = error.validator_value
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _wanted(kinds: list[str]) -> str:
    words = [_WANTED.get(kind, kind) for kind in dict.fromkeys(kinds) if kind != "null"] or ["nothing"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _given(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = re.sub(r"[^\x20-\x7e\u00a0-\uffff]", "?", value)
        return f'the text "{shown[:_SHOWN]}"' + ("…" if len(shown) > _SHOWN else "")
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a mapping"


def _instead(value: Any, wanted: list[str]) -> str:
    """What to write instead, where that is plain."""
    if value is None:
        return "remove the key, or give it a value"
    if "string" in wanted and isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'write "{value}"'
    if wanted == ["array"] and isinstance(value, str):
        return f"write [{value}]"
    return ""
