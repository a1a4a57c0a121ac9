"""JSON Schema as Anthropic takes it (anthropic-messages.md §5, structured outputs)."""

from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

Schema: TypeAlias = dict[str, Any]

_KEPT = frozenset(
    {
        "$defs",
        "$ref",
        "allOf",
        "anyOf",
        "const",
        "default",
        "definitions",
        "description",
        "enum",
        "items",
        "properties",
        "required",
        "title",
        "type",
    }
)
_FORMATS = frozenset(
    {
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uri",
        "uuid",
    }
)
_SILENT = frozenset({"$schema", "$id", "additionalProperties"})

_decode = msgspec.json.Decoder().decode


def object_schema(raw: Raw | None) -> Raw | Schema | None:
    """A tool's parameters with an object root; None when the root is no object.

    The bytes stay as they are wherever they are right already.
    """
    if raw is None or bytes(raw) == b"null":
        return {"type": "object", "properties": {}}
    schema = _decode(raw)
    if not isinstance(schema, dict):
        return None
    kind = schema.get("type")
    if kind == "object":
        return schema if "oneOf" in schema else raw
    if kind is None or (isinstance(kind, list) and "object" in kind):
        return {**schema, "type": "object"}
    return None


def strict_schema(schema: Raw | Schema) -> tuple[Schema, bool]:
    """The subset strict output takes, and whether a constraint had to move into a description.

    Order of members and properties is kept.
    """
    value = _decode(schema) if isinstance(schema, Raw) else schema
    weakened: list[str] = []
    return _strict(value, weakened), bool(weakened)


def _strict(schema: Schema, weakened: list[str]) -> Schema:
    out: Schema = {}
    moved: list[str] = []
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            out[key] = {name: _child(child, weakened) for name, child in value.items()}
        elif key in ("anyOf", "allOf", "oneOf") and isinstance(value, list):
            out["anyOf" if key == "oneOf" else key] = [_child(child, weakened) for child in value]
        elif key == "items":
            out[key] = _child(value, weakened)
        elif key in _KEPT or _allowed(key, value):
            out[key] = value
        elif key not in _SILENT:
            moved.append(f"{key}: {msgspec.json.encode(value).decode()}")
    if _is_object(out):
        out["additionalProperties"] = False
    if moved:
        weakened += moved
        note = "{" + ", ".join(moved) + "}"
        described = out.get("description")
        out["description"] = f"{described}\n\n{note}" if described else note
    return out


def _child(value: Any, weakened: list[str]) -> Any:
    return _strict(value, weakened) if isinstance(value, dict) else value


def _allowed(key: str, value: object) -> bool:
    if key == "format":
        return isinstance(value, str) and value in _FORMATS
    return key == "minItems" and value in (0, 1)


def _is_object(schema: Schema) -> bool:
    kind = schema.get("type")
    return (
        kind == "object" or "properties" in schema or (isinstance(kind, list) and "object" in kind)
    )
