"""JSON Schemas on their way to OpenAI (openai-chat.md §3)."""

from collections.abc import Collection

import msgspec
from msgspec import Raw, Struct

_members = msgspec.json.Decoder(dict[str, Raw]).decode


class _Top(Struct):
    type: Raw = Raw()
    properties: Raw = Raw()


_top = msgspec.json.Decoder(_Top).decode
_ABSENT, _OBJECT = Raw(), Raw(b'"object"')
_FORBIDDEN = frozenset(
    {
        "contains",
        "default",
        "maxContains",
        "maxLength",
        "maxProperties",
        "minContains",
        "minLength",
        "minProperties",
        "oneOf",
        "patternProperties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)

_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_VALUES = frozenset({"const", "default", "enum", "examples"})


def with_properties(schema: Raw) -> Raw:
    """OpenAI drops an object without ``properties``: an empty one is added."""
    top = _top(schema)
    if top.properties != _ABSENT or top.type != _OBJECT:
        return schema
    return Raw(msgspec.json.encode({**_members(schema), "properties": {}}))


def without(schema: Raw, keywords: Collection[str]) -> tuple[Raw, bool]:
    """``schema`` without these keywords, and whether that weakened it.

    ``additionalProperties:false`` takes a keyword out only where it has this value.  ``$schema``
    says nothing about the values and weakens nothing.
    """
    value = msgspec.json.decode(schema)
    found: set[str] = set()
    cleaned = _cleaned(value, frozenset(keywords), found)
    if not found:
        return schema, False
    return Raw(msgspec.json.encode(cleaned)), bool(found - {"$schema"})


def _cleaned(value: object, keywords: frozenset[str], found: set[str]) -> object:
    if isinstance(value, list):
        return [_cleaned(item, keywords, found) for item in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, object] = {}
    for name, inner in value.items():
        if name in keywords or f"{name}:{msgspec.json.encode(inner).decode()}" in keywords:
            found.add(name)
        elif name in _NAMED and isinstance(inner, dict):
            # Their members are names, not keywords.
            out[name] = {key: _cleaned(item, keywords, found) for key, item in inner.items()}
        elif name in _VALUES:
            out[name] = inner
        else:
            out[name] = _cleaned(inner, keywords, found)
    return out


def is_strict(schema: Raw) -> bool:
    """Whether OpenAI would take ``schema`` with ``strict: true``."""
    value = msgspec.json.decode(schema)
    return isinstance(value, dict) and "anyOf" not in value and _is_strict(value)


def refuses_strict(dialect: str, schema: Raw | None) -> bool:
    """Whether a strict tool of a client of ``dialect`` would be a 400 at OpenAI.

    Anthropic and Google take schemas as strict that OpenAI does not (mappings.md §7).
    """
    return dialect in _WIDER and schema is not None and not is_strict(schema)


_WIDER = ("anthropic-messages", "gemini")


def _all_required(schema: dict[str, object], names: Collection[str]) -> bool:
    required = schema.get("required") or []
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return False
    return set(required) == set(names)


def _is_strict(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_strict, value))
    if not isinstance(value, dict):
        return True
    if _FORBIDDEN & value.keys() or ("$ref" in value and len(value) > 1):
        return False
    if value.get("type") == "array" and not isinstance(value.get("items"), dict):
        return False
    properties = value.get("properties")
    if value.get("type") == "object" or isinstance(properties, dict):
        names = properties.keys() if isinstance(properties, dict) else set()
        if value.get("additionalProperties") is not False or not _all_required(value, names):
            return False
    # Members of ``properties`` and ``$defs`` are names, not keywords.
    inner = [
        *(properties.values() if isinstance(properties, dict) else ()),
        *(value["$defs"].values() if isinstance(value.get("$defs"), dict) else ()),
        *(value.get(name) for name in ("items", "anyOf", "allOf") if name in value),
    ]
    return all(map(_is_strict, inner))
