"""Events of a Messages stream, as far as they are looked at (anthropic-messages.md §7)."""

import msgspec
from msgspec import Raw, Struct


class Delta(Struct):
    """``delta`` of ``content_block_delta`` and ``message_delta``."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: Raw = Raw()
    content: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw = Raw()
    container: Raw = Raw()


class Event(Struct):
    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Raw = Raw()
    message: dict[str, Raw] | None = None
    usage: dict[str, Raw] | None = None
    error: Raw = Raw()


decode_event = msgspec.json.Decoder(Event).decode


def given(raw: Raw) -> bool:
    """The member was there and not null."""
    return bytes(raw) not in (b"", b"null")
