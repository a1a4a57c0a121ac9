"""The dialect ``openai-chat``: OpenAI Chat Completions, as client and as provider.

Field truth is in reference/openai-chat.md, vendors' forms of it in vendors.md, what is lost in
``losses.py``.
"""

from plexus.streaming.framing import Decoder, Encoder
from plexus.streaming.sse import SSEDecoder, SSEEncoder
from plexus.transformers.base import (
    StreamFormatter,
    StreamObserver,
    StreamParser,
    WireRequest,
)
from plexus.transformers.openai_chat.errors import format_error, format_stream_error, parse_error
from plexus.transformers.openai_chat.facts import ASKED_TOOLS, SERVER_TOOLS, request_facts
from plexus.transformers.openai_chat.headers import FORWARDED_HEADERS, authorize
from plexus.transformers.openai_chat.losses import (
    FAMILY,
    NAME,
    REQUEST_FIELDS,
    REQUEST_LOSSES,
    RESPONSE_FIELDS,
    RESPONSE_LOSSES,
)
from plexus.transformers.openai_chat.observe import ChatObserver, observe_response, rename_model
from plexus.transformers.openai_chat.request_format import format_request, passthrough
from plexus.transformers.openai_chat.request_parse import parse_request
from plexus.transformers.openai_chat.response import format_response, parse_response
from plexus.transformers.openai_chat.stream_formatter import ChatStreamFormatter
from plexus.transformers.openai_chat.stream_parser import ChatStreamParser
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
    return ChatStreamParser(wire)


def stream_formatter(request: UnifiedChatRequest) -> StreamFormatter:
    return ChatStreamFormatter(request)


def stream_observer() -> StreamObserver:
    return ChatObserver()


def decoder() -> Decoder:
    return SSEDecoder()


def encoder() -> Encoder:
    return SSEEncoder()
