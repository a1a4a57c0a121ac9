"""A unified request as a chat provider takes it, and the client's own bytes for pass-through."""

import re
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.base import TRACING, ClientCall, WireRequest, picked
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.effort import is_on
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.format_messages import MessageWriter
from plexus.transformers.openai_chat.format_parts import Writing
from plexus.transformers.openai_chat.format_tools import (
    custom_tools,
    write_response_format,
    write_tool_choice,
    write_tools,
)
from plexus.transformers.openai_chat.headers import FORWARDED_HEADERS
from plexus.transformers.openai_chat.losses import FAMILY, NAME, REQUEST_LOSSES
from plexus.transformers.openai_chat.names import ToolNames
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.reasoning import write_reasoning
from plexus.transformers.openai_chat.refused import leave_out, refused, says_something
from plexus.transformers.openai_chat.system import place_system
from plexus.transformers.unread import unread
from plexus.transformers.usual import is_usual
from plexus.unified.content import ToolCallContent
from plexus.unified.request import UnifiedChatRequest

PATH = "/chat/completions"
STOP_LIMIT = 4
CONTINUE = "Continue."
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_PERSONAL = re.compile(r".+@.+\..+|\+?[\d ()-]{7,}")
_TIERS = {"auto": "auto", "standard": "default", "standard_only": "default"}
_TIERS |= {name: name for name in ("default", "flex", "scale", "priority", "fast")}

_ELSEWHERE = (
    "container",
    "context_management",
    "include",
    "max_tool_calls",
    "mcp_servers",
    "region",
    "safety_settings",
    "truncation",
)
"""Fields of other dialects that chat has no member for."""
_TOKENS = ("frequency_penalty", "presence_penalty", "logit_bias", "logprobs")
"""Hardly ever set; written as the client did, behind temperature and top_p."""

Body = dict[str, Any]


def format_request(request: UnifiedChatRequest, target: TargetModel) -> WireRequest:
    """Raises PlexusError (400) for what chat cannot mean at all.

    Parts of the work that nothing is asked of are not entered.
    """
    log, source = LossLog(REQUEST_LOSSES), request.source
    writing = Writing(target, log, source.dialect == NAME, source.dialect)
    names = ToolNames(_tool_names(request))
    usual = is_usual(request)
    body: Body = {"model": target.model, "messages": []}
    prefix = _write_conversation(body, request, writing, names)
    _write_limits(body, request, writing)
    _write_sampling(body, request, writing, usual)
    thinks = _write_reasoning(body, request, writing)
    _write_rest(body, request, writing, usual)
    if request.stream:
        body["stream"] = True
        options = _stream_options(request, writing)
        if options:
            body["stream_options"] = options
    if request.extra:
        for name, value in request.extra.get(NAME, {}).items():
            body.setdefault(name, value)
    _fit(body, writing, thinks)
    forwarded = FORWARDED_HEADERS if writing.native else TRACING
    return WireRequest(
        target=target,
        path=PATH,
        body=msgspec.json.encode(body),
        headers=() if forwarded.isdisjoint(source.headers) else picked(source, forwarded),
        stream=request.stream,
        warnings=log.warnings,
        tool_names=names.back,
        custom_tools=custom_tools(request, writing, names) if request.tools else frozenset(),
        prefix=prefix,
    )


def _write_rest(body: Body, request: UnifiedChatRequest, writing: Writing, usual: bool) -> None:
    """What is hardly ever said; a session's cache key comes with no member at all."""
    keyed = writing.target.capabilities.cache_breakpoints and not writing.native
    if not usual:
        _write_options(body, request, writing)
    if not usual or keyed or request.user is not None:
        _write_identity(body, request, writing)
    if not usual:
        _note_elsewhere(request, writing.log)
    if request.reasoning is not None and (lost := unread(request.reasoning, NAME)):
        writing.log.note("extra", lost)


def _fit(body: Body, writing: Writing, thinks: bool) -> None:
    """The members under the vendor's names, without those it refuses."""
    capabilities = writing.target.capabilities
    leave_out(body, refused(capabilities, thinks), writing.log)
    for name, other in (capabilities.rename or {}).items():
        if name in body:
            body.setdefault(other, body.pop(name))


