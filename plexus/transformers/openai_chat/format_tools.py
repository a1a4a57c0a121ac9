"""Tools, tool choice and response format, unified to a chat provider (mappings.md §5, §7)."""

import re
from typing import Any

from msgspec import Raw

from plexus.transformers.openai_chat.format_parts import Writing
from plexus.transformers.openai_chat.losses import FAMILY, NAME
from plexus.transformers.openai_chat.names import ToolNames
from plexus.transformers.openai_chat.schema import (
    is_strict,
    refuses_strict,
    with_properties,
    without,
)
from plexus.unified.errors import unsupported
from plexus.unified.request import (
    ClientBuiltinTool,
    CustomTool,
    FunctionTool,
    ResponseFormat,
    ServerTool,
    ToolChoice,
    UnifiedChatRequest,
)

TOOL_LIMIT = 128
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
SCHEMA_NAME = "response"
JSON_ONLY = "Answer with one JSON object and nothing else."
_CUSTOM_SCHEMA = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
INSTRUCTION = "Answer with one JSON object and nothing else. It must match this JSON Schema:\n"


def write_tools(request: UnifiedChatRequest, writing: Writing, names: ToolNames) -> list[Any]:
    """``tools``.  Raises PlexusError (400) for tools the target cannot have."""
    capabilities, choice = writing.target.capabilities, request.tool_choice
    if request.tools and capabilities.tools is False:
        raise unsupported(f"{writing.target.model} takes no tools", "tools")
    if request.tools and choice is not None and _replaced(choice.mode, writing) == "no tools":
        writing.log.note("tool_choice.none", "tool_choice")
        return []
    allowed = _allowed(request, writing)
    out: list[Any] = []
    seen: set[str] = set()
    for number, tool in enumerate(request.tools):
        if allowed is not None and tool.name not in allowed:
            continue
        path = f"tools[{number}]"
        match tool:
            case FunctionTool():
                out.append(_function(tool, path, writing, names))
            case CustomTool() if capabilities.custom_tools is False:
                out.append(_custom_function(tool, path, writing, names))
            case CustomTool():
                out.append(_custom(tool, names))
            case ServerTool(dialect=dialect, raw=raw) if dialect == NAME:
                out.append(raw)
            case ServerTool():
                writing.log.note("tool.server", path)
            case ClientBuiltinTool():
                writing.log.note("tool.builtin", path)
        if type(tool) is CustomTool and tool.ext.keys() - {NAME}:
            writing.log.note("tool.ext", path)
        if tool.name in seen and isinstance(tool, FunctionTool | CustomTool):
            raise unsupported(f"two tools have the name of {path}", path)
        seen.add(tool.name)
    most = capabilities.tools_max or (TOOL_LIMIT if writing.target.family == FAMILY else None)
    if most is not None and len(out) > most:
        raise unsupported(f"{writing.target.provider} takes at most {most} tools", "tools")
    return out


def _replaced(mode: str, writing: Writing) -> str:
    """What a choice becomes at a vendor that does not take it (mappings.md §5.3)."""
    known = writing.target.capabilities.tool_choices
    if mode == "custom" and writing.target.capabilities.custom_tools is False:
        mode = "function"
    if known is None or mode in known or mode in ("custom", "server"):
        return mode
    return {"none": "no tools", "allowed": "a filter"}.get(mode, "auto")


def _allowed(request: UnifiedChatRequest, writing: Writing) -> set[str] | None:
    """The tools to keep where the vendor has no list of allowed ones: these and the used ones."""
    choice = request.tool_choice
    if choice is None or _replaced(choice.mode, writing) != "a filter":
        return None
    writing.log.note("tool_choice.allowed", "tool_choice")
    used = {call.name for message in request.messages for call in message.tool_calls}
    return {*choice.names, *used}


