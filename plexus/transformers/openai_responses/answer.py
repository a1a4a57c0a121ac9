"""The response object a client gets: its request echoed, and what is known of the answer.

The same object stands in the first and in the last event of a stream (openai-responses.md §4).
"""

from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.anthropic_messages.estimate import CHARACTERS_PER_TOKEN, estimate_prompt
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.names import ToolNames
from plexus.transformers.openai_responses.finish import APPROXIMATED, format_finish
from plexus.transformers.openai_responses.format_parts import Wire, Writing
from plexus.transformers.openai_responses.format_tools import (
    write_choice,
    write_format,
    write_tools,
)
from plexus.transformers.openai_responses.ids import response_id
from plexus.transformers.openai_responses.items import own_name
from plexus.transformers.openai_responses.losses import NAME, REQUEST_LOSSES
from plexus.transformers.openai_responses.request_parse import INSTRUCTIONS
from plexus.transformers.openai_responses.usage import format_usage
from plexus.unified.chunks import MessageStart
from plexus.unified.content import Ext, TextContent, ToolCallContent
from plexus.unified.request import CustomTool, FunctionTool, UnifiedChatRequest
from plexus.unified.response import Finish, UnifiedChatResponse, UnifiedUsage

_NOBODY = TargetModel(provider="", model="", family="")


class _Tokens(msgspec.Struct):
    content: list[Raw] | None = None


_tokens = msgspec.json.Decoder(_Tokens | None).decode
_SILENT = Raw(b'{"effort":null,"summary":null}')
_NOTHING = Raw(b"{}")
_PLAIN: tuple[Any, Any, Any] = ((), "auto", Raw(b'{"format":{"type":"text"}}'))
"""``tools``, ``tool_choice`` and ``text`` of a request that says nothing of them."""

