"""The dialect ``bedrock-converse``: Converse and ConverseStream of Amazon Bedrock.

A provider's dialect only: no client speaks it, so it has no endpoint (``base.ProviderDialect``).
"""

from plexus.streaming.eventstream import EventStreamDecoder, EventStreamEncoder
from plexus.streaming.framing import Decoder, Encoder
from plexus.transformers.base import Headers, StreamParser, WireRequest
from plexus.transformers.bedrock_converse.errors import parse_error
from plexus.transformers.bedrock_converse.losses import REQUEST_LOSSES, RESPONSE_FIELDS
from plexus.transformers.bedrock_converse.models import FAMILY as _FAMILY
from plexus.transformers.bedrock_converse.models import NAME as _NAME
from plexus.transformers.bedrock_converse.request_format import format_request
from plexus.transformers.bedrock_converse.response import parse_response
from plexus.transformers.bedrock_converse.stream_parser import ConverseStreamParser

NAME: str = _NAME
FAMILY: str = _FAMILY
SERVER_TOOLS: frozenset[str] = frozenset()

__all__ = [
    "FAMILY",
    "NAME",
    "REQUEST_LOSSES",
    "RESPONSE_FIELDS",
    "SERVER_TOOLS",
    "authorize",
    "decoder",
    "encoder",
    "format_request",
    "parse_error",
    "parse_response",
    "stream_parser",
]


def authorize(secret: str) -> Headers:
    """A Bedrock API key (``AWS_BEARER_TOKEN_BEDROCK``); a signature is a credential of its own."""
    return (("authorization", f"Bearer {secret}"),)


def stream_parser(wire: WireRequest) -> StreamParser:
    return ConverseStreamParser(wire)


def decoder() -> Decoder:
    return EventStreamDecoder()


def encoder() -> Encoder:
    return EventStreamEncoder()
