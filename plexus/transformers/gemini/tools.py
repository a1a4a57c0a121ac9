"""Tool definitions and tool choice, both ways (gemini.md §2, mappings.md §5, §11)."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.capabilities import Capabilities
from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.reader import (
    ENUM,
    NULL,
    STRING,
    STRINGS,
    Level,
    Malformed,
    is_object,
    snake,
)
from plexus.transformers.gemini.schema import is_strict, json_schema, takes_nothing
from plexus.transformers.gemini.usual import UsualFunction, usual_tool
from plexus.transformers.losses import LossLog
from plexus.unified.errors import invalid, unsupported
from plexus.unified.request import (
    ClientBuiltinTool,
    CustomTool,
    FunctionTool,
    ServerTool,
    ToolChoice,
    UnifiedTool,
)

Block = dict[str, Any]

_KINDS = {
    "googleSearch": "web_search",
    "googleSearchRetrieval": "web_search",
    "enterpriseWebSearch": "web_search",
    "codeExecution": "code_execution",
    "urlContext": "url_context",
    "googleMaps": "maps",
    "fileSearch": "file_search",
    "mcpServers": "mcp",
    "retrieval": "retrieval",
}
_SNAKE = {snake(name): name for name in (*_KINDS, "computerUse", "functionDeclarations")}
_CLIENTS = frozenset({"computerUse", "functionDeclarations"})
_COUNTERPARTS: dict[str, str] = {
    "web_search": "googleSearch",
    "web_search_preview": "googleSearch",
    "code_execution": "codeExecution",
    "code_interpreter": "codeExecution",
    "web_fetch": "urlContext",
    "url_context": "urlContext",
}
"""Kinds of server tools that Google has too (mappings.md §11)."""

_MODES = {"1": "AUTO", "2": "ANY", "3": "NONE", "5": "VALIDATED"}
_CUSTOM_SCHEMA: Block = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}


def parse_tools(raws: Iterable[Raw], path: str, validated: bool) -> tuple[UnifiedTool, ...]:
    """All tools of all entries.  Raises Malformed.

    ``validated``: calls must follow their schemas, which is ``strict`` where others can be strict.
    """
    tools: list[UnifiedTool] = []
    for number, raw in enumerate(raws):
        seen = usual_tool(raw)
        if seen is not None:
            tools += [_made(one, {}, validated) for one in seen]
            continue
        level = Level(raw, f"{path}[{number}]")
        where = level.where("functionDeclarations")
        for place, item in enumerate(level.items("functionDeclarations")):
            tools.append(_function(Level(item, f"{where}[{place}]"), validated))
        tools += [_builtin(name, value) for name, value in level.rest().items()]
    return tuple(tools)


def server_kind(name: str) -> str | None:
    """The canonical kind of a member of a tool's entry, None for one that the client runs."""
    name = _SNAKE.get(name, name)
    return None if name in _CLIENTS else _KINDS.get(name, name)


def _builtin(name: str, value: Raw) -> UnifiedTool:
    name = _SNAKE.get(name, name)
    raw = Raw(msgspec.json.encode({name: value}))
    if name == "computerUse":
        return ClientBuiltinTool(kind="computer", dialect=NAME, raw=raw)
    return ServerTool(kind=_KINDS.get(name, name), dialect=NAME, raw=raw)


def _function(level: Level, validated: bool) -> FunctionTool:
    name = level.need("name", STRING)
    description = level.take("description", STRING)
    parameters = level.raw("parametersJsonSchema")
    openapi = level.raw("parameters")
    for field, schema in (("parametersJsonSchema", parameters), ("parameters", openapi)):
        if schema is not None and not is_object(schema):
            raise Malformed(level.where(field), "expected an object")
    seen = UsualFunction(name, description, parameters or NULL, openapi or NULL)
    return _made(seen, level.rest(), validated)


def _made(seen: UsualFunction, rest: dict[str, Raw], validated: bool) -> FunctionTool:
    """``rest``: members nobody knows."""
    parameters: Raw | None = None
    if seen.parameters_json_schema != NULL:
        parameters = seen.parameters_json_schema
    elif seen.parameters != NULL:
        parameters = json_schema(seen.parameters)
    return FunctionTool(
        name=seen.name,
        description=seen.description,
        parameters=parameters,
        strict=True if validated and is_strict(parameters) else None,
        ext={NAME: rest} if rest else {},
    )


def parse_choice(level: Level | None, keep: dict[str, Raw]) -> tuple[ToolChoice | None, bool]:
    """The choice, and whether calls are validated.  Raises Malformed.

    What only Google knows goes to ``keep``, by its path.
    """
    if level is None:
        return None, False
    calling = level.object("functionCallingConfig")
    choice: ToolChoice | None = None
    validated = False
    if calling is not None:
        word = str(calling.take("mode", ENUM) or "").upper()
        mode = _MODES.get(word, word)
        allowed = calling.take("allowedFunctionNames", STRINGS)
        names = tuple(allowed or ())
        choice, validated = _choice(mode, names), mode == "VALIDATED"
        if validated:
            keep[calling.where("mode")] = Raw(b'"VALIDATED"')
        keep.update({calling.where(name): raw for name, raw in calling.rest().items()})
    keep.update({level.where(name): raw for name, raw in level.rest().items()})
    return choice, validated


