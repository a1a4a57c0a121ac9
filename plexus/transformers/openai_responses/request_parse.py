"""A Responses client's request, wire to unified (openai-responses.md §1, §2)."""

from typing import get_args

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
    Verbosity,
)

INSTRUCTIONS = "instructions"
"""The id of the message that ``instructions`` became: unlike items it is not carried over by
``previous_response_id``, so it goes back to where it came from."""

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
STATE = ("previous_response_id", "conversation", "prompt")
"""Members that name something only the provider has stored (openai-responses.md §8)."""

_EFFORTS: dict[str, ThinkLevel] = {level: level for level in EFFORTS}
_VERBOSITIES: dict[str, Verbosity] = {level: level for level in get_args(Verbosity)}


def parse_request(call: ClientCall) -> UnifiedChatRequest:
    """Raises PlexusError (400 with ``param``) on a body that is not of this dialect."""
    body = Level(dict(call.body.fields))
    for name in ("model", "stream"):
        body.rest.pop(name, None)
    extra: dict[str, Raw] = {}
    state = _parse_state(body)
    messages, references = _parse_messages(body, bool(state))
    tools = Tools(body.raw("tools"))
    if tools.namespaces:
        extra["namespaces"] = encoded(tools.namespaces)
    text = body.object("text")
    include = body.take("include", STRINGS) or []
    tier = body.take("service_tier", STR)
    truncation = body.take("truncation", STR)
    return UnifiedChatRequest(
        model=call.model,
        messages=messages,
        source=call.source,
        stream=call.stream,
        stream_options=_parse_stream_options(body),
        tools=tuple(tools.found),
        tool_choice=parse_choice(body.raw("tool_choice"), extra),
        parallel_tool_calls=body.take("parallel_tool_calls", BOOL),
        max_tool_calls=body.take("max_tool_calls", INT),
        response_format=None if text is None else parse_format(text),
        verbosity=None if text is None else _parse_verbosity(text),
        max_tokens=body.take("max_output_tokens", INT),
        temperature=body.take("temperature", FLOAT),
        top_p=body.take("top_p", FLOAT),
        logprobs=True if LOGPROBS in include else None,
        top_logprobs=body.take("top_logprobs", INT),
        reasoning=parse_reasoning(body, ENCRYPTED in include, extra),
        moderation=_object(body, "moderation"),
        user=body.take("user", STR),
        safety_identifier=body.take("safety_identifier", STR),
        metadata=body.take("metadata", STRING_MAP),
        prompt_cache=_parse_cache(body),
        service_tier=None if tier in (None, "fast") else TIERS.get(tier, tier),
        speed="fast" if tier == "fast" else None,
        store=body.take("store", BOOL),
        server_state=state | references,
        context_management=body.raw("context_management"),
        # "disabled" is what silence means.
        truncation=None if truncation == "disabled" else truncation,
        include=tuple(name for name in include if name not in (ENCRYPTED, LOGPROBS)),
        extra=_extra(extra, body, text),
    )


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
    instructions = body.take("instructions", STR)
    if instructions is not None:
        content = (TextContent(text=instructions),)
        messages.append(UnifiedMessage(role="system", content=content, id=INSTRUCTIONS))
    raw = body.raw("input")
    if raw is None and not stateful:
        raise missing("input")
    reader = InputReader()
    if raw is not None:
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
