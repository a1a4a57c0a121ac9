"""The dialect ``gemini`` (generateContent), as client and as provider."""

from plexus.streaming.framing import Decoder, Encoder
from plexus.transformers.base import (
    TRACING,
    Headers,
    StreamFormatter,
    StreamObserver,
    StreamParser,
    WireRequest,
)
from plexus.transformers.gemini.errors import format_error, format_stream_error, parse_error
from plexus.transformers.gemini.facts import ASKED_TOOLS, SERVER_TOOLS, request_facts
from plexus.transformers.gemini.framing import GeminiDecoder, sse_encoder
from plexus.transformers.gemini.losses import (
    REQUEST_FIELDS,
    REQUEST_LOSSES,
    RESPONSE_FIELDS,
    RESPONSE_LOSSES,
)
from plexus.transformers.gemini.names import FAMILY as _FAMILY
from plexus.transformers.gemini.names import NAME as _NAME
from plexus.transformers.gemini.observe import (
    GeminiStreamObserver,
    observe_response,
    rename_model,
)
from plexus.transformers.gemini.passthrough import passthrough
from plexus.transformers.gemini.request_format import format_request
from plexus.transformers.gemini.request_parse import parse_request
from plexus.transformers.gemini.response import format_response, parse_response
from plexus.transformers.gemini.stream_formatter import GeminiStreamFormatter
from plexus.transformers.gemini.stream_parser import GeminiStreamParser
from plexus.unified.request import UnifiedChatRequest

NAME: str = _NAME
FAMILY: str = _FAMILY
FORWARDED_HEADERS: frozenset[str] = TRACING

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


def authorize(secret: str) -> Headers:
    """A header, never ``?key=``: addresses end up in logs."""
    return (("x-goog-api-key", secret),)


def stream_parser(wire: WireRequest) -> StreamParser:
    return GeminiStreamParser(wire)


def stream_formatter(request: UnifiedChatRequest) -> StreamFormatter:
    return GeminiStreamFormatter(request)


def stream_observer() -> StreamObserver:
    return GeminiStreamObserver()


def decoder() -> Decoder:
    return GeminiDecoder()


def encoder() -> Encoder:
    """Events; a client that asked for an array brings an encoder with its call."""
    return sse_encoder()
