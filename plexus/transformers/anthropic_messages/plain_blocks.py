"""The blocks that nearly all messages are made of, read in one look: text, thinking, calls.

Nothing here is another truth: what is read is what content.py would read; a test holds that for
every recorded request and answer.  A block that says anything else fails to decode.
"""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from msgspec import Raw, Struct

from plexus.transformers.anthropic_messages.content import NAME, parse_proof
from plexus.transformers.jsontext import compact
from plexus.unified.content import (
    CacheControl,
    Content,
    Ext,
    Origin,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)

ABSENT = Raw()
_NULL = Raw(b"null")


class Cache(Struct, forbid_unknown_fields=True):
    """``cache_control``."""

    type: str | None = None
    ttl: str | None = None


class Text(Struct, tag="text", forbid_unknown_fields=True):
    text: str
    citations: None = None
    cache_control: Cache | None = None


class OnlyText(Struct, forbid_unknown_fields=True):
    """``Text`` where no other block may stand: there a tag may be missing."""

    type: Literal["text"]
    text: str
    citations: None = None
    cache_control: Cache | None = None


class Thinking(Struct, tag="thinking", forbid_unknown_fields=True):
    thinking: str
    signature: str | None = None


class Call(Struct, tag="tool_use", forbid_unknown_fields=True):
    id: str
    name: str
    input: Raw
    caller: Raw = ABSENT
    cache_control: Cache | None = None


class Result(Struct, tag="tool_result", forbid_unknown_fields=True):
    tool_use_id: str
    content: str | list[OnlyText] | None = None
    is_error: bool | None = None
    cache_control: Cache | None = None


Spoken: TypeAlias = Text | Thinking | Call
"""What an answer is made of; ``Result`` is the client's."""


def part_of(block: Spoken | Result, origin: Origin) -> Content:
    """``origin`` is who issued the proofs."""
    return _READERS[type(block)](block, origin)


def text_of(block: Text | OnlyText) -> TextContent:
    marker = block.cache_control
    if marker is None:
        return TextContent(text=block.text)
    return TextContent(text=block.text, cache_control=cache_of(marker))


def call_of(block: Call) -> ToolCallContent:
    ext: Ext = {} if block.caller == ABSENT else {NAME: {"caller": block.caller}}
    return ToolCallContent(
        id=block.id,
        name=block.name,
        arguments="{}" if block.input == _NULL else compact(block.input).decode(),
        cache_control=cache_of(block.cache_control),
        ext=ext,
    )


def content_of(content: str | list[OnlyText] | None) -> tuple[Content, ...]:
    """A string or a list of texts; absent and null are no content."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextContent(text=content),)
    return tuple([text_of(block) for block in content])


def cache_of(marker: Cache | None) -> CacheControl | None:
    return None if marker is None else CacheControl(marker.type or "ephemeral", marker.ttl)


def _thinking(block: Thinking, origin: Origin) -> ThinkingContent:
    proof = parse_proof(block.signature, "signature", origin)
    return ThinkingContent(text=block.thinking, proof=proof)


def _result(block: Result) -> ToolResultContent:
    return ToolResultContent(
        tool_call_id=block.tool_use_id,
        content=content_of(block.content),
        is_error=block.is_error or False,
        cache_control=cache_of(block.cache_control),
    )


_READERS: dict[type, Callable[[Any, Origin], Content]] = {
    Text: lambda block, origin: text_of(block),
    Call: lambda block, origin: call_of(block),
    Result: lambda block, origin: _result(block),
    Thinking: _thinking,
}
