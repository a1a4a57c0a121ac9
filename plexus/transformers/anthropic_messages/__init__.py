"""The dialect ``anthropic-messages``, as client and as provider."""

from plexus.streaming.framing import Decoder, Encoder
from plexus.streaming.sse import SSEEncoder
from plexus.transformers.anthropic_messages.content import NAME as _NAME
from plexus.transformers.anthropic_messages.errors import (
    format_error,
    format_stream_error,
    parse_error,
)
from plexus.transformers.anthropic_messages.facts import ASKED_TOOLS, SERVER_TOOLS, request_facts
from plexus.transformers.anthropic_messages.framing import MessagesDecoder
from plexus.transformers.anthropic_messages.headers import FORWARDED_HEADERS, authorize
from plexus.transformers.anthropic_messages.losses import (
    REQUEST_FIELDS,
    REQUEST_LOSSES,
    RESPONSE_FIELDS,
    RESPONSE_LOSSES,
)
from plexus.transformers.anthropic_messages.observe import (
    AnthropicStreamObserver,
    observe_response,
    rename_model,
)
from plexus.transformers.anthropic_messages.passthrough import passthrough
from plexus.transformers.anthropic_messages.request_format import format_request
from plexus.transformers.anthropic_messages.request_parse import parse_request
from plexus.transformers.anthropic_messages.response import format_response, parse_response
from plexus.transformers.anthropic_messages.stream_formatter import AnthropicStreamFormatter
from plexus.transformers.anthropic_messages.stream_parser import AnthropicStreamParser
from plexus.transformers.base import StreamFormatter, StreamObserver, StreamParser, WireRequest
from plexus.unified.request import UnifiedChatRequest

NAME: str = _NAME
FAMILY: str = "anthropic"

__all__ = [
    "ASKED_TOOLS",
    "FAMILY",
    "FORWARDED_HEADERS",
    "NAME",
    "REQUEST_FIELDS",
    "REQUEST_LOSSES",
    "RESPONSE_FIELDS",
    "RESPONSE_LOSSES",
    "SERVER_TOOLS",
    "authorize",
    "decoder",
    "encoder",
    "format_error",
    "format_request",
    "format_response",
    "format_stream_error",
    "observe_response",
    "parse_error",
    "parse_request",
    "parse_response",
    "passthrough",
    "rename_model",
    "request_facts",
    "stream_formatter",
    "stream_observer",
    "stream_parser",
]


def stream_parser(wire: WireRequest) -> StreamParser:
    return AnthropicStreamParser(wire)


def stream_formatter(request: UnifiedChatRequest) -> StreamFormatter:
    return AnthropicStreamFormatter(request)


def stream_observer() -> StreamObserver:
    return AnthropicStreamObserver()


def decoder() -> Decoder:
    return MessagesDecoder()


def encoder() -> Encoder:
    """Only named events reach this dialect's SDKs, so a keep-alive is a ``ping``."""
    return SSEEncoder(b'event: ping\ndata: {"type":"ping"}\n\n')
