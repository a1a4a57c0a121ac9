"""Events of a Responses stream, as far as they are looked at (openai-responses.md §5)."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from plexus.unified.fold import SUMMARY_LIMIT

TERMINAL = frozenset(
    {"response.completed", "response.incomplete", "response.cancelled", "response.done"}
)
"""Ends of a stream that is no failure; ``response.done`` is what some vendors call it."""


Index: TypeAlias = Annotated[int, Meta(ge=0, lt=SUMMARY_LIMIT)]
"""A place in a list that is made as long as the provider says."""


class Event(Struct):
    """Members are raw where vendors give them other types than OpenAI does."""

    type: str = ""
    output_index: int | None = None
    item_id: str | None = None
    content_index: Index = 0
    summary_index: Index = 0
    delta: Raw = Raw()
    text: str | None = None
    refusal: str | None = None
    arguments: Raw = Raw()
    input: str | None = None
    logprobs: Raw = Raw()
    annotation: Raw = Raw()
    part: Raw = Raw()
    item: dict[str, Raw] | None = None
    response: dict[str, Raw] | None = None
    error: Raw = Raw()


decode_event = msgspec.json.Decoder(Event).decode


def given(raw: Raw) -> bool:
    """The member was there and not null."""
    return bytes(memoryview(raw)[:4]) not in (b"", b"null")
