"""Tool definitions and tool choice, both ways (anthropic-messages.md §5, mappings.md §5)."""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Raw

from plexus.transformers.anthropic_messages.cache import CacheMarkers
from plexus.transformers.anthropic_messages.content import NAME, parse_cache, server_kind
from plexus.transformers.anthropic_messages.plain_blocks import Cache, cache_of
from plexus.transformers.anthropic_messages.reader import (
    BOOLEAN,
    STRING,
    Kind,
    Level,
    Malformed,
)
from plexus.transformers.anthropic_messages.schema import object_schema, strict_schema
from plexus.transformers.capabilities import Capabilities
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

BUILTINS = ("bash_", "text_editor_", "memory_", "computer_", "browser_")
"""Prefixes of the types Anthropic defines and the client runs."""

_CUSTOM_SCHEMA = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}
_KNOWN_CHOICES = "expected auto, any, tool or none"


def parse_tools(raws: list[Raw] | None, path: str) -> tuple[UnifiedTool, ...]:
    """Raises Malformed."""
    return tuple(
        [plain_tool(raw) or parse_tool(raw, f"{path}[{n}]") for n, raw in enumerate(raws or ())]
    )


class _Function(msgspec.Struct, forbid_unknown_fields=True):
    """A function as nearly all are; of any other each member is looked at."""

    name: str
    input_schema: Raw
    description: str | None = None
    type: Literal["custom", "function"] | None = None
    strict: bool | None = None
    cache_control: Cache | None = None


_function = msgspec.json.Decoder(_Function).decode


