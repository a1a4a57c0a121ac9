"""Tools, tool choice and ``text`` of a request (openai-responses.md §1, §3)."""

from typing import Literal

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.openai_chat.content import list_of
from plexus.transformers.openai_chat.reading import (
    BOOL,
    LIST,
    NULL,
    OBJECT,
    STR,
    TEXT_OR_OBJECT,
    Level,
    read,
)
from plexus.transformers.openai_chat.request_tools import PlainFunction
from plexus.transformers.openai_chat.request_tools import parse_tool_choice as parse_plain_choice
from plexus.transformers.openai_responses.content import encoded, ext_of
from plexus.transformers.openai_responses.items import flat_name
from plexus.transformers.openai_responses.losses import NAME
from plexus.unified.request import (
    ClientBuiltinTool,
    CustomTool,
    FunctionTool,
    ResponseFormat,
    ServerTool,
    ToolChoice,
    UnifiedTool,
)

BUILTINS = frozenset(
    {"apply_patch", "computer", "computer_use_preview", "local_shell", "shell"},
)
"""Tools that OpenAI defines and the client runs."""

_KINDS = {"code_interpreter": "code_execution", "web_search_preview": "web_search"}
_members = msgspec.json.Decoder(dict[str, Raw]).decode


def server_kind(kind: str) -> str:
    """The canonical kind of a tool's type (canonical.md §3.2)."""
    return "web_search" if kind.startswith("web_search") else _KINDS.get(kind, kind)


class _Function(PlainFunction, forbid_unknown_fields=True, kw_only=True):
    """The usual tool, flat and with nothing more."""

    type: Literal["function"]


_decode_function = msgspec.json.Decoder(_Function).decode


def usual_function(raw: Raw) -> FunctionTool | None:
    """What ``read_function`` gives, in one look at a third of its cost; None for any other tool."""
    try:
        return _decode_function(raw).tool()
    except msgspec.DecodeError:
        return None


class Tools:
    """The tools of a request, those of namespaces side by side with the others.

    ``namespaces`` keeps what a namespace says about itself, by its name.
    """

    def __init__(self, raw: Raw | None) -> None:
        self.namespaces: dict[str, Raw] = {}
        self.found: list[UnifiedTool] = []
        for number, item in enumerate(() if raw is None else list_of(raw, "tools")):
            self._read(item, f"tools[{number}]", None)

    def _read(self, raw: Raw, path: str, namespace: str | None) -> None:
        usual = usual_function(raw)
        if usual is not None:
            self.found.append(_in(namespace, usual))
            return
        level = Level.of(raw, path)
        kind = level.take("type", STR) or "function"
        if kind == "namespace" and namespace is None:
            self._namespace(level)
        elif kind == "function":
            self.found.append(_in(namespace, read_function(level)))
        elif kind == "custom":
            self.found.append(_in(namespace, _custom(level)))
        elif kind in BUILTINS:
            self.found.append(ClientBuiltinTool(kind=kind, dialect=NAME, raw=raw, name=kind))
        else:
            known = server_kind(kind)
            self.found.append(ServerTool(kind=known, dialect=NAME, raw=raw, name=kind))

    def _namespace(self, level: Level) -> None:
        name = level.need("name", STR)
        inner = level.need("tools", LIST)
        for number, item in enumerate(inner):
            self._read(item, f"{level.at('tools')}[{number}]", name)
        self.namespaces[name] = encoded(level.rest)


def _in(namespace: str | None, tool: FunctionTool | CustomTool) -> FunctionTool | CustomTool:
    if namespace is None:
        return tool
    return replace(tool, name=flat_name(tool.name, namespace), namespace=namespace)


def read_function(level: Level) -> FunctionTool:
    """Flat; chat's nested form is read too."""
    level = level.object("function") or level
    parameters = level.raw("parameters")
    if parameters is not None:
        read(parameters, OBJECT, level.at("parameters"))
    return FunctionTool(
        name=level.need("name", STR),
        description=level.take("description", STR),
        parameters=parameters,
        strict=level.take("strict", BOOL),
        ext=ext_of(level.rest),
    )


def _custom(level: Level) -> CustomTool:
    level = level.object("custom") or level
    return CustomTool(
        name=level.need("name", STR),
        description=level.take("description", STR),
        format=_nested(level.raw("format"), level.at("format")),
        ext=ext_of(level.rest),
    )


def _nested(raw: Raw | None, path: str) -> Raw | None:
    """A grammar is nested in chat, whose form the canonical one is, and flat here."""
    if raw is None:
        return None
    level = Level.of(raw, path)
    if level.rest.get("type") != Raw(b'"grammar"') or "grammar" in level.rest:
        return raw
    kind = level.rest.pop("type")
    return encoded({"type": kind, "grammar": level.rest})


def flat_format(raw: Raw) -> Raw:
    """A custom tool's format as this dialect writes it; what is no object stays."""
    try:
        fields = _members(raw)
        grammar = fields.get("grammar")
        return raw if grammar is None else encoded({"type": fields["type"], **_members(grammar)})
    except (msgspec.DecodeError, KeyError):
        return raw


def parse_choice(raw: Raw | None, extra: dict[str, Raw]) -> ToolChoice | None:
    """``tool_choice``; a form that says more than the canonical one also stays in ``extra``."""
    if raw is None:
        return None
    value = read(raw, TEXT_OR_OBJECT, "tool_choice")
    choice = parse_plain_choice(raw)
    if choice is None or not isinstance(value, dict):
        return choice
    if choice.mode == "server" and len(value) > 1:
        extra["tool_choice"] = raw
    if choice.mode == "allowed" and not _only_named(value.get("tools", NULL)):
        extra["tool_choice"] = raw
    return choice


def _only_named(tools: Raw) -> bool:
    """Whether the allowed tools are all functions and custom tools, by name alone."""
    return all(
        item.keys() == {"type", "name"}
        for item in msgspec.json.decode(tools, type=list[dict[str, Raw]])
    )


def parse_format(level: Level) -> ResponseFormat | None:
    """``text.format``, flat; None for a type nobody knows, which stays where it is."""
    raw = level.raw("format")
    if raw is None:
        return None
    inner = Level.of(raw, level.at("format"))
    kind = inner.need("type", STR)
    if kind == "text":
        return ResponseFormat(type="text")
    if kind == "json_object":
        return ResponseFormat(type="json_object")
    if kind != "json_schema":
        level.rest["format"] = raw
        return None
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
