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
from plexus.transformers.openai_chat.evidence import truthy
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.request_parse import TIERS
from plexus.transformers.openai_responses.errors import error_in, failed_error, not_responses
from plexus.transformers.openai_responses.finish import FAILED
from plexus.transformers.openai_responses.losses import NAME
from plexus.transformers.openai_responses.output import ItemParser
from plexus.transformers.openai_responses.stream_formatter import (
    broken,
    without_frames,
)
from plexus.transformers.openai_responses.stream_parser import (
    chat_logprobs,
    created_of,
    ext_of_response,
    finish_of,
    logprobs_of,
    text_of,
    without_tokens,
)
from plexus.transformers.openai_responses.usage import parse_usage
from plexus.transformers.openai_responses.whole import write_whole
from plexus.unified.chunks import PartStart
from plexus.unified.content import Content, TextContent, ToolCallContent
from plexus.unified.errors import PlexusError
from plexus.unified.fold import unfold
from plexus.unified.request import UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, UnifiedChatResponse

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_raws = msgspec.json.Decoder(list[Raw] | None).decode
_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode


def parse_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    """Raises PlexusError for an error in a 200, an empty completion, or a foreign body."""
    provider = wire.target.provider
    try:
        fields = _members(body)
        if "output" not in fields:
            error = error_in(fields, provider)
            raise PlexusError(error or not_responses(body, "it has no output", provider))
        return _read(fields, wire)
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise PlexusError(not_responses(body, problem, provider)) from None


def _read(response: dict[str, Raw], wire: WireRequest) -> UnifiedChatResponse:
    """A whole answer: what ``fold(ResponsesStreamParser.finish(response))`` gives.

    Raises PlexusError for an answer that is an error.
    """
    status = text_of(response.get("status")) or "completed"
    error = response.get("error", NULL)
    if status == "failed" or (error != NULL and truthy(error)):
        raise PlexusError(failed_error(response, wire.target.provider))
    parser = ItemParser(wire)
    parser.seed = text_of(response.get("id"))
    content, tokens = _read_output(response["output"], parser)
    tier = text_of(response.get("service_tier"))
    ext = ext_of_response(response)
    return UnifiedChatResponse(
        id=parser.seed,
        model=text_of(response.get("model")) or wire.target.model,
        choices=(
            Choice(
                index=0,
                message=UnifiedMessage(role="assistant", content=tuple(content)),
                finish=finish_of(response, status, parser),
                logprobs=chat_logprobs(tokens) if tokens else None,
            ),
        ),
        dialect=NAME,
        created=created_of(response.get("created_at")),
        usage=parse_usage(response.get("usage")),
        service_tier=TIERS.get(tier, tier) if tier else None,
        ext={NAME: ext} if ext else {},
    )


def _read_output(output: Raw, parser: ItemParser) -> tuple[list[Content], list[Raw]]:
    """The parts, and the log-probabilities of their texts."""
    content: list[Content] = []
    tokens: list[Raw] = []
    objects: list[dict[str, Raw]] = []
    for number, raw in enumerate(_raws(output) or ()):
        usual = parser.usual_parts(raw)
        if usual is not None:
            content += usual
            continue
        fields = (objects := objects or _objects(output))[number]
        for part in parser.parts(text_of(fields.get("type")), fields):
            if isinstance(part, TextContent) and part.ext:
                part, found = without_tokens(part)
                tokens += logprobs_of(found)
            content.append(part)
    return content, tokens


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