def plain_tool(raw: Raw) -> FunctionTool | None:
    """What ``parse_tool`` reads, in one look; None for a tool that says anything else."""
    try:
        seen = _function(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    if bytes(memoryview(seen.input_schema)[:1]) != b"{":
        return None
    return FunctionTool(
        name=seen.name,
        description=seen.description,
        parameters=seen.input_schema,
        strict=seen.strict,
        cache_control=cache_of(seen.cache_control),
    )


def parse_tool(raw: Raw, path: str) -> UnifiedTool:
    """Raises Malformed."""
    level = Level(raw, path)
    kind = level.take("type", STRING)
    if kind is not None and kind not in ("custom", "function"):
        name = level.take("name", STRING) or ""
        if kind.startswith(BUILTINS):
            return ClientBuiltinTool(kind=kind, dialect=NAME, raw=raw, name=name)
        return ServerTool(kind=server_kind(kind), dialect=NAME, raw=raw, name=name)
    name = level.need("name", STRING)
    description = level.take("description", STRING)
    parameters = level.raw("input_schema")
    if parameters is not None and not bytes(parameters).startswith(b"{"):
        raise Malformed(level.where("input_schema"), "expected an object")
    strict = level.take("strict", BOOLEAN)
    keep: dict[str, Raw] = {}
    cache = parse_cache(level, keep)
    keep.update(level.fields)
    return FunctionTool(
        name=name,
        description=description,
        parameters=parameters,
        strict=strict,
        cache_control=cache,
        ext={NAME: keep} if keep else {},
    )


def parse_choice(
    level: Level | None, tools: tuple[UnifiedTool, ...]
) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether calls may be parallel.  Raises Malformed."""
    if level is None:
        return None, None
    kind = level.need("type", STRING)
    serial = level.take("disable_parallel_tool_use", BOOLEAN)
    parallel = None if serial is None else not serial
    if kind == "auto":
        return ToolChoice(mode="auto"), parallel
    if kind == "any":
        return ToolChoice(mode="required"), parallel
    if kind == "none":
        return ToolChoice(mode="none"), parallel
    if kind != "tool":
        raise Malformed(level.where("type"), _KNOWN_CHOICES)
    name = level.need("name", STRING)
    server = any(isinstance(tool, ServerTool) and tool.name == name for tool in tools)
    return ToolChoice(mode="server" if server else "function", name=name), parallel


class ToolFormatter:
    """Writes the tools of one request; ``names`` maps each client name to the legal one."""

    def __init__(
        self,
        names: dict[str, str],
        caps: Capabilities,
        native: bool,
        markers: CacheMarkers,
        log: LossLog,
    ) -> None:
        self._names = names
        self._caps = caps
        self._native = native
        self._markers = markers
        self._log = log
        self.custom: set[str] = set()
        """Names, as sent, of custom tools written as functions."""

    def format(self, tools: Iterable[UnifiedTool]) -> list[dict[str, object] | Raw]:
        """Raises PlexusError for a tool this dialect cannot mean, or a name used twice."""
        out: list[dict[str, object] | Raw] = []
        seen: set[str] = set()
        for index, tool in enumerate(tools):
            path = f"tools[{index}]"
            if tool.name and tool.name in seen:
                raise invalid("two tools have the same name", f"{path}.name")
            seen.add(tool.name)
            written = self._tool(tool, path)
            if written is not None:
                out.append(written)
        return out

    def _tool(self, tool: UnifiedTool, path: str) -> dict[str, object] | Raw | None:
        if isinstance(tool, FunctionTool):
            return self._function(tool, path)
        if isinstance(tool, CustomTool):
            return self._custom(tool, path)
        if tool.dialect == NAME:
            return tool.raw
        if isinstance(tool, ClientBuiltinTool):
            self._log.note("tool.builtin", path)
        if tool.kind == "web_search":
            self._log.note("web_search", path)
            return web_search(tool.raw)
        self._log.note("tool.server", path)
        return None

    def _name(self, name: str, path: str) -> str:
        legal = self._names[name]
        if legal != name:
            self._log.note("tool.name", f"{path}.name")
        return legal

    def _function(self, tool: FunctionTool, path: str) -> dict[str, object]:
        out: dict[str, object] = {"name": self._name(tool.name, path)}
        if tool.description is not None:
            out["description"] = tool.description
        strict = tool.strict if self._caps.strict_tools is not False else None
        if strict != tool.strict and tool.strict:
            self._log.note("tool.strict", f"{path}.strict")
        out["input_schema"] = self._schema(tool, strict, path)
        if strict is not None:
            out["strict"] = strict
        cache = tool.cache_control
        for dialect, fields in tool.ext.items():
            if dialect != NAME:
                if fields:
                    self._log.note("tool.ext", path)
                continue
            out.update((k, v) for k, v in fields.items() if k != "cache_control" or cache)
        self._markers.mark("prefix", out, None if "cache_control" in out else cache)
        return out

    def _schema(self, tool: FunctionTool, strict: bool | None, path: str) -> object:
        if self._native and tool.parameters is not None:
            return tool.parameters
        schema = object_schema(tool.parameters)
        if schema is None:
            raise unsupported("the parameters of a tool must be an object", f"{path}.parameters")
        if strict:
            schema, weakened = strict_schema(schema)
            if weakened:
                self._log.note("tool.strict", f"{path}.strict")
        return schema

    def _custom(self, tool: CustomTool, path: str) -> dict[str, object]:
        self._log.note("tool.custom", path)
        if any(tool.ext.values()):
            self._log.note("tool.ext", path)
        name = self._name(tool.name, path)
        self.custom.add(name)
        pieces = [tool.description] if tool.description else []
        if tool.format is not None:
            pieces.append(f"The input must follow this format: {bytes(tool.format).decode()}")
        out: dict[str, object] = {"name": name}
        if pieces:
            out["description"] = "\n\n".join(pieces)
        out["input_schema"] = _CUSTOM_SCHEMA
        return out


class _Approximate(msgspec.Struct, omit_defaults=True):
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class _Location(msgspec.Struct):
    approximate: _Approximate | None = None
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class _Filters(msgspec.Struct):
    allowed_domains: list[str] | None = None


class _Search(msgspec.Struct):
    user_location: _Location | None = None
    filters: _Filters | None = None


_SEARCH: Kind[_Search] = Kind(_Search, "expected web search options")


def web_search(options: Raw) -> dict[str, object]:
    """Another dialect's web search as Anthropic's; the version every model takes (§11).

    Raises PlexusError on options of the wrong shape.
    """
    try:
        found = _SEARCH.decode(options) or _Search()
    except msgspec.MsgspecError:
        raise invalid("the web search options have the wrong shape", "web_search_options") from None
    out: dict[str, object] = {"type": "web_search_20250305", "name": "web_search"}
    if found.filters is not None and found.filters.allowed_domains:
        out["allowed_domains"] = found.filters.allowed_domains
    place = found.user_location
    if place is not None:
        flat = place.approximate or place
        fields = ("city", "country", "region", "timezone")
        known = {name: getattr(flat, name) for name in fields if getattr(flat, name)}
        if known:
            out["user_location"] = {"type": "approximate", **known}
    return out
