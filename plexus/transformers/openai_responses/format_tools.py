"""Tools, tool choice and structured output for a Responses provider (mappings.md §5, §7)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.openai_chat.format_tools import INSTRUCTION, schema_name
from plexus.transformers.openai_chat.names import ToolNames
from plexus.transformers.openai_chat.schema import is_strict, refuses_strict, with_properties
from plexus.transformers.openai_responses.format_parts import Wire, Writing
from plexus.transformers.openai_responses.items import own_name
from plexus.transformers.openai_responses.losses import NAME
from plexus.transformers.openai_responses.request_tools import flat_format
from plexus.unified.errors import unsupported
from plexus.unified.request import (
    ClientBuiltinTool,
    CustomTool,
    FunctionTool,
    ResponseFormat,
    ServerTool,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedTool,
)

_NAMED = (FunctionTool, CustomTool)
_NO_PARAMETERS = {"type": "object", "properties": {}}
_namespaces = msgspec.json.Decoder(dict[str, dict[str, Raw]]).decode


def write_tools(
    request: UnifiedChatRequest, writing: Writing, names: ToolNames
) -> list[Wire | Raw]:
    """``tools``; those of a namespace are put back into it for a client of this dialect.

    Raises PlexusError for a tool this dialect cannot mean, or a name used twice.
    """
    out: list[Wire | Raw] = []
    groups: dict[str, list[Wire | Raw]] = {}
    known = _said_of_namespaces(request.extra.get(NAME, {}))
    seen: set[str] = set()
    for number, tool in enumerate(request.tools):
        path = f"tools[{number}]"
        if isinstance(tool, _NAMED):
            if tool.name in seen:
                raise unsupported(f"two tools have the name of {path}", path)
            seen.add(tool.name)
        wire = _write_tool(tool, path, writing, names)
        if wire is None:
            continue
        namespace = getattr(tool, "namespace", None) if writing.native else None
        if namespace is None:
            out.append(wire)
        elif namespace in groups:
            groups[namespace].append(wire)
        else:
            inner = groups[namespace] = [wire]
            said = known.get(namespace, {})
            out.append({"type": "namespace", "name": namespace, **said, "tools": inner})
    if request.web_search is not None:
        writing.log.note("web_search")
        out.append(_web_search(request.web_search))
    return out


def _said_of_namespaces(own: Mapping[str, Raw]) -> dict[str, dict[str, Raw]]:
    raw = own.get("namespaces")
    return {} if raw is None else _namespaces(raw)


def _write_tool(
    tool: UnifiedTool, path: str, writing: Writing, names: ToolNames
) -> Wire | Raw | None:
    match tool:
        case FunctionTool():
            return _function(tool, path, writing, names)
        case CustomTool():
            return _custom(tool, path, writing, names)
        case ServerTool(dialect=dialect, raw=raw) | ClientBuiltinTool(dialect=dialect, raw=raw) if (
            dialect == NAME
        ):
            return raw
        case ClientBuiltinTool():
            writing.log.note("tool.builtin", path)
        case ServerTool(kind="web_search", raw=raw):
            writing.log.note("web_search", path)
            return _web_search(raw)
        case ServerTool(kind="code_execution"):
            writing.log.note("tool.code_execution", path)
            return {"type": "code_interpreter", "container": {"type": "auto"}}
        case ServerTool():
            writing.log.note("tool.server", path)
    return None


def _named(tool: FunctionTool | CustomTool, path: str, writing: Writing, names: ToolNames) -> Wire:
    if writing.native and tool.namespace is not None:
        name = own_name(tool.name, tool.namespace)
    else:
        name = names(tool.name)
        if name != tool.name:
            writing.log.note("tool.name", path)
    kind = "function" if type(tool) is FunctionTool else "custom"
    out: Wire = {"type": kind, "name": name}
    if tool.description is not None:
        out["description"] = tool.description
    return out


def _function(tool: FunctionTool, path: str, writing: Writing, names: ToolNames) -> Wire:
    out = _named(tool, path, writing, names)
    if tool.parameters is not None:
        out["parameters"] = tool.parameters if writing.native else with_properties(tool.parameters)
    elif not writing.native:
        out["parameters"] = _NO_PARAMETERS
    strict = tool.strict
    if strict and _loses_strict(tool, writing):
        writing.log.note("tool.strict", path)
        strict = False
    if strict is not None:
        out["strict"] = strict
    elif not writing.native:
        # Silence would mean "try strict" here, and nothing elsewhere (traps.md T20).
        out["strict"] = False
    if tool.cache_control is not None:
        writing.log.note("part.cache_control", path)
    if tool.ext:
        _extend(out, tool, path, writing)
    return out


def _loses_strict(tool: FunctionTool, writing: Writing) -> bool:
    if writing.target.capabilities.strict_tools is False:
        return True
    return refuses_strict(writing.dialect, tool.parameters)


def _custom(tool: CustomTool, path: str, writing: Writing, names: ToolNames) -> Wire:
    out = _named(tool, path, writing, names)
    if tool.format is not None:
        out["format"] = flat_format(tool.format)
    _extend(out, tool, path, writing)
    return out


def _extend(out: Wire, tool: FunctionTool | CustomTool, path: str, writing: Writing) -> None:
    out.update(tool.ext.get(NAME, {}))
    if any(fields for dialect, fields in tool.ext.items() if dialect != NAME):
        writing.log.note("tool.ext", path)


class _Place(msgspec.Struct):
    approximate: dict[str, Any] | None = None
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class _Search(msgspec.Struct):
    """Chat's ``web_search_options`` or Anthropic's web search tool, where they mean the same."""

    search_context_size: str | None = None
    allowed_domains: list[str] | None = None
    user_location: _Place | None = None


_search = msgspec.json.Decoder(_Search).decode


def _web_search(raw: Raw) -> Wire:
    """Another dialect's web search as this one's.  Raises PlexusError on a wrong shape."""
    try:
        found = _search(raw)
    except msgspec.MsgspecError:
        raise unsupported("the web search options have the wrong shape", "web_search") from None
    out: Wire = {"type": "web_search"}
    if found.search_context_size is not None:
        out["search_context_size"] = found.search_context_size
    if found.allowed_domains:
        out["filters"] = {"allowed_domains": found.allowed_domains}
    place = found.user_location
    if place is not None:
        flat = place.approximate or {
            name: value
            for name in ("city", "country", "region", "timezone")
            if (value := getattr(place, name)) is not None
        }
        out["user_location"] = {"type": "approximate", **flat}
    return out


def write_choice(
    request: UnifiedChatRequest, tools: list[Wire | Raw], writing: Writing, names: ToolNames
) -> Any | None:
    """``tool_choice``, None to say nothing.  Raises PlexusError for a forced tool not there."""
    choice = request.tool_choice
    if choice is None:
        return None
    own = request.extra.get(NAME, {}).get("tool_choice")
    if own is not None and writing.native:
        return own
    _check_forced(choice, request, tools, writing)
    if not tools:
        return None
    forced = choice.mode in ("required", "function", "custom") or choice.forced
    if forced and writing.target.capabilities.forced_tool_choice is False:
        writing.log.note("tool_choice.forced", "tool_choice")
        return "auto"
    match choice.mode:
        case "function" | "custom":
            return _reference(choice.name or "", request, names, writing)
        case "server":
            return {"type": choice.name} if writing.native else "required"
        case "allowed":
            allowed = [_reference(name, request, names, writing) for name in choice.names]
            mode = "required" if choice.forced else "auto"
            return {"type": "allowed_tools", "mode": mode, "tools": allowed}
        case mode:
            return mode


def _check_forced(
    choice: ToolChoice, request: UnifiedChatRequest, tools: list[Wire | Raw], writing: Writing
) -> None:
    """Silently ignoring a forced tool would change the meaning (canonical.md §9)."""
    match choice.mode:
        case "function" | "custom":
            names = {tool.name for tool in request.tools}
            names |= {_own_name(tool) for tool in request.tools}
            if choice.name not in names:
                raise unsupported("tool_choice forces a tool that is not in tools", "tool_choice")
        case "server" if not writing.native and (len(tools) != 1 or not _runs(choice, request)):
            # One tool that must be called is that tool; among several it cannot be named.
            raise unsupported("tool_choice forces a tool this target does not run", "tool_choice")
        case "required" if request.tools and not tools:
            raise unsupported("tool_choice forces tools this target does not run", "tool_choice")


def _runs(choice: ToolChoice, request: UnifiedChatRequest) -> bool:
    return any(
        isinstance(tool, ServerTool) and choice.name in (tool.name, tool.kind)
        for tool in request.tools
    )


def _own_name(tool: UnifiedTool) -> str:
    namespace = getattr(tool, "namespace", None)
    return own_name(tool.name, namespace)


def _reference(name: str, request: UnifiedChatRequest, names: ToolNames, writing: Writing) -> Wire:
    for tool in request.tools:
        if tool.name == name and isinstance(tool, CustomTool):
            return {"type": "custom", "name": names(name)}
        if tool.name == name and isinstance(tool, ServerTool | ClientBuiltinTool):
            return {"type": name}
    return {"type": "function", "name": name if writing.native else names(name)}


def write_format(wanted: ResponseFormat, writing: Writing) -> tuple[Wire, str | None]:
    """``text.format``, and the instruction that stands for a schema the model cannot take."""
    if wanted.type == "grammar":
        writing.log.note("response_format.grammar", "response_format")
    if wanted.type != "json_schema" or (wanted.schema is None and not writing.native):
        kind = "json_object" if wanted.type == "json_schema" else wanted.type
        return {"type": kind}, None
    if writing.target.capabilities.json_schema is False and wanted.schema is not None:
        writing.log.note("response_format.schema", "response_format")
        return {"type": "json_object"}, INSTRUCTION + bytes(wanted.schema).decode()
    out: Wire = {"type": "json_schema", "name": schema_name(wanted.name)}
    if wanted.description is not None:
        out["description"] = wanted.description
    if wanted.schema is not None:
        out["schema"] = wanted.schema
    strict = wanted.strict
    if strict is None and not writing.native and wanted.schema is not None:
        # Other dialects always enforce their schemas; OpenAI does so only for its strict subset.
        strict = is_strict(wanted.schema)
    if strict is not None:
        out["strict"] = strict
    return out, None
