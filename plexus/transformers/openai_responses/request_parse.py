"""A Responses client's request, wire to unified (openai-responses.md §1, §2)."""

from typing import Any, get_args

from msgspec import Raw

from plexus.transformers.base import ClientCall
from plexus.transformers.effort import EFFORTS
from plexus.transformers.openai_chat.reading import (
    BOOL,
    FLOAT,
    INT,
    NULL,
    OBJECT,
    STR,
    STRING_MAP,
    STRINGS,
    Kind,
    Level,
    missing,
    read,
    wrong,
)
from plexus.transformers.openai_chat.request_parse import TIERS
from plexus.transformers.openai_responses.content import encoded
from plexus.transformers.openai_responses.losses import NAME
from plexus.transformers.openai_responses.request_items import InputReader
from plexus.transformers.openai_responses.request_tools import Tools, parse_choice, parse_format
from plexus.unified.content import TextContent
from plexus.unified.request import (
    PromptCache,
    Reasoning,
    StreamOptions,
    ThinkLevel,
    UnifiedChatRequest,
    UnifiedMessage,
    UnifiedTool,
    Verbosity,
)

INSTRUCTIONS = "instructions"
"""The id of the message that ``instructions`` became: unlike items it is not carried over by
``previous_response_id``, so it goes back to where it came from."""

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
STATE = ("previous_response_id", "conversation", "prompt")
"""Members that name something only the provider has stored (openai-responses.md §8)."""

_STATEFUL = frozenset({*STATE, "background"})
_PLAIN: tuple[tuple[str, str, Kind[Any]], ...] = (
    ("parallel_tool_calls", "parallel_tool_calls", BOOL),
    ("max_tool_calls", "max_tool_calls", INT),
    ("max_output_tokens", "max_tokens", INT),
    ("temperature", "temperature", FLOAT),
    ("top_p", "top_p", FLOAT),
    ("top_logprobs", "top_logprobs", INT),
    ("user", "user", STR),
    ("safety_identifier", "safety_identifier", STR),
    ("metadata", "metadata", STRING_MAP),
    ("store", "store", BOOL),
)
"""Members that are read as they stand, and their canonical names."""

_CACHE = frozenset({"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"})
_RARE = frozenset(
    {
        "context_management",
        "moderation",
        "service_tier",
        "stream_options",
        "truncation",
    }
)

_EFFORTS: dict[str, ThinkLevel] = {level: level for level in EFFORTS}
_VERBOSITIES: dict[str, Verbosity] = {level: level for level in get_args(Verbosity)}


def parse_request(call: ClientCall) -> UnifiedChatRequest:
    """Raises PlexusError (400 with ``param``) on a body that is not of this dialect."""
    body = Level(dict(call.body.fields))
    rest = body.rest
    for name in ("model", "stream"):
        rest.pop(name, None)
    # A request has few of these members: a look for each, a call only for those that are there.
    extra: dict[str, Raw] = {}
    said: dict[str, Any] = {}
    state = {} if rest.keys().isdisjoint(_STATEFUL) else _parse_state(body)
    messages, references = _parse_messages(body, bool(state))
    if state or references:
        said["server_state"] = state | references
    if "tools" in rest:
        said["tools"] = _parse_tools(body, extra)
    text = body.object("text") if "text" in rest else None
    if text is not None:
        said["response_format"] = parse_format(text)
        said["verbosity"] = _parse_verbosity(text)
    include = body.take("include", STRINGS) if "include" in rest else None
    if include:
        said["logprobs"] = True if LOGPROBS in include else None
        said["include"] = tuple(name for name in include if name not in (ENCRYPTED, LOGPROBS))
    if "tool_choice" in rest:
        said["tool_choice"] = parse_choice(body.raw("tool_choice"), extra)
    for name, field, kind in _PLAIN:
        if name in rest:
            said[field] = body.take(name, kind)
    if include or "reasoning" in rest:
        encrypted = include is not None and ENCRYPTED in include
        said["reasoning"] = parse_reasoning(body, encrypted, extra)
    if not rest.keys().isdisjoint(_RARE):
        _parse_rare(body, said)
    if not rest.keys().isdisjoint(_CACHE):
        said["prompt_cache"] = _parse_cache(body)
    if rest or extra or text is not None:
        said["extra"] = _extra(extra, body, text)
    return UnifiedChatRequest(
        model=call.model, messages=messages, source=call.source, stream=call.stream, **said
    )


