"""A chat client's request, wire to unified (openai-chat.md §1; mappings.md §3.4 for reasoning)."""

from typing import get_args

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.base import ClientCall
from plexus.transformers.effort import EFFORTS
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.reading import (
    BOOL,
    FLOAT,
    INT,
    OBJECT,
    STR,
    STRING_MAP,
    STRING_OR_STRINGS,
    STRINGS,
    Level,
    missing,
    read,
    wrong,
)
from plexus.transformers.openai_chat.request_messages import parse_messages
from plexus.transformers.openai_chat.request_tools import (
    parse_functions,
    parse_response_format,
    parse_tool_choice,
    parse_tools,
)
from plexus.unified.request import (
    PromptCache,
    Reasoning,
    ReasoningMode,
    ResponseFormat,
    StreamOptions,
    ThinkLevel,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedTool,
    Verbosity,
)

TIERS = {"default": "standard", "standard_only": "standard"}
"""Chat's service tiers to the canonical ones; others have the same name (mappings.md §10)."""

_EFFORTS: dict[str, ThinkLevel] = {level: level for level in EFFORTS}
_VERBOSITIES: dict[str, Verbosity] = {level: level for level in get_args(Verbosity)}


def parse_request(call: ClientCall) -> UnifiedChatRequest:
    """Raises PlexusError (400 with ``param``) on a body that is not of this dialect."""
    body = Level(dict(call.body.fields))
    for name in ("model", "stream"):
        body.rest.pop(name, None)
    raw_messages = body.raw("messages")
    if raw_messages is None:
        raise missing("messages")
    request = UnifiedChatRequest(
        model=call.model,
        messages=parse_messages(raw_messages),
        source=call.source,
        stream=call.stream,
        stream_options=_parse_stream_options(body),
        max_tokens=body.take("max_tokens", INT),
        temperature=body.take("temperature", FLOAT),
    )
    # Most requests say no more, and each member that is asked for in vain costs 0.2 us.
    return _with_the_rest(request, body) if body.rest else request


def _with_the_rest(request: UnifiedChatRequest, body: Level) -> UnifiedChatRequest:
    """The request with all that fewer clients send."""
    some = body.rest.keys() <= _SOME
    request = _with_some(request, body) if some else _with_all(request, body)
    return replace(request, extra={NAME: body.rest}) if body.rest else request


def _with_all(request: UnifiedChatRequest, body: Level) -> UnifiedChatRequest:
    tools, choice, legacy = _parse_tools(body)
    tier = body.take("service_tier", STR)
    newer = body.take("max_completion_tokens", INT)
    return replace(
        request,
        source=replace(request.source, legacy_functions=True) if legacy else request.source,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.take("parallel_tool_calls", BOOL),
        response_format=_parse_format(body),
        verbosity=_parse_verbosity(body),
        max_tokens=request.max_tokens if newer is None else newer,
        top_p=body.take("top_p", FLOAT),
        top_k=body.take("top_k", INT),
        min_p=body.take("min_p", FLOAT),
        repetition_penalty=body.take("repetition_penalty", FLOAT),
        frequency_penalty=body.take("frequency_penalty", FLOAT),
        presence_penalty=body.take("presence_penalty", FLOAT),
        seed=body.take("seed", INT),
        n=_parse_count(body),
        stop=_parse_stop(body),
        logit_bias=_parse_object(body, "logit_bias"),
        logprobs=body.take("logprobs", BOOL),
        top_logprobs=body.take("top_logprobs", INT),
        reasoning=parse_reasoning(body),
        modalities=_parse_modalities(body),
        audio=_parse_object(body, "audio"),
        prediction=_parse_object(body, "prediction"),
        moderation=_parse_object(body, "moderation"),
        web_search=_parse_object(body, "web_search_options"),
        user=body.take("user", STR),
        safety_identifier=body.take("safety_identifier", STR),
        metadata=body.take("metadata", STRING_MAP),
        prompt_cache=_parse_cache(body),
        service_tier=None if tier in (None, "fast") else TIERS.get(tier, tier),
        speed="fast" if tier == "fast" else None,
        store=body.take("store", BOOL),
    )


