"""Whole chat answers, wire to unified and back (openai-chat.md §4; mappings.md §13-15)."""

from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.base import WireRequest
from plexus.transformers.ids import base62
from plexus.transformers.losses import LossLog, LossWarning
from plexus.transformers.openai_chat.answer_message import format_message
from plexus.transformers.openai_chat.losses import NAME, RESPONSE_LOSSES
from plexus.transformers.openai_chat.plain_answer import plain_response
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.stream_parser import ChatStreamParser, empty
from plexus.transformers.openai_chat.usage import format_usage
from plexus.unified.errors import PlexusError, UnifiedError, UpstreamDetail
from plexus.unified.fold import fold
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import UnifiedChatResponse

Wire = dict[str, Any]
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_TIERS = {"auto": "auto", "standard": "default", "standard_only": "default"}
_TIERS |= {tier: tier for tier in ("default", "flex", "scale", "priority", "fast")}


def parse_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    """Raises PlexusError for an error in a 200, an empty completion, or a foreign body."""
    return plain_response(body, wire) or parse_any_response(body, wire)


def parse_any_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    """As ``parse_response``, by way of the parser of streams."""
    parser = ChatStreamParser(wire)
    provider = wire.target.provider
    try:
        response = fold(parser.read(_members(body), whole=True) + parser.finish())
    except msgspec.DecodeError as problem:
        raise PlexusError(not_chat(body, problem, provider)) from None
    if all(not c.message.content and c.finish.raw is None for c in response.choices):
        raise PlexusError(empty(provider))
    return response


def not_chat(body: bytes, problem: msgspec.DecodeError, provider: str = "") -> UnifiedError:
    """The error for a 200 that is no chat answer; a foreign page is not echoed (C16)."""
    start = body[:200].lstrip().lower()
    said = "an HTML page" if start.startswith(b"<") else f"what is not a chat answer: {problem}"
    return UnifiedError(
        kind="upstream",
        message=f"{provider or 'the provider'} sent {said}",
        code="upstream_error",
        upstream=UpstreamDetail(provider=provider, status=200),
    )


def answer_id(response_id: str, dialect: str, request_id: str) -> str:
    """The provider's id when it is a chat id, else one made from it, or from the request's."""
    if dialect == NAME and response_id:
        return response_id
    if response_id.startswith("chatcmpl-"):
        return response_id
    return f"chatcmpl-{response_id or request_id or base62(dialect)}"


def format_tier(tier: str | None, dialect: str) -> str | None:
    """The tier in chat's words; None when it has none for it."""
    if tier is None:
        return None
    return _TIERS.get(tier, tier if dialect == NAME else None)


def format_response(
    response: UnifiedChatResponse, request: UnifiedChatRequest
) -> tuple[bytes, tuple[LossWarning, ...]]:
    """A ``chat.completion`` for the client."""
    log = LossLog(RESPONSE_LOSSES)
    native = response.dialect == NAME
    out: Wire = {
        "id": answer_id(response.id, response.dialect, request.source.request_id),
        "object": "chat.completion",
        "created": response.created or request.source.received,
        "model": response.model or request.model,
        "choices": [
            format_message(choice, request, log, response.dialect) for choice in response.choices
        ],
    }
    if response.usage is not None:
        out["usage"] = format_usage(response.usage)
    tier = format_tier(response.service_tier, response.dialect)
    if tier is not None:
        out["service_tier"] = tier
    elif response.service_tier is not None:
        log.note("response.service_tier")
    for dialect, fields in response.ext.items():
        if dialect == NAME and native:
            out.update((k, v) for k, v in fields.items() if k not in out and v != NULL)
        elif "container" in fields:
            log.note("response.container")
        elif fields:
            log.note("response.extra")
    return msgspec.json.encode(out), log.warnings
