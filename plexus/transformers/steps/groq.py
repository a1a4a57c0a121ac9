"""``groq``: chat bodies that Groq takes."""

from typing import ClassVar

from msgspec import Raw

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep
from plexus.transformers.wire import Members, each, encoded, items, members, unmarked

_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose members are schemas under names: a name is no keyword."""

_INNER = frozenset(
    {
        "additionalProperties",
        "allOf",
        "anyOf",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "oneOf",
        "prefixItems",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
"""Keywords whose values are schemas, or lists of them."""


class Groq(WireStep, frozen=True):
    """Says that the provider is Groq, and takes out what Groq refuses though it means nothing.

    That is every ``cache_control``, and ``$schema`` at any depth of a tool's parameters.  Source:
    musistudio/llms ``groq`` (lineage §2.3 row 10; vendors.md §3).
    """

    NAME: ClassVar[str] = "groq"

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        if dialect != "openai-chat":
            return {}
        changes = unmarked(body.fields)
        tools = changes.get("tools") or body.fields.get("tools")
        if tools is not None and b'"$schema"' in bytes(tools):
            changed = each(tools, _plain_tool)
            if changed is not None:
                changes["tools"] = bytes(changed)
        return changes


def _plain_tool(tool: Members) -> Members | None:
    function = members(tool.get("function"))
    parameters = None if function is None else function.get("parameters")
    if function is None or parameters is None:
        return None
    plain = _plain_schema(parameters)
    if plain is None:
        return None
    return {**tool, "function": encoded({**function, "parameters": plain})}


def _plain_schema(schema: Raw) -> Raw | None:
    """A schema without ``$schema``; None when it has none."""
    if b'"$schema"' not in bytes(schema):
        return None
    found = members(schema)
    if found is None:
        listed = [(item, _plain_schema(item)) for item in items(schema) or ()]
        if all(plain is None for _, plain in listed):
            return None
        return encoded([item if plain is None else plain for item, plain in listed])
    plain = {name: value for name, value in found.items() if name != "$schema"}
    changed = len(plain) < len(found)
    for name, value in plain.items():
        inner = None
        if name in _NAMED:
            inner = _plain_named(value)
        elif name in _INNER:
            inner = _plain_schema(value)
        if inner is not None:
            plain[name] = inner
            changed = True
    return encoded(plain) if changed else None


def _plain_named(schemas: Raw) -> Raw | None:
    found = members(schemas) or {}
    inner = {name: _plain_schema(schema) for name, schema in found.items()}
    changed = {name: schema for name, schema in inner.items() if schema is not None}
    return encoded({**found, **changed}) if changed else None