def _function(tool: FunctionTool, path: str, writing: Writing, names: ToolNames) -> dict[str, Any]:
    function: dict[str, Any] = {"name": names(tool.name)}
    if function["name"] != tool.name:
        writing.log.note("tool.name", path)
    capabilities = writing.target.capabilities
    if tool.description is not None:
        function["description"] = _description(tool.description, path, writing)
    if tool.parameters is not None:
        function["parameters"] = _fitted(with_properties(tool.parameters), path, writing)
    refused = capabilities.strict_tools is False
    if tool.strict and (refused or refuses_strict(writing.dialect, tool.parameters)):
        writing.log.note("tool.strict", path)
    elif tool.strict is not None and not refused:
        function["strict"] = tool.strict
    if tool.ext:
        _write_own(function, tool, path, writing)
    out: dict[str, Any] = {"type": "function", "function": function}
    if tool.cache_control is not None:
        marked = capabilities.cache_breakpoints is not False and writing.native
        if marked or (capabilities.cache_breakpoints and writing.cache_form == "anthropic"):
            ttl = {"ttl": tool.cache_control.ttl} if tool.cache_control.ttl else {}
            out["cache_control"] = {"type": tool.cache_control.type, **ttl}
        else:
            writing.log.note("part.cache_control", path)
    return out


def _write_own(function: dict[str, Any], tool: FunctionTool, path: str, writing: Writing) -> None:
    """What only chat clients say of a tool, unless the vendor refuses what it does not know."""
    strict = writing.target.capabilities.known_fields_only
    if not strict:
        function.update(tool.ext.get(NAME, {}))
    if tool.ext.keys() - (set() if strict else {NAME}):
        writing.log.note("tool.ext", path)


def _description(text: str, path: str, writing: Writing) -> str:
    most = writing.target.capabilities.tool_description_max
    if most is None or len(text) <= most:
        return text
    writing.log.note("tool.description", path)
    return text[:most]


def _fitted(schema: Raw, path: str, writing: Writing) -> Raw:
    """A schema without the keywords that the vendor refuses."""
    refused = writing.target.capabilities.schema_drop
    if refused is None:
        return schema
    fitted, weakened = without(schema, refused)
    if weakened:
        writing.log.note("tool.schema", path)
    return fitted


def _custom(tool: CustomTool, names: ToolNames) -> dict[str, Any]:
    custom: dict[str, Any] = {"name": names(tool.name)}
    if tool.description is not None:
        custom["description"] = tool.description
    if tool.format is not None:
        custom["format"] = tool.format
    custom.update(tool.ext.get(NAME, {}))
    return {"type": "custom", "custom": custom}


def _custom_function(
    tool: CustomTool, path: str, writing: Writing, names: ToolNames
) -> dict[str, Any]:
    """A free-text tool as a function with one string (mappings.md §5.1)."""
    writing.log.note("tool.custom", path)
    pieces = [tool.description] if tool.description else []
    if tool.format is not None:
        pieces.append(f"The input must follow this format: {bytes(tool.format).decode()}")
    function: dict[str, Any] = {"name": names(tool.name)}
    if pieces:
        function["description"] = _description("\n\n".join(pieces), path, writing)
    function["parameters"] = _CUSTOM_SCHEMA
    return {"type": "function", "function": function}


def custom_tools(request: UnifiedChatRequest, writing: Writing, names: ToolNames) -> frozenset[str]:
    """The custom tools that go as functions, by the names they are sent under."""
    if writing.target.capabilities.custom_tools is not False:
        return frozenset()
    return frozenset(names(tool.name) for tool in request.tools if isinstance(tool, CustomTool))