def passthrough(call: ClientCall, target: TargetModel) -> WireRequest:
    """The client's bytes with ``model`` replaced and, for streams, usage asked for.

    A vendor that sends usage unasked, or refuses to be asked, is not asked.
    """
    changes: dict[str, bytes | None] = {"model": msgspec.json.encode(target.model)}
    hide = False
    if call.stream and target.capabilities.stream_usage in (None, "option"):
        options = call.body.fields.get("stream_options", NULL)
        try:
            asked = {} if options == NULL else _members(options)
        except msgspec.DecodeError:
            asked = {"include_usage": Raw(b"true")}  # Malformed: the provider will say so.
        if bytes(asked.get("include_usage", b"")) != b"true":
            changes["stream_options"] = msgspec.json.encode({**asked, "include_usage": True})
            hide = True
    return WireRequest(
        target=target,
        path=PATH,
        body=call.body.edit(changes),
        headers=picked(call.source, FORWARDED_HEADERS),
        stream=call.stream,
        hide_usage=hide,
    )


def _tool_names(request: UnifiedChatRequest) -> list[str]:
    names = [tool.name for tool in request.tools]
    for message in request.messages:
        for part in message.content:
            if type(part) is ToolCallContent:
                names.append(part.name)
    return names


def _write_conversation(
    body: Body, request: UnifiedChatRequest, writing: Writing, names: ToolNames
) -> str:
    """Messages, tools and the form of the answer; the prefix that the vendor will repeat."""
    messages = MessageWriter(writing, names).write(request.messages)
    prefix = ""
    if request.messages and request.messages[-1].role == "assistant":
        prefix = _write_prefill(messages, request, writing)
    if request.tools or request.tool_choice is not None:
        _write_tools(body, request, writing, names)
    if request.response_format is not None:
        form, instruction = write_response_format(request.response_format, writing)
        if form is not None:
            body["response_format"] = form
        if instruction is not None:
            count = sum(1 for _ in request.system_prefix())
            messages.insert(min(count, len(messages)), {"role": "system", "content": instruction})
    body["messages"] = place_system(messages, writing)
    return prefix


def _write_tools(
    body: Body, request: UnifiedChatRequest, writing: Writing, names: ToolNames
) -> None:
    tools = write_tools(request, writing, names)
    if tools:
        body["tools"] = tools
    choice = write_tool_choice(request, tools, writing, names)
    if choice is not None:
        body["tool_choice"] = choice
    if request.parallel_tool_calls is not None and tools:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _write_prefill(messages: list[Any], request: UnifiedChatRequest, writing: Writing) -> str:
    """A last assistant message to be continued (mappings.md §4; vendors.md §6)."""
    last = request.messages[-1]
    if last.tool_calls:
        return ""
    capabilities = writing.target.capabilities
    if capabilities.prefix_field:
        messages[-1]["prefix"] = True
        return last.text
    path = f"messages[{len(request.messages) - 1}]"
    if capabilities.prefill is False:
        writing.log.note("message.prefill", path)
        messages.append({"role": "user", "content": CONTINUE})
    elif capabilities.prefill is None and not writing.native:
        writing.log.note("message.prefill", path)
    return ""


def _write_limits(body: Body, request: UnifiedChatRequest, writing: Writing) -> None:
    capabilities, limit = writing.target.capabilities, request.max_tokens
    if limit is not None:
        if limit == 0 and not writing.native:
            writing.log.note("max_tokens.prewarm", "max_tokens")
        maximum = capabilities.max_output_tokens
        if maximum is not None and limit > maximum:
            writing.log.note("max_tokens")
            limit = maximum
        body[capabilities.max_tokens_field or "max_completion_tokens"] = limit
    if request.stop:
        most = STOP_LIMIT if capabilities.stop_max is None else capabilities.stop_max
        if len(request.stop) > most:
            writing.log.note("stop")
        if request.stop[:most]:
            body["stop"] = list(request.stop[:most])
    if request.n != 1:
        if capabilities.n_max is not None and request.n > capabilities.n_max:
            writing.log.note("n")
        body["n"] = request.n


def _write_sampling(body: Body, request: UnifiedChatRequest, writing: Writing, usual: bool) -> None:
    temperature, top_p = request.temperature, request.top_p
    if usual and temperature is None and top_p is None and request.top_k is None:
        return
    capabilities, log = writing.target.capabilities, writing.log
    highest = capabilities.temperature_max
    if temperature is not None and highest is not None and temperature > highest:
        log.note("temperature.range", "temperature")
        temperature = highest
    if capabilities.temperature_or_top_p and temperature is not None and top_p is not None:
        log.note("top_p")
        top_p = None
    openai: dict[str, Any] = {"temperature": temperature, "top_p": top_p}
    vendors: dict[str, Any] = {"top_k": request.top_k}
    if not usual:
        for name in _TOKENS:
            openai[name] = getattr(request, name)
        vendors["min_p"] = request.min_p
        vendors["repetition_penalty"] = request.repetition_penalty
    for name, value in openai.items():
        if value is None:
            continue
        if capabilities.sampling != "none":
            body[name] = value
        elif says_something(name, value):
            log.note(name)
    if request.top_logprobs is not None and capabilities.sampling != "none":
        body["top_logprobs"] = request.top_logprobs
    if capabilities.logprobs_form == "integer":
        count = body.pop("top_logprobs", 0)
        if "logprobs" in body:
            body["logprobs"] = (count or 1) if body["logprobs"] else 0
    for name, value in vendors.items():
        if value is None:
            continue
        if writing.target.family == FAMILY and not writing.native:
            log.note(name)
        else:
            body[name] = value