_SOME = frozenset(
    {
        "max_completion_tokens",
        "parallel_tool_calls",
        "response_format",
        "stop",
        "tool_choice",
        "tools",
        "top_p",
        "user",
    }
)
"""What agents and frameworks send, and mostly nothing else."""


def _with_some(request: UnifiedChatRequest, body: Level) -> UnifiedChatRequest:
    """``_with_all`` of a body that has only these, without looking for the others."""
    tools, choice, _ = _parse_tools(body)
    newer = body.take("max_completion_tokens", INT)
    return replace(
        request,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.take("parallel_tool_calls", BOOL),
        response_format=_parse_format(body),
        max_tokens=request.max_tokens if newer is None else newer,
        top_p=body.take("top_p", FLOAT),
        stop=_parse_stop(body),
        user=body.take("user", STR),
    )


def _parse_object(body: Level, name: str) -> Raw | None:
    raw = body.raw(name)
    if raw is not None:
        read(raw, OBJECT, name)
    return raw


def _parse_count(body: Level) -> int:
    count = body.take("n", INT)
    if count is None:
        return 1
    if count < 1:
        raise wrong("n", "at least 1")
    return count


def _parse_stop(body: Level) -> tuple[str, ...]:
    stop = body.take("stop", STRING_OR_STRINGS)
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _parse_modalities(body: Level) -> tuple[str, ...]:
    wanted = body.take("modalities", STRINGS)
    return () if wanted is None else tuple(wanted)


def _parse_verbosity(body: Level) -> Verbosity | None:
    word = body.take("verbosity", STR)
    if word is None:
        return None
    if word not in _VERBOSITIES:
        raise wrong("verbosity", "low, medium or high")
    return _VERBOSITIES[word]


def _parse_stream_options(body: Level) -> StreamOptions | None:
    level = body.object("stream_options")
    if level is None:
        return None
    return StreamOptions(
        include_usage=level.take("include_usage", BOOL),
        include_obfuscation=level.take("include_obfuscation", BOOL),
    )


def _parse_tools(body: Level) -> tuple[tuple[UnifiedTool, ...], ToolChoice | None, bool]:
    """Tools, choice, and whether the client used the deprecated ``functions``."""
    raw = body.raw("tools")
    tools = () if raw is None else parse_tools(raw)
    functions = body.raw("functions")
    legacy = functions is not None and not tools
    if functions is not None and not tools:
        tools = parse_functions(functions)
    choice = body.raw("tool_choice")
    old_choice = body.raw("function_call")
    if choice is not None:
        return tools, parse_tool_choice(choice), legacy
    if old_choice is not None:
        return tools, parse_tool_choice(old_choice, "function_call"), legacy
    return tools, None, legacy


def _parse_format(body: Level) -> ResponseFormat | None:
    raw = body.raw("response_format")
    if raw is None:
        return None
    found = parse_response_format(raw)
    if found is None:
        body.rest["response_format"] = raw
    return found


def _parse_cache(body: Level) -> PromptCache | None:
    key = body.take("prompt_cache_key", STR)
    retention = body.take("prompt_cache_retention", STR)
    options = body.object("prompt_cache_options")
    mode = ttl = None
    if options is not None:
        mode, ttl = options.take("mode", STR), options.take("ttl", STR)
    if key is None and retention is None and mode is None and ttl is None:
        return None
    return PromptCache(key=key, mode=mode, ttl=ttl, retention=retention)


