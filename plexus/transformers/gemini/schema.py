"""Google's ``Schema`` (a subset of OpenAPI) as JSON Schema (gemini.md §2)."""

from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from plexus.transformers.gemini.reader import snake

Schema: TypeAlias = dict[str, Any]

_decode = msgspec.json.Decoder().decode
_NAMES: dict[str, str] = {
    snake(name): name
    for name in (
        "additionalProperties",
        "anyOf",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minItems",
        "minLength",
        "minProperties",
        "propertyOrdering",
    )
}
_COUNTS = frozenset(
    {"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"}
)
_RENAMED = {"defs": "$defs", "ref": "$ref", "example": "examples"}
_GOOGLE_ONLY = frozenset({"propertyOrdering", "nullable"})
_TYPES = {
    1: "string",
    2: "number",
    3: "integer",
    4: "boolean",
    5: "array",
    6: "object",
    7: "null",
}


def json_schema(raw: Raw) -> Raw:
    """``raw`` as JSON Schema: types in lower case, ``nullable`` as a union, counts as numbers.

    Order of members and properties is kept.
    """
    return Raw(msgspec.json.encode(_convert(_decode(raw))))


def _convert(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    schema: Schema = {_NAMES.get(str(name), str(name)): value[name] for name in value}
    out: Schema = {}
    for name, inner in schema.items():
        if name in _GOOGLE_ONLY or inner is None or (name == "type" and not _type(inner)):
            continue
        out[_RENAMED.get(name, name)] = _member(name, inner)
    if schema.get("nullable") in (True, "true"):
        _nullable(out)
    return out


def _member(name: str, value: Any) -> Any:
    if name == "type":
        return _type(value)
    if name in ("properties", "defs", "$defs") and isinstance(value, dict):
        return {key: _convert(inner) for key, inner in value.items()}
    if name == "anyOf" and isinstance(value, list):
        return [_convert(inner) for inner in value]
    if name in ("items", "additionalProperties"):
        return _convert(value)
    if name in _COUNTS and isinstance(value, str) and value.isdecimal():
        return int(value)
    return [value] if name == "example" else value


def _type(value: Any) -> Any:
    """The type's name, None for ``TYPE_UNSPECIFIED``."""
    if isinstance(value, int):
        return _TYPES.get(value)
    if isinstance(value, list):
        return [_type(inner) for inner in value]
    name = str(value).lower()
    return None if name == "type_unspecified" else name


def _nullable(out: Schema) -> None:
    kind = out.get("type")
    if isinstance(kind, str) and kind != "null":
        out["type"] = [kind, "null"]
        if isinstance(out.get("enum"), list) and None not in out["enum"]:
            out["enum"] = [*out["enum"], None]
    elif isinstance(out.get("anyOf"), list):
        out["anyOf"] = [*out["anyOf"], {"type": "null"}]


_SAFE = frozenset(
    {
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "const",
        "description",
        "enum",
        "items",
        "properties",
        "required",
        "title",
        "type",
    }
)


def is_strict(raw: Raw | None) -> bool:
    """Whether OpenAI and Anthropic take the schema as a strict one as it stands."""
    return raw is not None and _strict(_decode(raw))


def _strict(schema: Any) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _SAFE:
        return False
    properties = schema.get("properties", {})
    if schema.get("type") == "object":
        if not isinstance(properties, dict) or schema.get("additionalProperties") is not False:
            return False
        required = schema.get("required", [])
        if not isinstance(required, list) or set(map(str, required)) != set(properties):
            return False
    inner = [*_values(properties), *_values(schema.get("anyOf")), *_values(schema.get("$defs"))]
    if "items" in schema:
        inner.append(schema["items"])
    return all(map(_strict, inner))


def _values(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def takes_nothing(raw: Raw | None) -> bool:
    """No parameters at all, which Gemini wants left out."""
    if raw is None:
        return True
    schema = _decode(raw)
    if not isinstance(schema, dict):
        return False
    plain = schema.keys() <= {"type", "properties", "required", "additionalProperties", "$schema"}
    open_ended = schema.get("additionalProperties") not in (None, False)
    return plain and not open_ended and not schema.get("properties")