_TIERS = {"standard": "default", "standard_only": "default"}
_TIERS |= {t: t for t in ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")}


def format_tier(tier: str | None, dialect: str) -> str | None:
    """The tier in this dialect's words; None when it has none for it."""
    if tier is None:
        return None
    return _TIERS.get(tier, tier if dialect == NAME else None)


def opening(
    start: MessageStart | UnifiedChatResponse, request: UnifiedChatRequest, log: LossLog
) -> Wire:
    """The response as it begins, with its request echoed; nothing of that was stored."""
    native = start.dialect == NAME
    tier = format_tier(start.service_tier, start.dialect)
    if tier is None and start.service_tier is not None:
        log.note("response.service_tier")
    tools, choice, text = _PLAIN
    if request.tools or request.web_search is not None:
        tools, choice = _tools(request)
    if request.response_format is not None or request.verbosity is not None:
        text = _text(request)
    wanted, cache = request.reasoning, request.prompt_cache
    head: Wire = {
        "id": response_id(start.id or request.source.request_id, start.dialect),
        "object": "response",
        "created_at": start.created or request.source.received,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": _instructions(request),
        "max_output_tokens": request.max_tokens,
        "max_tool_calls": request.max_tool_calls,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "prompt_cache_key": None if cache is None else cache.key,
        "reasoning": _SILENT
        if wanted is None
        else {"effort": wanted.effort, "summary": wanted.summary},
        "safety_identifier": request.safety_identifier,
        "store": False,
        "temperature": request.temperature,
        "text": text,
        "tool_choice": choice,
        "tools": tools,
        "top_logprobs": request.top_logprobs or 0,
        "top_p": request.top_p,
        "truncation": request.truncation or "disabled",
        "user": request.user,
        "metadata": request.metadata or _NOTHING,
        "model": start.model or request.model,
        "service_tier": tier or "default",
        "output": [],
        "usage": None,
    }
    if start.ext:
        note_ext(head, start.ext, native, log)
    return head


def note_ext(head: Wire, ext: Ext, native: bool, log: LossLog) -> None:
    """What only the provider's dialect says about its answer: into ``head``, or lost."""
    for dialect, fields in ext.items():
        if dialect == NAME and native:
            head.update(fields)
        elif "container" in fields:
            log.note("response.container")
        elif fields:
            log.note("response.extra")


def note_finish(finish: Finish, native: bool, log: LossLog) -> None:
    """What of the end has no word here."""
    if finish.reason in APPROXIMATED and not native:
        log.note("response.finish")
    if finish.stop_sequence is not None:
        log.note("response.stop_sequence")


def complete(
    head: Wire,
    items: list[Wire | Raw],
    finish: Finish,
    usage: UnifiedUsage,
    refused: bool,
    native: bool,
) -> Wire:
    """``head``, which is changed, as the finished response.

    ``refused``: the output says it in words.  The last message of an answer that was cut is
    incomplete; a provider of this dialect (``native``) has said so itself.
    """
    end = format_finish(finish, refused, native)
    if end["status"] == "incomplete" and items and not native:
        last = items[-1]
        if isinstance(last, dict) and last["type"] == "message":
            items[-1] = {**last, "status": "incomplete"}
    head.update(end)
    head["output"] = items
    head["usage"] = format_usage(usage)
    return head


def is_readable(request: UnifiedChatRequest) -> bool:
    """Whether the client wants to see reasoning; without that it gets the proofs alone."""
    return request.reasoning is None or request.reasoning.include is not False


class CallNames:
    """The client's own names of what is called: namespace and name."""

    def __init__(self, request: UnifiedChatRequest) -> None:
        self._grouped = {
            tool.name: (tool.namespace, own_name(tool.name, tool.namespace))
            for tool in request.tools
            if isinstance(tool, FunctionTool | CustomTool) and tool.namespace is not None
        }

    def __call__(self, part: ToolCallContent) -> tuple[str | None, str]:
        if part.namespace is not None:
            return part.namespace, own_name(part.name, part.namespace)
        return self._grouped.get(part.name, (None, part.name))


def note_citations(part: TextContent, log: LossLog) -> None:
    for citation in part.citations:
        if citation.dialect != NAME and citation.url is None and citation.file_id is None:
            log.note("response.citations")


def tokens_of(raw: Raw) -> list[Raw]:
    """Log-probabilities in chat's form, token by token."""
    try:
        found = _tokens(raw)
    except msgspec.ValidationError:
        return []
    return [] if found is None else found.content or []


def estimated(request: UnifiedChatRequest, characters: int) -> UnifiedUsage:
    """Counts for an answer of so many characters whose provider reported none."""
    prompt = estimate_prompt(request)
    output = -(-characters // CHARACTERS_PER_TOKEN)
    return UnifiedUsage(
        prompt_tokens=prompt,
        completion_tokens=output,
        total_tokens=prompt + output,
        estimated=True,
    )


def _instructions(request: UnifiedChatRequest) -> str | None:
    for message in request.messages:
        if message.id == INSTRUCTIONS:
            return message.text
    return None


def _tools(request: UnifiedChatRequest) -> tuple[Any, Any]:
    """``tools`` and ``tool_choice``."""
    writing = _to_nobody()
    names = ToolNames(())
    tools = [_whole(tool) for tool in write_tools(request, writing, names)]
    choice: Any = "auto"
    if request.tool_choice is not None and tools:
        choice = write_choice(request, tools, writing, names)
    return tools, choice


def _text(request: UnifiedChatRequest) -> Wire:
    form: Wire = {"type": "text"}
    if request.response_format is not None:
        form, _ = write_format(request.response_format, _to_nobody())
    out: Wire = {"format": form}
    if request.verbosity is not None:
        out["verbosity"] = request.verbosity
    return out


def _to_nobody() -> Writing:
    """The client's own words, whose losses are nobody's."""
    return Writing(_NOBODY, LossLog(REQUEST_LOSSES), native=True)


def _whole(tool: Wire | Raw) -> Wire | Raw:
    """The official SDK's type of a function has no default for these two."""
    if isinstance(tool, Raw) or tool["type"] != "function":
        return tool
    return {"parameters": None, "strict": None, **tool}
