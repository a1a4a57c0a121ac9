"""The dialect ``openai-responses``: OpenAI Responses, as client and as provider.

Field truth is in reference/openai-responses.md, what is lost in ``losses.py``.  What OpenAI's two
dialects share (errors, media, names, schemas) is chat's.
"""

from plexus.streaming.framing import Decoder, Encoder
from plexus.streaming.sse import SSEDecoder, SSEEncoder
from plexus.transformers.base import (
    StreamFormatter,
    StreamObserver,
    StreamParser,
    WireRequest,
)
from plexus.transformers.openai_responses.errors import (
    format_error,
    format_stream_error,
    parse_error,
)
from plexus.transformers.openai_responses.facts import ASKED_TOOLS, SERVER_TOOLS, request_facts
from plexus.transformers.openai_responses.headers import FORWARDED_HEADERS, authorize
from plexus.transformers.openai_responses.losses import (
    FAMILY,
    NAME,
    REQUEST_FIELDS,
    REQUEST_LOSSES,
    RESPONSE_FIELDS,
    RESPONSE_LOSSES,
)
from plexus.transformers.openai_responses.observe import (
    ResponsesObserver,
    observe_response,
    rename_model,
)
from plexus.transformers.openai_responses.passthrough import passthrough
from plexus.transformers.openai_responses.request_format import format_request
from plexus.transformers.openai_responses.request_parse import parse_request
from plexus.transformers.openai_responses.response import format_response, parse_response
from plexus.transformers.openai_responses.stream_formatter import ResponsesStreamFormatter
from plexus.transformers.openai_responses.stream_parser import ResponsesStreamParser
from plexus.unified.request import UnifiedChatRequest

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
    return ResponsesStreamParser(wire)


def stream_formatter(request: UnifiedChatRequest) -> StreamFormatter:
    return ResponsesStreamFormatter(request)


def stream_observer() -> StreamObserver:
    return ResponsesObserver()


def decoder() -> Decoder:
    return SSEDecoder()


def encoder() -> Encoder:
    return SSEEncoder()
