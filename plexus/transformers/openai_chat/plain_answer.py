"""The usual whole answer: one choice, one text, and nothing beside it; read in one look.

Nothing here is another truth: what is found is what the parser of streams would have found, and a
test holds that for every recorded answer.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from plexus.transformers.base import WireRequest
from plexus.transformers.openai_chat.finish import ERRORS, parse_finish
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.request_parse import TIERS
from plexus.transformers.openai_chat.start import start_filter
from plexus.transformers.openai_chat.usage import parse_usage
from plexus.unified.content import Ext, TextContent
from plexus.unified.request import UnifiedMessage
from plexus.unified.response import Choice, UnifiedChatResponse

_NOTHING = (NULL, Raw(b"[]"))


class _Message(Struct, forbid_unknown_fields=True, kw_only=True):
    role: str | None = None
    content: Annotated[str, Meta(min_length=1)]
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
    fingerprint = seen.system_fingerprint
    ext: Ext = {} if fingerprint == NULL else {NAME: {"system_fingerprint": fingerprint}}
    tier = seen.service_tier
    return UnifiedChatResponse(
        id=seen.id,
        model=seen.model or wire.target.model,
        choices=(
            Choice(
                index=0,
                message=UnifiedMessage(
                    role="assistant", content=(TextContent(text=message.content),)
                ),
                finish=parse_finish(finish, calls=False, refusal=False),
            ),
        ),
        dialect=NAME,
        created=seen.created,
        usage=None if seen.usage == NULL else parse_usage(seen.usage),
        service_tier=None if tier is None else TIERS.get(tier, tier),
        ext=ext,
    )
