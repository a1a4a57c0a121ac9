"""Tools, tool choice and response format, unified to a chat provider (mappings.md §5, §7)."""

import re
from typing import Any

from plexus.transformers.openai_chat.format_parts import Writing
from plexus.transformers.openai_chat.losses import FAMILY, NAME
from plexus.transformers.openai_chat.names import ToolNames
from plexus.transformers.openai_chat.schema import is_strict, with_properties
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
INSTRUCTION = "Answer with one JSON object and nothing else. It must match this JSON Schema:\n"


def write_tools(request: UnifiedChatRequest, writing: Writing, names: ToolNames) -> list[Any]:
    """``tools``.  Raises PlexusError (400) for tools the target cannot have."""
    if request.tools and writing.target.capabilities.tools is False:
        raise unsupported(f"{writing.target.model} takes no tools", "tools")
    out: list[Any] = []
    seen: set[str] = set()
    for number, tool in enumerate(request.tools):
        path = f"tools[{number}]"
        match tool:
            case FunctionTool():
                out.append(_function(tool, path, writing, names))
            case CustomTool():
                out.append(_custom(tool, names))
            case ServerTool(dialect=dialect, raw=raw) if dialect == NAME:
                out.append(raw)
            case ServerTool():
                writing.log.note("tool.server", path)
            case ClientBuiltinTool():
                writing.log.note("tool.builtin", path)
        if isinstance(tool, FunctionTool | CustomTool) and tool.name in seen:
            raise unsupported(f"two tools have the name of {path}", path)
        seen.add(tool.name)
    if len(out) > TOOL_LIMIT and writing.target.family == FAMILY:
        raise unsupported(f"chat takes at most {TOOL_LIMIT} tools", "tools")
    return out


def _function(tool: FunctionTool, path: str, writing: Writing, names: ToolNames) -> dict[str, Any]:
    function: dict[str, Any] = {"name": names(tool.name)}
    if function["name"] != tool.name:
        writing.log.note("tool.name", path)
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = with_properties(tool.parameters)
    if tool.strict is not None:
        if writing.target.capabilities.strict_tools is False:
            writing.log.note("tool.strict", path)
        else:
            function["strict"] = tool.strict
    function.update(tool.ext.get(NAME, {}))
    if tool.ext.keys() - {NAME}:
        writing.log.note("tool.ext", path)
    out: dict[str, Any] = {"type": "function", "function": function}
    if tool.cache_control is not None:
        capabilities = writing.target.capabilities
        if writing.native or (
            capabilities.cache_breakpoints and writing.target.family == "anthropic"
        ):
            ttl = {"ttl": tool.cache_control.ttl} if tool.cache_control.ttl else {}
            out["cache_control"] = {"type": tool.cache_control.type, **ttl}
        else:
            writing.log.note("part.cache_control", path)
    return out


def _custom(tool: CustomTool, names: ToolNames) -> dict[str, Any]:
    custom: dict[str, Any] = {"name": names(tool.name)}
    if tool.description is not None:
        custom["description"] = tool.description
    if tool.format is not None:
        custom["format"] = tool.format
    custom.update(tool.ext.get(NAME, {}))
    return {"type": "custom", "custom": custom}


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
    if forced and writing.target.capabilities.forced_tool_choice is False:
        writing.log.note("tool_choice.forced", "tool_choice")
        return "auto"
    match choice.mode:
        case "function":
            return {"type": "function", "function": {"name": names(choice.name or "")}}
        case "custom":
            return {"type": "custom", "custom": {"name": names(choice.name or "")}}
        case "server":
            return {"type": choice.name}
        case "allowed":
            allowed = [_reference(name, request, names) for name in choice.names]
            mode = "required" if choice.forced else "auto"
            return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}
        case mode:
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


def _reference(name: str, request: UnifiedChatRequest, names: ToolNames) -> dict[str, Any]:
    for tool in request.tools:
        if tool.name == name and isinstance(tool, CustomTool):
            return {"type": "custom", "custom": {"name": names(name)}}
    return {"type": "function", "function": {"name": names(name)}}


def write_response_format(
    wanted: ResponseFormat, writing: Writing
) -> tuple[dict[str, Any] | None, str | None]:
    """``response_format``, and the instruction that stands for a schema the model cannot take."""
    if wanted.type == "grammar":
        writing.log.note("response_format.grammar", "response_format")
    if wanted.type != "json_schema" or wanted.schema is None:
        kind = "json_object" if wanted.type == "json_schema" else wanted.type
        return {"type": kind}, None
    if writing.target.capabilities.json_schema is False:
        writing.log.note("response_format.schema", "response_format")
        return {"type": "json_object"}, INSTRUCTION + bytes(wanted.schema).decode()
    inner: dict[str, Any] = {"name": schema_name(wanted.name)}
    if wanted.description is not None:
        inner["description"] = wanted.description
    inner["schema"] = wanted.schema
    strict = wanted.strict
    if strict is None and not writing.native:
        # Other dialects always enforce their schemas; OpenAI does so only for its strict subset.
        strict = is_strict(wanted.schema)
    if strict is not None:
        inner["strict"] = strict
    return {"type": "json_schema", "json_schema": inner}, None


def schema_name(name: str | None) -> str:
    return _ILLEGAL.sub("_", name)[:64] if name else SCHEMA_NAME
