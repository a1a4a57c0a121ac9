"""Whole answers, both ways (openai-responses.md §4).

What an answer says is what the last event of a stream would say, so that JSON and streams cannot
drift apart.  The usual one is written without the events before it (``whole.py``), and every one is
read without chunks; tests hold that both say the same.
"""

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.base import WireRequest
from plexus.transformers.losses import LossWarning
from plexus.transformers.openai_responses.errors import error_in, not_responses
from plexus.transformers.openai_responses.finish import FAILED
from plexus.transformers.openai_responses.stream_formatter import (
    broken,
    without_frames,
)
from plexus.transformers.openai_responses.stream_parser import ResponsesStreamParser
from plexus.transformers.openai_responses.whole import write_whole
from plexus.unified.chunks import PartStart
from plexus.unified.content import ToolCallContent
from plexus.unified.errors import PlexusError
from plexus.unified.fold import unfold
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import UnifiedChatResponse

_members = msgspec.json.Decoder(dict[str, Raw]).decode


def parse_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    """Raises PlexusError for an error in a 200, an empty completion, or a foreign body."""
    provider = wire.target.provider
    try:
        fields = _members(body)
        if "output" not in fields:
            error = error_in(fields, provider)
            raise PlexusError(error or not_responses(body, "it has no output", provider))
        return ResponsesStreamParser(wire).whole(fields)
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise PlexusError(not_responses(body, problem, provider)) from None


def format_response(
    response: UnifiedChatResponse, request: UnifiedChatRequest
) -> tuple[bytes, tuple[LossWarning, ...]]:
    """A ``response`` object for the client.

    Raises PlexusError for an answer that ended in an error.
    """
    if response.choices and response.choices[0].finish.reason in FAILED:
        raise PlexusError(broken())
    return write_whole(response, request) or by_stream(response, request)


def by_stream(
    response: UnifiedChatResponse, request: UnifiedChatRequest
) -> tuple[bytes, tuple[LossWarning, ...]]:
    """The ``response`` object of any answer, as the last event of a stream that nobody reads."""
    formatter = without_frames(request)
    parts = [part for choice in response.choices for part in choice.message.content]
    for chunk in unfold(response):
        if isinstance(chunk, PartStart) and isinstance(chunk.part, ToolCallContent):
            # The proof of a call stands before it where it is known in time (mappings.md §12).
            signed = replace(chunk.part, proof=parts[chunk.index].proof)
            chunk = PartStart(chunk.index, signed, chunk.choice)
        formatter.feed(chunk)
    return msgspec.json.encode(formatter.response), formatter.log.warnings