def _parse_tools(body: Level, extra: dict[str, Raw]) -> tuple[UnifiedTool, ...]:
    tools = Tools(body.raw("tools"))
    if tools.namespaces:
        extra["namespaces"] = encoded(tools.namespaces)
    return tuple(tools.found)


def _parse_rare(body: Level, said: dict[str, Any]) -> None:
    """The members of ``_RARE``."""
    said["stream_options"] = _parse_stream_options(body)
    tier = body.take("service_tier", STR)
    if tier == "fast":
        said["speed"] = "fast"
    elif tier is not None:
        said["service_tier"] = TIERS.get(tier, tier)
    truncation = body.take("truncation", STR)
    # "disabled" is what silence means.
    said["truncation"] = None if truncation == "disabled" else truncation
    said["moderation"] = _object(body, "moderation")
    said["context_management"] = body.raw("context_management")


def _extra(kept: dict[str, Raw], body: Level, text: Level | None) -> dict[str, dict[str, Raw]]:
    """What nobody took; ``a.b`` names a member of a known object."""
    if text is not None:
        kept.update({text.at(name): raw for name, raw in text.rest.items() if raw != NULL})
    kept.update({name: raw for name, raw in body.rest.items() if raw != NULL})
    return {NAME: kept} if kept else {}


def _parse_messages(
    body: Level, stateful: bool
) -> tuple[tuple[UnifiedMessage, ...], dict[str, Raw]]:
    """``instructions`` and ``input``, and the items that only the provider has."""
    messages: list[UnifiedMessage] = []
    if "instructions" in body.rest:
        instructions = body.take("instructions", STR)
        if instructions is not None:
            content = (TextContent(text=instructions),)
            messages.append(UnifiedMessage(role="system", content=content, id=INSTRUCTIONS))
    raw = body.raw("input")
    if raw is None:
        if not stateful:
            raise missing("input")
        return tuple(messages), {}
    reader = InputReader()
    messages += reader.read(raw)
    return tuple(messages), reader.references


def _parse_state(body: Level) -> dict[str, Raw]:
    """What only a provider with the stored state can serve; ``background: false`` asks nothing."""
    state = {name: raw for name in STATE if (raw := body.raw(name)) is not None}
    if body.take("background", BOOL):
        state["background"] = Raw(b"true")
    return state


def _object(body: Level, name: str) -> Raw | None:
    raw = body.raw(name)
    if raw is not None:
        read(raw, OBJECT, name)
    return raw


def _parse_verbosity(text: Level) -> Verbosity | None:
    word = text.take("verbosity", STR)
    if word is None:
        return None
    if word not in _VERBOSITIES:
        raise wrong(text.at("verbosity"), "low, medium or high")
    return _VERBOSITIES[word]


def _parse_stream_options(body: Level) -> StreamOptions | None:
    level = body.object("stream_options")
    if level is None:
        return None
    return StreamOptions(include_obfuscation=level.take("include_obfuscation", BOOL))


def parse_reasoning(body: Level, encrypted: bool, extra: dict[str, Raw]) -> Reasoning | None:
    """``reasoning``; what other dialects cannot say (``context``, ``mode``) goes to ``extra``.

    ``encrypted``: the client asked for the encrypted form, which translations always give.
    """
    level = body.object("reasoning")
    effort: ThinkLevel | None = None
    summary: str | None = None
    if level is not None:
        word = level.take("effort", STR)
        effort = _EFFORTS.get(word or "")
        if word is not None and effort is None:
            extra[level.at("effort")] = encoded(word)
        summary = level.take("summary", STR) or level.take("generate_summary", STR)
        extra |= {level.at(n): raw for n, raw in level.rest.items() if raw != NULL}
    found = Reasoning(
        effort=effort,
        mode="off" if effort == "none" else None,
        include=True if summary else None,
        summary=summary,
        ext={NAME: {"encrypted": Raw(b"true")}} if encrypted else {},
    )
    return None if found == Reasoning() else found


def _parse_cache(body: Level) -> PromptCache | None:
    key = body.take("prompt_cache_key", STR)
    retention = body.take("prompt_cache_retention", STR)
    options = body.object("prompt_cache_options")
    mode = ttl = None
    if options is not None:
        mode, ttl = options.take("mode", STR), options.take("ttl", STR)
        body.rest |= {options.at(name): raw for name, raw in options.rest.items()}
    if key is None and retention is None and mode is None and ttl is None:
        return None
    return PromptCache(key=key, mode=mode, ttl=ttl, retention=retention)
