"""A unified request as a Responses provider takes it (openai-responses.md §1; mappings.md §2)."""

import re
from hashlib import sha256
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.base import TRACING, WireRequest, picked
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.names import ToolNames
from plexus.transformers.openai_chat.reasoning import SUMMARIES, choose_effort
from plexus.transformers.openai_responses.format_items import ItemWriter, has_foreign
from plexus.transformers.openai_responses.format_parts import Writing
from plexus.transformers.openai_responses.format_tools import (
    write_choice,
    write_format,
    write_tools,
)
from plexus.transformers.openai_responses.headers import FORWARDED_HEADERS
from plexus.transformers.openai_responses.losses import NAME, REQUEST_LOSSES
from plexus.transformers.openai_responses.request_parse import ENCRYPTED, INSTRUCTIONS, LOGPROBS
from plexus.transformers.unread import unread
from plexus.unified.content import TextContent, ToolCallContent
from plexus.unified.request import (
    CustomTool,
    FunctionTool,
    Reasoning,
    UnifiedChatRequest,
    UnifiedMessage,
)

PATH = "/responses"
LEAST_TOKENS = 16
"""OpenAI refuses a lower ``max_output_tokens`` (mappings.md §6)."""

_PERSONAL = re.compile(r".+@.+\..+|\+?[\d ()-]{7,}")
_TIERS = {"auto": "auto", "standard": "default", "standard_only": "default"}
_TIERS |= {name: name for name in ("default", "flex", "scale", "priority", "ultrafast")}
_PLACES = ("reasoning", "text", "prompt_cache_options")
"""Objects whose unknown members stand in ``extra`` as ``object.member``."""

_OURS = frozenset({"namespaces", "tool_choice"})
"""Members of ``extra`` that are written where they belong."""

_LOST: tuple[tuple[str, object], ...] = (
    ("top_k", None),
    ("min_p", 0),
    ("repetition_penalty", 1),
    ("frequency_penalty", 0),
    ("presence_penalty", 0),
    ("seed", None),
    ("logit_bias", None),
    ("prediction", None),
    ("safety_settings", None),
    ("region", None),
    ("mcp_servers", None),
    ("container", None),
)
"""Fields Responses has no word for, with the value whose loss changes nothing."""

_lost = attrgetter(*(field for field, _ in _LOST))
_SILENT = (None,) * len(_LOST)

_NAMED = (FunctionTool, CustomTool)
_NATIVE = ("context_management", "truncation", "max_tool_calls", "moderation")
"""Fields that are written as they are."""

_own = attrgetter(*_NATIVE)
_SAYS_NOTHING = (None,) * len(_NATIVE)

Body = dict[str, Any]


def format_request(request: UnifiedChatRequest, target: TargetModel) -> WireRequest:
    """Raises PlexusError (400) for what Responses cannot mean at all."""
    log = LossLog(REQUEST_LOSSES)
    writing = Writing(target, log, request.source.dialect == NAME, request.source.dialect)
    names = _tool_names(request)
    body: Body = {"model": target.model}
    _refuse(request, writing)
    instruction = _write_options(body, request, writing)
    _write_conversation(body, request, writing, names, instruction)
    _write_limits(body, request, writing)
    if request.reasoning is not None:
        _write_reasoning(body, request.reasoning, writing)
    _write_identity(body, request, writing)
    _write_state(body, request, writing)
    if request.stream:
        body["stream"] = True
        _write_stream_options(body, request, writing)
    if request.extra:
        _restore(body, request.extra.get(NAME, {}))
    sent = FORWARDED_HEADERS if writing.native else TRACING
    return WireRequest(
        target=target,
        path=PATH,
        body=msgspec.json.encode(body),
        headers=picked(request.source, sent) if request.source.headers else (),
        stream=request.stream,
        warnings=log.warnings,
        tool_names=names.back,
        stop=tuple(stop for stop in request.stop if stop) if request.stop else (),
    )


def _tool_names(request: UnifiedChatRequest) -> ToolNames:
    names = [tool.name for tool in request.tools if type(tool) in _NAMED]
    for message in request.messages:
        for part in message.content:
            if type(part) is ToolCallContent:
                names.append(part.name)
    return ToolNames(names)


def _refuse(request: UnifiedChatRequest, writing: Writing) -> None:
    """What no Responses request can say, and what it can only leave out."""
    log = writing.log
    if request.n > 1:
        log.note("n")
    if request.audio is not None or (
        request.modalities and any(kind != "text" for kind in request.modalities)
    ):
        log.note("modalities")
    if request.server_state and not writing.native:
        for name in request.server_state:
            log.note("server_state", name)
    if _lost(request) != _SILENT:
        # The usual request has none of these; one look is enough to see that.
        for field, neutral in _LOST:
            value = getattr(request, field)
            if value is not None and value != neutral:
                log.note(field)
    if request.stop:
        log.note("stop")
    if request.extra:
        for dialect, fields in request.extra.items():
            if dialect != NAME and fields:
                log.note("extra", next(iter(fields)))
    if request.reasoning is not None and (lost := unread(request.reasoning, NAME)):
        log.note("extra", lost)