def _choice(mode: str, names: tuple[str, ...]) -> ToolChoice | None:
    if mode == "NONE":
        return ToolChoice(mode="none")
    if mode == "ANY":
        if len(names) == 1:
            return ToolChoice(mode="function", name=names[0])
        return ToolChoice(mode="allowed", names=names, forced=True) if names else _REQUIRED
    if names:
        return ToolChoice(mode="allowed", names=names)
    return ToolChoice(mode="auto") if mode in ("AUTO", "VALIDATED") else None


_REQUIRED = ToolChoice(mode="required")


class ToolFormatter:
    """Writes the tools of one request; ``names`` maps each client name to the legal one."""

    def __init__(
        self, names: dict[str, str], caps: Capabilities, native: bool, log: LossLog
    ) -> None:
        self._names = names
        self._caps = caps
        self.native = native
        self._log = log
        self.custom: set[str] = set()
        """Names, as sent, of custom tools written as functions."""
        self.declared: set[str] = set()
        """Names, as sent, of all functions."""

    def format(self, tools: Iterable[UnifiedTool], search: Raw | None) -> list[Block | Raw]:
        """``tools``: functions in one entry where the first stood, the others in their own.

        Raises PlexusError for a tool this dialect cannot mean, or a name used twice.
        """
        out: list[Block | Raw] = []
        functions: list[Block] = []
        for index, tool in enumerate(tools):
            path = f"tools[{index}]"
            if isinstance(tool, FunctionTool | CustomTool):
                if not functions:
                    out.append({"functionDeclarations": functions})
                functions.append(self._declare(tool, path))
            elif (found := self._other(tool, path)) is not None and found not in out:
                out.append(found)
        if search is not None:
            self._log.note("web_search")
            out.append({"googleSearch": {}})
        if out and self._caps.tools is False:
            raise unsupported("the model takes no tools", "tools")
        return out

    def _declare(self, tool: FunctionTool | CustomTool, path: str) -> Block:
        legal = self._names[tool.name]
        if legal != tool.name:
            self._log.note("tool.name", f"{path}.name")
        if legal in self.declared:
            raise invalid("two tools have the same name", f"{path}.name")
        self.declared.add(legal)
        return (
            self._function(tool, legal, path)
            if isinstance(tool, FunctionTool)
            else (self._custom(tool, legal, path))
        )

    def _function(self, tool: FunctionTool, name: str, path: str) -> Block:
        out: Block = {"name": name}
        if tool.description is not None:
            out["description"] = tool.description
        given = self.native and tool.parameters is not None
        if given or not takes_nothing(tool.parameters):
            out["parametersJsonSchema"] = tool.parameters
        for dialect, fields in tool.ext.items():
            if dialect == NAME:
                out.update(fields)
            elif fields:
                self._log.note("tool.ext", path)
        return out

    def _custom(self, tool: CustomTool, name: str, path: str) -> Block:
        self._log.note("tool.custom", path)
        if any(tool.ext.values()):
            self._log.note("tool.ext", path)
        self.custom.add(name)
        pieces = [tool.description] if tool.description else []
        if tool.format is not None:
            pieces.append(f"The input must follow this format: {bytes(tool.format).decode()}")
        out: Block = {"name": name}
        if pieces:
            out["description"] = "\n\n".join(pieces)
        out["parametersJsonSchema"] = _CUSTOM_SCHEMA
        return out

    def _other(self, tool: ServerTool | ClientBuiltinTool, path: str) -> Block | Raw | None:
        if tool.dialect == NAME:
            return tool.raw
        if isinstance(tool, ClientBuiltinTool):
            self._log.note("tool.builtin", path)
            return None
        counterpart = _COUNTERPARTS.get(tool.kind)
        if counterpart is None:
            self._log.note("tool.server", path)
            return None
        self._log.note("web_search" if counterpart == "googleSearch" else "tool.server", path)
        return {counterpart: {}}


def format_choice(
    choice: ToolChoice | None,
    tools: tuple[UnifiedTool, ...],
    writer: ToolFormatter,
    names: dict[str, str],
    caps: Capabilities,
    log: LossLog,
) -> Block:
    """``functionCallingConfig``, empty for nothing.  Raises PlexusError for a tool not there."""
    strict = [tool.strict is True for tool in tools if isinstance(tool, FunctionTool)]
    mode, allowed = _wanted(choice, writer, names, tools)
    if mode == "ANY" and caps.forced_tool_choice is False:
        log.note("tool_choice.forced", "tool_choice")
        mode, allowed = "AUTO", []
    if any(strict) and not writer.native:
        if all(strict) and mode in ("", "AUTO"):
            mode = "VALIDATED"
        log.note("tool.strict", "tools")
    if not writer.declared or not mode:
        return {}
    return {"mode": mode, "allowedFunctionNames": allowed} if allowed else {"mode": mode}


def _wanted(
    choice: ToolChoice | None,
    writer: ToolFormatter,
    names: dict[str, str],
    tools: tuple[UnifiedTool, ...],
) -> tuple[str, list[str]]:
    if choice is None:
        return "", []
    if choice.mode in ("auto", "none"):
        return choice.mode.upper(), []
    if choice.mode == "allowed":
        allowed = [names[name] for name in choice.names if names.get(name) in writer.declared]
        # Names may only stand beside ANY and VALIDATED.
        return "ANY" if choice.forced else "VALIDATED" if allowed else "AUTO", allowed
    if choice.mode == "required":
        if tools and not writer.declared:
            raise unsupported("the forced tool does not exist at this target", "tool_choice")
        return "ANY", []
    name = names.get(choice.name or "", "")
    if choice.mode == "server" or name not in writer.declared:
        raise unsupported("the forced tool does not exist at this target", "tool_choice")
    return "ANY", [name]