def _write_reasoning(body: Body, request: UnifiedChatRequest, writing: Writing) -> bool:
    """Whether the model will think, as far as is known: it does when it can and nobody said no."""
    capabilities, wanted = writing.target.capabilities, request.reasoning
    on = is_on(wanted)
    thinks = capabilities.thinking_default != "off" if on is None else on
    beside = capabilities.reasoning_with_tools if "tools" in body else None
    if beside == "never":
        writing.log.note("tool.function", "tools")
    if (beside is False and thinks) or (beside == "unasked" and on):
        # Silence must be broken where the model would think unasked: a choice is forced.
        writing.log.note("reasoning.tools", "reasoning")
        body["reasoning_effort"] = "none"
        return False
    if wanted is not None:
        body.update(write_reasoning(wanted, writing))
        if wanted.summary is not None and "reasoning" not in body:
            writing.log.note("reasoning.summary")
    return thinks


def _write_options(body: Body, request: UnifiedChatRequest, writing: Writing) -> None:
    """Members that only OpenAI's dialects have: as the client wrote them."""
    options: dict[str, Any] = {
        "seed": request.seed,
        "verbosity": request.verbosity,
        "modalities": list(request.modalities) or None,
        "audio": request.audio,
        "prediction": request.prediction,
        "moderation": request.moderation,
        "web_search_options": request.web_search,
        "metadata": request.metadata,
        "store": request.store if writing.native else None,
    }
    body.update((name, value) for name, value in options.items() if value is not None)
    if request.store and not writing.native:
        writing.log.note("store")


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
                writing.log.note("user.hash", "user")
                who = sha256(who.encode()).hexdigest()[:32]
            older = "safety_identifier" in refused(writing.target.capabilities)
            body["user" if older else "safety_identifier"] = who
    _write_cache(body, request, writing)
    _write_tier(body, request, writing)


def _write_tier(body: Body, request: UnifiedChatRequest, writing: Writing) -> None:
    known = writing.target.capabilities.service_tiers
    wanted = "fast" if request.speed == "fast" else request.service_tier
    if wanted is None:
        return
    if known is not None:
        tier = known.get(wanted)
        if tier is None and writing.native and wanted in known.values():
            tier = wanted
    else:
        tier = _TIERS.get(wanted, wanted if writing.native else None)
    if tier is None:
        writing.log.note("service_tier")
        return
    if request.speed == "fast":
        writing.log.note("speed")
    body["service_tier"] = tier


def _write_cache(body: Body, request: UnifiedChatRequest, writing: Writing) -> None:
    cache = request.prompt_cache
    key = None if cache is None else cache.key
    if key is None and not writing.native and writing.target.capabilities.cache_breakpoints:
        # One conversation, one key; a random one would never hit (traps.md T19).
        key = request.source.headers.get("x-claude-code-session-id")
    if key is not None:
        body["prompt_cache_key"] = key
    if cache is None:
        return
    options = {"mode": cache.mode, "ttl": cache.ttl}
    known = {name: value for name, value in options.items() if value is not None}
    if known:
        body["prompt_cache_options"] = known
    if cache.retention is not None:
        body["prompt_cache_retention"] = cache.retention
    if cache.auto is not None:
        writing.log.note("prompt_cache")


def _note_elsewhere(request: UnifiedChatRequest, log: LossLog) -> None:
    for name in _ELSEWHERE:
        if getattr(request, name):
            log.note(name)
    for name in request.server_state:
        log.note("server_state", name)
    for dialect, fields in request.extra.items():
        if dialect != NAME and fields:
            log.note("extra", next(iter(fields)))


def _stream_options(request: UnifiedChatRequest, writing: Writing) -> dict[str, bool]:
    """Empty where the vendor sends usage unasked, or refuses to be asked."""
    options: dict[str, bool] = {}
    if writing.target.capabilities.stream_usage in (None, "option"):
        options["include_usage"] = True
        asked = request.stream_options
        if asked is not None and asked.include_obfuscation is not None:
            options["include_obfuscation"] = asked.include_obfuscation
    return options
