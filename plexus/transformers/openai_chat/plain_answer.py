"""The usual whole answer: one choice with a text, with calls, or both; read in one look.

Nothing here is another truth: what is found is what the parser of streams would have found, and a
test holds that for every recorded answer.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from plexus.transformers.base import WireRequest
from plexus.transformers.jsontext import two_values
from plexus.transformers.openai_chat.call_parser import HARMONY
from plexus.transformers.openai_chat.finish import ERRORS, parse_finish
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.request_parse import TIERS
from plexus.transformers.openai_chat.start import start_filter
from plexus.transformers.openai_chat.usage import parse_usage
from plexus.unified.content import Content, Ext, TextContent, ToolCallContent
from plexus.unified.request import UnifiedMessage
from plexus.unified.response import Choice, UnifiedChatResponse

_NOTHING = (NULL, Raw(b"[]"))


class _Function(Struct):
    name: Annotated[str, Meta(min_length=1)]
    arguments: str


class _Call(Struct, forbid_unknown_fields=True, kw_only=True):
    index: int | None = None
    """Mistral's; it says nothing."""
    id: Annotated[str, Meta(min_length=1)]
    type: Literal["function"] = "function"
    function: _Function


class _Message(Struct, forbid_unknown_fields=True, kw_only=True):
    role: str | None = None
    content: str | None = None
    tool_calls: list[_Call] | None = None
    refusal: None = None
    annotations: Raw = NULL


class _Choice(Struct, forbid_unknown_fields=True, kw_only=True):
    index: Annotated[int, Meta(ge=0, le=0)] = 0
    message: _Message
    logprobs: None = None
    finish_reason: Annotated[str, Meta(min_length=1)]


class _Answer(Struct, forbid_unknown_fields=True, kw_only=True):
    """Members stand in OpenAI's order, in which they are found at once."""

    id: str = ""
    object: Raw = NULL
    created: int = 0
    model: str = ""
    choices: tuple[_Choice]
    usage: Raw
    service_tier: str | None = None
    system_fingerprint: Raw = NULL


_answer = msgspec.json.Decoder(_Answer).decode


def plain_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse | None:
    """The response, or None for an answer that says anything else."""
    try:
        seen = _answer(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    choice = seen.choices[0]
    message, finish = choice.message, choice.finish_reason
    if finish in ERRORS or message.annotations not in _NOTHING or start_filter(wire) is not None:
        return None
    content = _content(message, wire)
    if not content:
        return None
    fingerprint = seen.system_fingerprint
    ext: Ext = {} if fingerprint == NULL else {NAME: {"system_fingerprint": fingerprint}}
    tier = seen.service_tier
    return UnifiedChatResponse(
        id=seen.id,
        model=seen.model or wire.target.model,
        choices=(
            Choice(
                index=0,
                message=UnifiedMessage(role="assistant", content=content),
                finish=parse_finish(finish, calls=bool(message.tool_calls), refusal=False),
            ),
        ),
        dialect=NAME,
        created=seen.created,
        usage=None if seen.usage == NULL else parse_usage(seen.usage),
        service_tier=None if tier is None else TIERS.get(tier, tier),
        ext=ext,
    )


def _content(message: _Message, wire: WireRequest) -> tuple[Content, ...]:
    """The parts; none for calls that need a closer look."""
    parts: list[Content] = [TextContent(text=message.content)] if message.content else []
    if not message.tool_calls:
        return tuple(parts)
    if wire.custom_tools:
        return ()
    ids: set[str] = set()
    for call in message.tool_calls:
        name, arguments = call.function.name, call.function.arguments
        if call.id in ids or HARMONY in name or two_values(arguments):
            return ()
        ids.add(call.id)
        name = wire.tool_names.get(name, name)
        parts.append(ToolCallContent(id=call.id, name=name, arguments=arguments))
    return tuple(parts)
