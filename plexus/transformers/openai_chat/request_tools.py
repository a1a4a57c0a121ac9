"""Tools, tool choice and response format of a chat request (openai-chat.md §1, §3)."""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from plexus.transformers.openai_chat.content import list_of, parse_cache_control
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.reading import (
    BOOL,
    LIST,
    NULL,
    OBJECT,
    STR,
    TEXT_OR_OBJECT,
    Level,
    missing,
    read,
    wrong,
)
from plexus.unified.request import (
    CustomTool,
    FunctionTool,
    ResponseFormat,
    ServerTool,
    ToolChoice,
    UnifiedTool,
)

_MODES: tuple[Literal["auto", "none", "required"], ...] = ("auto", "none", "required")


def parse_tools(raw: Raw) -> tuple[UnifiedTool, ...]:
    """``tools``.  Raises PlexusError with ``param``."""
    return tuple(
        [
            plain_tool(item) or any_tool(item, f"tools[{number}]")
            for number, item in enumerate(list_of(raw, "tools"))
        ]
    )


def parse_functions(raw: Raw) -> tuple[UnifiedTool, ...]:
    """The deprecated ``functions``."""
    return tuple(
        _parse_function(Level.of(item, f"functions[{number}]"))
        for number, item in enumerate(list_of(raw, "functions"))
    )


class PlainFunction(Struct, forbid_unknown_fields=True, kw_only=True):
    """A function as nearly all are, in both of OpenAI's dialects."""

    name: str
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None

    def tool(self) -> FunctionTool | None:
        """None where the schema is no object."""
        parameters = None if self.parameters == NULL else self.parameters
        if parameters is not None and bytes(memoryview(parameters)[:1]) != b"{":
            return None
        return FunctionTool(
            name=self.name,
            description=self.description,
            parameters=parameters,
            strict=self.strict,
        )


class _Tool(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["function"] = "function"
    function: PlainFunction


_tool = msgspec.json.Decoder(_Tool).decode


def plain_tool(raw: Raw) -> FunctionTool | None:
    """What ``any_tool`` reads, in one look; None for a tool that says anything else."""
    try:
        return _tool(raw).function.tool()
    except (msgspec.DecodeError, RecursionError):
        return None


def any_tool(raw: Raw, path: str) -> UnifiedTool:
    """Raises PlexusError with ``param``."""
    level = Level.of(raw, path)
    kind = level.take("type", STR) or "function"
    if kind == "function":
        cache = parse_cache_control(level)
        # The flat form of Responses is read too; only ``function`` is ever written.
        inner = level.object("function") or Level(level.rest, path)
        tool = _parse_function(inner)
        return msgspec.structs.replace(tool, cache_control=cache)
    if kind == "custom":
        inner = level.object("custom") or Level(level.rest, path)
        return CustomTool(
            name=inner.need("name", STR),
            description=inner.take("description", STR),
            format=inner.raw("format"),
            ext=_ext(inner),
        )
    return ServerTool(kind=server_kind(kind), dialect=NAME, raw=raw, name=kind)


def _parse_function(level: Level) -> FunctionTool:
    parameters = level.raw("parameters")
    if parameters is not None:
        read(parameters, OBJECT, level.at("parameters"))
    return FunctionTool(
        name=level.need("name", STR),
        description=level.take("description", STR),
        parameters=parameters,
        strict=level.take("strict", BOOL),
        ext=_ext(level),
    )


def _ext(level: Level) -> dict[str, dict[str, Raw]]:
    return {NAME: level.rest} if level.rest else {}


def server_kind(kind: str) -> str:
    """The canonical kind of a tool's type (canonical.md §3.2)."""
    plain = kind.rpartition(":")[2]
    return "web_search" if plain.startswith("web_search") else plain


def parse_tool_choice(raw: Raw, path: str = "tool_choice") -> ToolChoice | None:
    """``tool_choice`` (or the deprecated ``function_call``) in every form."""
    value = read(raw, TEXT_OR_OBJECT, path)
    if value is None:
        return None
    if isinstance(value, str):
        if value == "any":
            value = "required"
        for mode in _MODES:
            if value == mode:
                return ToolChoice(mode=mode)
        raise wrong(path, "none, auto, required or an object")
    level = Level(value, path)
    if path == "function_call":
        return ToolChoice(mode="function", name=level.need("name", STR))
    kind = level.need("type", STR)
    match kind:
        case "function":
            return ToolChoice(mode="function", name=_named(level, "function"))
        case "custom":
            return ToolChoice(mode="custom", name=_named(level, "custom"))
        case "allowed_tools":
            return _allowed(level.object("allowed_tools") or level)
        case "auto" | "none" | "required":
            return parse_tool_choice(Raw(msgspec.json.encode(kind)), path)
        case _:
            return ToolChoice(mode="server", name=kind)


def _named(level: Level, key: str) -> str:
    return (level.object(key) or level).need("name", STR)


def _allowed(level: Level) -> ToolChoice:
    names = []
    tools: list[Raw] = level.need("tools", LIST)
    for number, item in enumerate(tools):
        tool = Level.of(item, f"{level.at('tools')}[{number}]")
        kind = tool.take("type", STR) or "function"
        inner = tool.object(kind) or tool
        names.append(inner.take("name", STR) or kind)
    return ToolChoice(
        mode="allowed", names=tuple(names), forced=level.take("mode", STR) == "required"
    )


def parse_response_format(raw: Raw) -> ResponseFormat | None:
    """``response_format``; None for vendors' own types, which only they understand."""
    level = Level.of(raw, "response_format")
    kind = level.need("type", STR)
    match kind:
        case "text":
            return ResponseFormat(type="text")
        case "json_object":
            return ResponseFormat(type="json_object")
        case "json_schema":
            return _schema_format(level)
        case _:
            return None


def _schema_format(level: Level) -> ResponseFormat:
    inner = level.object("json_schema")
    if inner is None:
        raise missing(level.at("json_schema"))
    schema = inner.raw("schema")
    if schema is not None:
        read(schema, OBJECT, inner.at("schema"))
    return ResponseFormat(
        type="json_schema",
        name=inner.take("name", STR),
        description=inner.take("description", STR),
        schema=schema,
        strict=inner.take("strict", BOOL),
    )