def _write_conversation(
    body: Body,
    request: UnifiedChatRequest,
    writing: Writing,
    names: ToolNames,
    instruction: str | None,
) -> None:
    texts, rest = _instructions(request, writing)
    if instruction is not None:
        texts.append(instruction)
    if texts:
        body["instructions"] = "\n\n".join(texts)
    first = len(request.messages) - len(rest)
    items = ItemWriter(writing, names).write(rest, first)
    last = request.messages[-1] if request.messages else None
    if last is not None and last.role == "assistant" and not last.tool_calls and not writing.native:
        writing.log.note("message.prefill", f"messages[{len(request.messages) - 1}]")
    if not items and not writing.native:
        # A request of nothing but instructions is refused.
        writing.log.note("message.system_only", "messages")
        text = body.pop("instructions", "")
        items = [{"role": "developer", "content": text}]
    if items or not request.server_state:
        body["input"] = items
    tools: list[Body | Raw] = []
    if request.tools or request.web_search is not None:
        tools = write_tools(request, writing, names)
        if tools:
            body["tools"] = tools
    if request.tool_choice is not None:
        choice = write_choice(request, tools, writing, names)
        if choice is not None:
            body["tool_choice"] = choice
    if request.parallel_tool_calls is not None:
        if tools or writing.native:
            body["parallel_tool_calls"] = request.parallel_tool_calls
        else:
            writing.log.note("parallel_tool_calls")


def _instructions(
    request: UnifiedChatRequest, writing: Writing
) -> tuple[list[str], tuple[UnifiedMessage, ...]]:
    """The texts of ``instructions``, and the messages that become items.

    The leading system messages of another dialect are joined, unless a cache marker divides them.
    """
    messages = request.messages
    if writing.native:
        texts = [m.text for m in messages if m.id == INSTRUCTIONS and m.role == "system"]
        return texts, tuple(m for m in messages if m.id != INSTRUCTIONS or m.role != "system")
    prefix = request.system_prefix()
    if not prefix:
        return [], messages
    parts = [(n, part) for n, message in enumerate(prefix) for part in message.content]
    marked = any(part.cache_control is not None for _, part in parts)
    if marked and writing.target.capabilities.cache_breakpoints:
        return [], messages
    texts = []
    for number, message in enumerate(prefix):
        path = f"messages[{number}]"
        if message.ext and has_foreign(message.ext):
            writing.log.note("message.ext", path)
        if message.name is not None:
            writing.log.note("message.name", path)
        for part in message.content:
            if part.cache_control is not None:
                writing.log.note("part.cache_control", path)
            if not isinstance(part, TextContent):
                writing.log.note("message.system_media", path)
            elif not part.text.startswith(ATTRIBUTION):
                texts.append(part.text)
    return [text for text in texts if text], messages[len(prefix) :]


def _write_options(body: Body, request: UnifiedChatRequest, writing: Writing) -> str | None:
    """``text`` and what is written as it is; gives the instruction that stands for a schema."""
    instruction = None
    if request.response_format is not None or request.verbosity is not None:
        text: Body = {}
        if request.response_format is not None:
            text["format"], instruction = write_format(request.response_format, writing)
        if request.verbosity is not None:
            text["verbosity"] = request.verbosity
        body["text"] = text
    if _own(request) != _SAYS_NOTHING:
        for name in _NATIVE:
            value = getattr(request, name)
            if value is None:
                continue
            if name == "context_management" and not writing.native:
                writing.log.note(name)
            else:
                body[name] = value
    if request.metadata is not None:
        body["metadata"] = request.metadata
    include = list(request.include)
    if request.logprobs or (request.top_logprobs is not None and not writing.native):
        include.append(LOGPROBS)
    if request.top_logprobs is not None:
        body["top_logprobs"] = request.top_logprobs
    encrypted = writing.target.capabilities.thinking != "none"
    if writing.native:
        reasoning = request.reasoning
        encrypted = reasoning is not None and "encrypted" in reasoning.ext.get(NAME, {})
    if encrypted:
        include.append(ENCRYPTED)
    if include:
        body["include"] = include
    return instruction


