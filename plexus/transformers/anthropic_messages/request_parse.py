"""A client's Messages body to the canonical request (anthropic-messages.md §2-§5).

Both API versions are read alike: what 2026-10-21 took away is accepted, because the target decides
what it can use.
"""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from plexus.transformers.anthropic_messages.content import (
    NAME,
    parse_cache,
    parse_content,
    unknown,
)
from plexus.transformers.anthropic_messages.plain_blocks import (
    ABSENT,
    Call,
    OnlyText,
    Result,
    Text,
    Thinking,
    content_of,
    part_of,
)
from plexus.transformers.anthropic_messages.reader import (
    INTEGER,
    LIST,
    NUMBER,
    STRING,
    STRINGS,
    Level,
    Malformed,
)
from plexus.transformers.anthropic_messages.thinking import parse_thinking
from plexus.transformers.anthropic_messages.tools import parse_choice, parse_tools
from plexus.transformers.base import ClientCall
from plexus.unified.content import Content, Ext, Origin, TextContent, ToolResultContent
from plexus.unified.errors import invalid
from plexus.unified.request import (
    PromptCache,
    ResponseFormat,
    Role,
    UnifiedChatRequest,
    UnifiedMessage,
)

_ORIGIN = Origin("anthropic")
_CONVERSATION = frozenset({"max_tokens", "messages", "system", "temperature"})
"""Of a request with no other members no other is looked for."""
_TIERS = {"standard_only": "standard"}
_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}


def parse_request(call: ClientCall) -> UnifiedChatRequest:
    """Raises PlexusError: 400 with the JSON path as ``param``, never with the value."""
    try:
        return _parse(call)
    except Malformed as problem:
        raise invalid(str(problem), problem.path) from None


def _parse(call: ClientCall) -> UnifiedChatRequest:
    body = Level.of(call.body.fields, "")
    body.fields.pop("model", None)
    body.fields.pop("stream", None)
    if body.fields.keys() <= _CONVERSATION:
        return UnifiedChatRequest(
            model=call.model,
            messages=tuple(_messages(body)),
            source=call.source,
            stream=call.stream,
            max_tokens=_max_tokens(body),
            temperature=body.take("temperature", NUMBER),
        )
    config = body.object("output_config")
    reasoning = parse_thinking(body.object("thinking"), config)
    tools = parse_tools(body.take("tools", LIST), "tools")
    choice, parallel = parse_choice(body.object("tool_choice"), tools)
    keep: dict[str, Raw] = {}
    cache = parse_cache(body, keep)
    tier = body.take("service_tier", STRING)
    metadata = body.object("metadata")
    user = metadata.take("user_id", STRING) if metadata is not None else None
    response_format = _format(config, body)
    stop = body.take("stop_sequences", STRINGS)
    # It stays in ``extra``, for a target of this dialect.
    thread = body.fields.get("thread")
    return UnifiedChatRequest(
        model=call.model,
        messages=tuple(_messages(body)),
        source=call.source,
        stream=call.stream,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=response_format,
        max_tokens=_max_tokens(body),
        temperature=body.take("temperature", NUMBER),
        top_p=body.take("top_p", NUMBER),
        top_k=body.take("top_k", INTEGER),
        stop=tuple(stop or []),
        reasoning=reasoning,
        user=user,
        prompt_cache=None if cache is None else PromptCache(auto=cache),
        service_tier=_TIERS.get(tier, tier) if tier is not None else None,
        speed=body.take("speed", STRING),
        region=body.take("inference_geo", STRING),
        context_management=body.raw("context_management"),
        mcp_servers=body.raw("mcp_servers"),
        container=body.raw("container"),
        server_state={} if thread is None or bytes(thread) == b"null" else {"thread": thread},
        extra=_extra(body, keep, config=config, metadata=metadata),
    )


def _max_tokens(body: Level) -> int:
    """0 is legal: it warms the prompt cache and answers nothing."""
    value = body.need("max_tokens", INTEGER)
    if value < 0:
        raise Malformed("max_tokens", "expected an integer that is not negative")
    return value