def write_tool_choice(
    request: UnifiedChatRequest, tools: list[Any], writing: Writing, names: ToolNames
) -> Any | None:
    """``tool_choice``, None to say nothing.  Raises PlexusError for a forced tool not there."""
    choice = request.tool_choice
    if choice is None:
        return None
    _check_forced(choice, request, tools)
    if not tools:
        return None
    forced = choice.mode in ("required", "function", "custom") or choice.forced
    mode = _replaced(choice.mode, writing)
    if mode == "a filter":
        mode = _replaced("required", writing) if choice.forced else "auto"
    unforced = writing.target.capabilities.forced_tool_choice is False
    if forced and (unforced or mode == "auto"):
        writing.log.note("tool_choice.forced", "tool_choice")
        mode = "auto"
    if mode == "auto":
        # Where the member is unknown, nothing says the same.
        return None if writing.target.capabilities.tool_choices == () else "auto"
    match mode:
        case "function":
            return {"type": "function", "function": {"name": names(choice.name or "")}}
        case "custom":
            kind = _custom_kind(writing)
            return {"type": kind, kind: {"name": names(choice.name or "")}}
        case "server":
            return {"type": choice.name}
        case "allowed":
            allowed = [_reference(name, request, writing, names) for name in choice.names]
            how = "required" if choice.forced else "auto"
            return {"type": "allowed_tools", "allowed_tools": {"mode": how, "tools": allowed}}
        case _:
            return mode


def _check_forced(choice: ToolChoice, request: UnifiedChatRequest, tools: list[Any]) -> None:
    """Silently ignoring a forced tool would change the meaning (canonical.md §9)."""
    match choice.mode:
        case "function" | "custom":
            if choice.name not in {tool.name for tool in request.tools}:
                raise unsupported("tool_choice forces a tool that is not in tools", "tool_choice")
        case "server":
            own = {t.name for t in request.tools if isinstance(t, ServerTool) and t.dialect == NAME}
            if choice.name not in own:
                raise unsupported(
                    "tool_choice forces a tool this target does not run", "tool_choice"
                )
        case "required" if request.tools and not tools:
            raise unsupported("tool_choice forces tools this target does not run", "tool_choice")


def _custom_kind(writing: Writing) -> str:
    return "function" if writing.target.capabilities.custom_tools is False else "custom"


def _reference(
    name: str, request: UnifiedChatRequest, writing: Writing, names: ToolNames
) -> dict[str, Any]:
    for tool in request.tools:
        if tool.name == name and isinstance(tool, CustomTool):
            kind = _custom_kind(writing)
            return {"type": kind, kind: {"name": names(name)}}
    return {"type": "function", "function": {"name": names(name)}}


def write_response_format(
    wanted: ResponseFormat, writing: Writing
) -> tuple[dict[str, Any] | None, str | None]:
    """``response_format``, and the instruction that stands for a schema the model cannot take.

    None for the first where the model has no JSON mode either.
    """
    capabilities = writing.target.capabilities
    if wanted.type == "grammar":
        writing.log.note("response_format.grammar", "response_format")
    if wanted.type != "json_schema" or wanted.schema is None:
        kind = "json_object" if wanted.type == "json_schema" else wanted.type
        if kind == "json_object" and capabilities.json_object is False:
            writing.log.note("response_format.json_object", "response_format")
            return None, JSON_ONLY
        return {"type": kind}, None
    if capabilities.json_schema is False:
        writing.log.note("response_format.schema", "response_format")
        form = None if capabilities.json_object is False else {"type": "json_object"}
        return form, INSTRUCTION + bytes(wanted.schema).decode()
    inner: dict[str, Any] = {"name": schema_name(wanted.name)}
    if wanted.description is not None:
        inner["description"] = wanted.description
    inner["schema"] = _fitted(wanted.schema, "response_format", writing)
    strict = wanted.strict
    if strict is None and not writing.native:
        # Other dialects always enforce their schemas; OpenAI does so only for its strict subset.
        strict = is_strict(wanted.schema)
    if strict is not None:
        inner["strict"] = strict
    return {"type": "json_schema", "json_schema": inner}, None


def schema_name(name: str | None) -> str:
    return _ILLEGAL.sub("_", name)[:64] if name else SCHEMA_NAME