def _write_limits(body: Body, request: UnifiedChatRequest, writing: Writing) -> None:
    capabilities, limit, log = writing.target.capabilities, request.max_tokens, writing.log
    if limit == 0 and not writing.native:
        log.note("max_tokens.prewarm", "max_tokens")
        body["prompt_cache_options"] = {"prewarm": True}
    elif limit is not None:
        highest = capabilities.max_output_tokens
        fitted = limit if highest is None else min(limit, highest)
        if not writing.native:
            fitted = max(fitted, LEAST_TOKENS)
        if fitted != limit:
            log.note("max_tokens")
        body["max_output_tokens"] = fitted
    temperature, hottest = request.temperature, capabilities.temperature_max
    if temperature is not None and hottest is not None and temperature > hottest:
        log.note("temperature.range", "temperature")
        temperature = hottest
    if temperature is not None:
        _write_sampling(body, "temperature", temperature, writing)
    if request.top_p is not None:
        _write_sampling(body, "top_p", request.top_p, writing)


def _write_sampling(body: Body, name: str, value: float, writing: Writing) -> None:
    if writing.target.capabilities.sampling == "none":
        writing.log.note(name)
    else:
        body[name] = value


def _write_reasoning(body: Body, wanted: Reasoning, writing: Writing) -> None:
    """Silence stays silence; other dialects' readable thinking is a summary here (§3.5)."""
    out: Body = {}
    if writing.native:
        # Its own words, except for a level the model is known not to have.
        if wanted.effort is not None:
            out["effort"] = choose_effort(wanted, writing.target, writing.log)
        if wanted.summary is not None:
            out["summary"] = wanted.summary
    else:
        effort = choose_effort(wanted, writing.target, writing.log)
        if effort is not None:
            out["effort"] = effort
        if effort not in (None, "none") and wanted.include is not False:
            out["summary"] = wanted.summary if wanted.summary in SUMMARIES else "auto"
    if out:
        body["reasoning"] = out


def _write_identity(body: Body, request: UnifiedChatRequest, writing: Writing) -> None:
    """Who asks, its cache, and how fast it wants the answer (mappings.md §9, §10)."""
    if writing.native:
        if request.user is not None:
            body["user"] = request.user
        if request.safety_identifier is not None:
            body["safety_identifier"] = request.safety_identifier
    else:
        who = request.safety_identifier or request.user
        if who:
            if len(who) > 128 or _PERSONAL.fullmatch(who):
                writing.log.note("user")
                who = sha256(who.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            body["safety_identifier"] = who
    _write_cache(body, request, writing)
    if request.speed == "fast":
        body["service_tier"] = "fast"
        if not writing.native:
            writing.log.note("speed")
    elif request.service_tier is not None:
        tier = _TIERS.get(request.service_tier)
        if tier is None and writing.native:
            tier = request.service_tier
        if tier is None:
            writing.log.note("service_tier")
        else:
            body["service_tier"] = tier


def _write_cache(body: Body, request: UnifiedChatRequest, writing: Writing) -> None:
    cache = request.prompt_cache
    key = None if cache is None else cache.key
    if key is None and not writing.native:
        # One conversation, one key; a random one would never hit (traps.md T19).
        key = request.source.headers.get("x-claude-code-session-id")
    if key is not None:
        body["prompt_cache_key"] = key
    if cache is None:
        return
    options = {"mode": cache.mode, "ttl": cache.ttl}
    known = {name: value for name, value in options.items() if value is not None}
    if known:
        body["prompt_cache_options"] = {**body.get("prompt_cache_options", {}), **known}
    if cache.retention is not None:
        body["prompt_cache_retention"] = cache.retention
    if cache.auto is not None:
        writing.log.note("prompt_cache")


def _write_state(body: Body, request: UnifiedChatRequest, writing: Writing) -> None:
    """What only a provider that stores it has; a translated answer is never stored (§3.5)."""
    if not writing.native:
        if request.store:
            writing.log.note("store")
        body["store"] = False
        return
    if request.store is not None:
        body["store"] = request.store
    for name, raw in request.server_state.items():
        # References to stored items stand among the items.
        if not name.startswith("input["):
            body[name] = raw


def _write_stream_options(body: Body, request: UnifiedChatRequest, writing: Writing) -> None:
    """Padding that hides token lengths would only be thrown away by a translation."""
    asked = None if request.stream_options is None else request.stream_options.include_obfuscation
    if asked is None and not writing.native:
        asked = False
    if asked is not None:
        body["stream_options"] = {"include_obfuscation": asked}


def _restore(body: Body, extra: dict[str, Raw]) -> None:
    """Unknown members of a client of this dialect; ``a.b`` goes back into the object ``a``."""
    for name, value in extra.items():
        outer, dot, inner = name.partition(".")
        if dot and outer in _PLACES:
            body.setdefault(outer, {})[inner] = value
        elif name not in _OURS:
            body.setdefault(name, value)