def _extra(
    body: Level, keep: dict[str, Raw], *, config: Level | None, metadata: Level | None
) -> dict[str, dict[str, Raw]]:
    """What nobody took, top level and one level down; ``a.b`` names a member of a known object."""
    for level in (config, metadata):
        if level is not None:
            keep.update({level.where(name): raw for name, raw in level.fields.items()})
    keep.update(body.fields)
    return {NAME: keep} if keep else {}


def _format(config: Level | None, body: Level) -> ResponseFormat | None:
    """``output_config.format``, or ``output_format`` of the beta before it."""
    level = config.object("format") if config is not None else None
    if level is None:
        level = body.object("output_format")
    if level is None:
        return None
    if level.need("type", STRING) != "json_schema":
        raise Malformed(level.where("type"), "expected json_schema")
    schema = level.raw("schema")
    if schema is None or not bytes(schema).startswith(b"{"):
        raise Malformed(level.where("schema"), "expected an object, and the field is required")
    return ResponseFormat(type="json_schema", schema=schema)


class _Message(Struct, forbid_unknown_fields=True):
    """A message as nearly all are; of any other each member is looked at."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Text | Call | Result | Thinking]
    output_config: Raw = ABSENT
    """Claude Code's, on messages of the system."""


_plain = msgspec.json.Decoder(_Message).decode
_only_text = msgspec.json.Decoder(str | list[OnlyText]).decode


def _messages(body: Level) -> list[UnifiedMessage]:
    out: list[UnifiedMessage] = []
    raw = body.fields.pop("system", None)
    if raw is not None:
        system = plain_system(raw)
        if system is None:
            system = parse_content(raw, "system", _ORIGIN)
        if system:
            out.append(UnifiedMessage(role="system", content=system))
    raws = body.need("messages", LIST)
    if not raws:
        raise Malformed("messages", "at least one message is required")
    for index, raw in enumerate(raws):
        out += plain_message(raw) or any_message(raw, f"messages[{index}]")
    return out


def plain_message(raw: Raw) -> list[UnifiedMessage] | None:
    """What ``any_message`` reads, in one look; None for a message that says anything else."""
    try:
        message = _plain(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    role, said, config = message.role, message.content, message.output_config
    ext: Ext = {} if config == ABSENT else {NAME: {"output_config": config}}
    if isinstance(said, str):
        return [UnifiedMessage(role=role, content=(TextContent(text=said),), ext=ext)]
    return _split(role, tuple([part_of(block, _ORIGIN) for block in said]), ext)


def plain_system(raw: Raw) -> tuple[Content, ...] | None:
    """As ``plain_message``, of ``system``."""
    try:
        return content_of(_only_text(raw))
    except (msgspec.DecodeError, RecursionError):
        return None


def any_message(raw: Raw, path: str) -> list[UnifiedMessage]:
    """Raises Malformed."""
    level = Level(raw, path)
    role = _ROLES.get(level.need("role", STRING))
    if role is None:
        raise Malformed(f"{path}.role", "expected user, assistant or system")
    if "content" not in level.fields:
        raise Malformed(f"{path}.content", "the field is required")
    content = parse_content(level.fields.pop("content"), f"{path}.content", _ORIGIN)
    return _split(role, content, unknown(level))


def _split(role: Role, content: tuple[Content, ...], ext: Ext) -> list[UnifiedMessage]:
    """One message; a user message with tool results becomes a tool message and the rest of it."""
    if role == "user":
        results = tuple([part for part in content if type(part) is ToolResultContent])
        if results:
            rest = tuple([part for part in content if type(part) is not ToolResultContent])
            found = [UnifiedMessage(role="tool", content=results, ext=ext)]
            return [*found, UnifiedMessage(role="user", content=rest)] if rest else found
    return [UnifiedMessage(role=role, content=content, ext=ext)]
