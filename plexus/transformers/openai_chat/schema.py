"""JSON Schemas on their way to OpenAI (openai-chat.md §3)."""

from collections.abc import Collection

import msgspec
from msgspec import Raw

_members = msgspec.json.Decoder(dict[str, Raw]).decode
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


def with_properties(schema: Raw) -> Raw:
    """OpenAI drops an object without ``properties``: an empty one is added."""
    fields = _members(schema)
    if "properties" in fields or bytes(fields.get("type", b"")) != b'"object"':
        return schema
    return Raw(msgspec.json.encode({**fields, "properties": {}}))


def is_strict(schema: Raw) -> bool:
    """Whether OpenAI would take ``schema`` with ``strict: true``."""
    value = msgspec.json.decode(schema)
    return isinstance(value, dict) and "anyOf" not in value and _is_strict(value)


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
