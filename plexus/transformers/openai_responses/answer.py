"""The response object a client gets: its request echoed, and what is known of the answer.

The same object stands in the first and in the last event of a stream (openai-responses.md §4).
"""

from typing import Any

from msgspec import Raw

from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.names import ToolNames
from plexus.transformers.openai_responses.format_parts import Wire, Writing
from plexus.transformers.openai_responses.format_tools import (
    write_choice,
    write_format,
    write_tools,
)
from plexus.transformers.openai_responses.losses import NAME, REQUEST_LOSSES
from plexus.transformers.openai_responses.request_parse import INSTRUCTIONS
from plexus.unified.request import UnifiedChatRequest

_NOBODY = TargetModel(provider="", model="", family="")
_TIERS = {"standard": "default", "standard_only": "default"}
_TIERS |= {t: t for t in ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")}


def format_tier(tier: str | None, dialect: str) -> str | None:
    """The tier in this dialect's words; None when it has none for it."""
    if tier is None:
        return None
    return _TIERS.get(tier, tier if dialect == NAME else None)


def echo(request: UnifiedChatRequest) -> Wire:
    """What a response repeats of its request; nothing of it was stored."""
    writing = Writing(_NOBODY, LossLog(REQUEST_LOSSES), native=True)
    tools: list[Wire | Raw] = []
    choice: Any = "auto"
    if request.tools or request.web_search is not None:
        names = ToolNames(())
        tools = [_whole(tool) for tool in write_tools(request, writing, names)]
        if request.tool_choice is not None and tools:
            choice = write_choice(request, tools, writing, names)
    wanted = request.reasoning
    return {
        "instructions": next((m.text for m in request.messages if m.id == INSTRUCTIONS), None),
        "max_output_tokens": request.max_tokens,
        "max_tool_calls": request.max_tool_calls,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "prompt_cache_key": None if request.prompt_cache is None else request.prompt_cache.key,
        "reasoning": {
            "effort": None if wanted is None else wanted.effort,
            "summary": None if wanted is None else wanted.summary,
        },
        "safety_identifier": request.safety_identifier,
        "store": False,
        "temperature": request.temperature,
        "text": _text(request, writing),
        "tool_choice": choice,
        "tools": tools,
        "top_logprobs": request.top_logprobs or 0,
        "top_p": request.top_p,
        "truncation": request.truncation or "disabled",
        "user": request.user,
        "metadata": request.metadata or {},
    }


def _text(request: UnifiedChatRequest, writing: Writing) -> Wire:
    form: Wire = {"type": "text"}
    if request.response_format is not None:
        form, _ = write_format(request.response_format, writing)
    out: Wire = {"format": form}
    if request.verbosity is not None:
        out["verbosity"] = request.verbosity
    return out


def _whole(tool: Wire | Raw) -> Wire | Raw:
    """The official SDK's type of a function has no default for these two."""
    if isinstance(tool, Raw) or tool["type"] != "function":
        return tool
    return {"parameters": None, "strict": None, **tool}
