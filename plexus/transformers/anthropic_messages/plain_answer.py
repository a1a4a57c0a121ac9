"""The usual whole answer: text, thinking and calls, with their usage; read in one look.

Nothing here is another truth: what is found is what ``parse_any_response`` would have found, and a
test holds that for every recorded answer.
"""

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from plexus.transformers.anthropic_messages.calls import client_call, origin_of
from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.anthropic_messages.finish import parse_finish
from plexus.transformers.anthropic_messages.plain_blocks import (
    ABSENT,
    Call,
    Spoken,
    Text,
    call_of,
    part_of,
    text_of,
)
from plexus.transformers.anthropic_messages.usage import counted
from plexus.transformers.base import WireRequest
from plexus.unified.content import Content, ToolCallContent
from plexus.unified.request import UnifiedMessage
from plexus.unified.response import Choice, UnifiedChatResponse, UnifiedUsage


class _ByLifetime(Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _Details(Struct):
    thinking_tokens: int | None = None


class _Usage(Struct, forbid_unknown_fields=True, kw_only=True):
    input_tokens: int
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _ByLifetime | None = None
    output_tokens: int
    output_tokens_details: _Details | None = None
    server_tool_use: None = None
    service_tier: str | None = None
    inference_geo: Raw = ABSENT


class _Answer(Struct, forbid_unknown_fields=True, kw_only=True):
    """Members stand in Anthropic's order, in which they are found at once."""

    model: str = ""
    id: str = ""
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    content: list[Spoken]
    stop_reason: str
    stop_sequence: str | None = None
    stop_details: None = None
    usage: _Usage
    container: None = None


_answer = msgspec.json.Decoder(_Answer).decode


def plain_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse | None:
    """The response, or None for an answer that says anything else."""
    try:
        seen = _answer(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    blocks, reason, usage = seen.content, seen.stop_reason, seen.usage
    calls = False
    if len(blocks) == 1 and type(only := blocks[0]) is Text:
        content: tuple[Content, ...] = (text_of(only),)
    else:
        content = tuple([_part(block, wire) for block in blocks])
        calls = any(type(part) is ToolCallContent for part in content)
    return UnifiedChatResponse(
        id=seen.id,
        model=seen.model,
        choices=(
            Choice(
                message=UnifiedMessage(role="assistant", content=content),
                finish=parse_finish(reason, seen.stop_sequence, None, calls),
            ),
        ),
        dialect=NAME,
        usage=_counts(usage),
        service_tier=usage.service_tier,
    )


def _part(block: Spoken, wire: WireRequest) -> Content:
    if isinstance(block, Call):
        return client_call(call_of(block), wire)
    return part_of(block, origin_of(wire))


def _counts(seen: _Usage) -> UnifiedUsage:
    split, details = seen.cache_creation, seen.output_tokens_details
    by_ttl: dict[str, int] = {}
    if split is not None:
        if split.ephemeral_5m_input_tokens:
            by_ttl["5m"] = split.ephemeral_5m_input_tokens
        if split.ephemeral_1h_input_tokens:
            by_ttl["1h"] = split.ephemeral_1h_input_tokens
    return counted(
        seen.input_tokens,
        seen.output_tokens,
        seen.cache_read_input_tokens,
        seen.cache_creation_input_tokens,
        by_ttl,
        None if details is None else details.thinking_tokens,
        {},
        {} if seen.inference_geo == ABSENT else {NAME: {"inference_geo": seen.inference_geo}},
    )