class _Wanted:
    """What the forms of reasoning in one request add up to; ``ext`` keeps the vendors' forms."""

    def __init__(self) -> None:
        self.effort: ThinkLevel | None = None
        self.budget: int | None = None
        self.enabled: bool | None = None
        self.mode: ReasoningMode | None = None
        self.include: bool | None = None
        self.summary: str | None = None
        self.ext: dict[str, Raw] = {}

    def word(self, word: str | None) -> bool:
        """An effort by name; False for a vendor's own word, which says nothing to others."""
        effort = _EFFORTS.get(word or "")
        if effort is not None:
            self.effort = effort
        return word is None or effort is not None


REASONING = ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "extra_body")
"""The members that ask to think."""


def parse_reasoning(body: Level) -> Reasoning | None:
    """``reasoning_effort`` and the vendors' forms of it (vendors.md §2, §5, §13)."""
    if not any(name in body.rest for name in REASONING):
        return None
    wanted = _Wanted()
    for name in ("reasoning_effort", "reasoning", "thinking", "enable_thinking"):
        raw = body.raw(name)
        if raw is None:
            continue
        match name:
            case "reasoning_effort":
                known = wanted.word(read(raw, STR, name))
            case "enable_thinking":
                wanted.enabled, known = read(raw, BOOL, name), False
            case "reasoning":
                _read_reasoning(Level.of(raw, name), wanted)
                known = False
            case _:
                _read_thinking(Level.of(raw, name), wanted)
                known = False
        if not known:
            wanted.ext[name] = raw
    _read_google(body, wanted)
    if wanted.enabled is False or wanted.effort == "none":
        wanted.mode = "off"
    found = Reasoning(
        effort=wanted.effort,
        max_tokens=wanted.budget,
        enabled=wanted.enabled,
        mode=wanted.mode,
        include=wanted.include,
        summary=wanted.summary,
        ext={NAME: wanted.ext} if wanted.ext else {},
    )
    return None if found == Reasoning() else found


def _read_reasoning(level: Level, wanted: _Wanted) -> None:
    """OpenRouter's and Vercel's object."""
    wanted.word(level.take("effort", STR))
    budget = level.take("max_tokens", INT)
    if budget is not None:
        wanted.budget, wanted.mode = budget, "budget"
    enabled = level.take("enabled", BOOL)
    wanted.enabled = wanted.enabled if enabled is None else enabled
    if level.take("exclude", BOOL):
        wanted.include = False
    wanted.summary = level.take("summary", STR)


def _read_thinking(level: Level, wanted: _Wanted) -> None:
    """``thinking: {type, budget_tokens}`` of DeepSeek, Z.ai and the Claude gateways."""
    kind = level.take("type", STR)
    # Unknown types keep thinking on (traps.md T07).
    wanted.enabled = kind != "disabled"
    if kind == "adaptive":
        wanted.mode = "adaptive"
    budget = level.take("budget_tokens", INT)
    if budget is not None and wanted.enabled:
        wanted.budget, wanted.mode = budget, "budget"


def _read_google(body: Level, wanted: _Wanted) -> None:
    """``extra_body.google.thinking_config`` of Gemini's compatible endpoint (vendors.md §11)."""
    raw = body.rest.get("extra_body")
    google = None if raw is None else _member(raw, "google")
    config = None if google is None else _member(google, "thinking_config")
    if config is None:
        return
    level = Level.of(config, "extra_body.google.thinking_config")
    budget = level.take("thinking_budget", INT)
    word = level.take("thinking_level", STR)
    if level.take("include_thoughts", BOOL) is False:
        wanted.include = False
    if word is not None:
        wanted.word(word.lower())
    if budget is None:
        return
    if budget == 0:
        wanted.enabled = False
    elif budget < 0:
        wanted.mode = "adaptive"
    else:
        wanted.budget, wanted.mode = budget, "budget"


def _member(raw: Raw, name: str) -> Raw | None:
    try:
        return (OBJECT.decode(raw) or {}).get(name)
    except msgspec.DecodeError:
        return None
