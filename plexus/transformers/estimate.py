"""Tokens of a request without a tokeniser, on the high side (models-embeddings.md §3).

Clients compact early rather than overflow.  Where a request holds something whose size nobody here
can tell (files by id, documents that are not text, sound, state of the provider's), there is no
estimate: an invented number is worse than none (docs/decisions/0022).
"""

import base64
import binascii
from collections.abc import Iterable
from math import ceil

from plexus.unified.content import (
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    RefusalContent,
    SearchResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.request import CustomTool, FunctionTool, UnifiedChatRequest, UnifiedTool

_CHARACTERS = 3.5
"""Of ASCII text in a token."""
_BYTES = 2.5
"""Of other text, in UTF-8: about 1.2 tokens for a Chinese character, 0.8 for a Cyrillic one."""
_JSON = 3.0
_REQUEST = 16
_MESSAGE = 4
_TOOLS = 600
_SCHEMA = 200
"""What vendors tell a model in words of their own: at all, for each message, once for any tools,
and for an answer's schema (measured on recorded requests, docs/decisions/0022)."""
_IMAGE_MIN, _IMAGE_MAX = 260, 1600
_PIXELS = 750
"""Of a picture in a token."""
_HEAD = 64 * 1024
"""Characters of base64 in which a picture says its size."""


class NoEstimate(Exception):
    """Something in the request has no size that can be told from here; ``str()`` names it."""


def estimate(request: UnifiedChatRequest) -> int:
    """Tokens of the prompt, at least 1.  Raises NoEstimate."""
    for name in request.server_state:
        raise NoEstimate(name)
    if request.container is not None:
        raise NoEstimate("container")
    total = float(_REQUEST + (_TOOLS if request.tools else 0))
    for message in request.messages:
        total += _MESSAGE + _parts(message.content)
    for tool in request.tools:
        total += _MESSAGE + _tool(tool)
    if request.mcp_servers is not None:
        raise NoEstimate("mcp_servers")
    if request.response_format is not None and request.response_format.schema is not None:
        total += _SCHEMA + len(request.response_format.schema) / _JSON
    return max(1, ceil(total))


def _parts(parts: Iterable[Content]) -> float:
    return sum(map(_part, parts))


def _part(part: Content) -> float:
    match part:
        case TextContent(text=text) | RefusalContent(text=text):
            return _text(text)
        case ThinkingContent(redacted=False):
            return _text(part.text) or sum(map(_text, part.summary or ()))
        case ToolCallContent():
            return _MESSAGE + _text(part.name) + _json(part.arguments)
        case ToolResultContent():
            return _MESSAGE + _parts(part.content)
        case SearchResultContent():
            return _text(part.source) + _text(part.title) + _parts(part.blocks)
        case DocumentContent(source=None):
            return _text(part.title or "") + _text(part.context or "") + _parts(part.blocks)
        case DocumentContent(source=MediaSource(kind="text", data=data)):
            return _text(part.title or "") + _text(part.context or "") + _text(data)
        case ImageContent(source=source) if source.kind in ("base64", "url"):
            return _image(source)
        case _:
            raise NoEstimate(type(part).__name__.removesuffix("Content").lower())


def _tool(tool: UnifiedTool) -> float:
    match tool:
        case FunctionTool():
            size = _text(tool.name) + _text(tool.description or "")
            return size + (len(tool.parameters) / _JSON if tool.parameters is not None else 0)
        case CustomTool():
            size = _text(tool.name) + _text(tool.description or "")
            return size + (len(tool.format) / _JSON if tool.format is not None else 0)
        case _:
            # The provider describes them to the model in words of its own.
            raise NoEstimate(f"tool {tool.kind}")


def _text(text: str) -> float:
    if text.isascii():
        return len(text) / _CHARACTERS
    plain = len(text.encode("ascii", "ignore"))
    return plain / _CHARACTERS + (len(text.encode("utf-8", "replace")) - plain) / _BYTES


def _json(text: str) -> float:
    return len(text.encode("utf-8", "replace")) / _JSON


def _image(source: MediaSource) -> float:
    """A picture of unknown size counts as the largest."""
    size = picture_size(source.data) if source.kind == "base64" else None
    if size is None:
        return _IMAGE_MAX
    return min(max(size[0] * size[1] / _PIXELS, _IMAGE_MIN), _IMAGE_MAX)


def picture_size(data: str) -> tuple[int, int] | None:
    """Width and height of a PNG, JPEG, GIF or WebP in base64; None when it does not say."""
    try:
        head = base64.b64decode(data[:_HEAD], validate=False)
    except (binascii.Error, ValueError):
        return None
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return _big(head, 16, 4), _big(head, 20, 4)
    if head[:4] == b"GIF8" and len(head) >= 10:
        return _little(head, 6, 2), _little(head, 8, 2)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp(head)
    return _jpeg(head) if head.startswith(b"\xff\xd8") else None


def _webp(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8X":
            return _little(head, 24, 3) + 1, _little(head, 27, 3) + 1
        case b"VP8L":
            bits = _little(head, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return _little(head, 26, 2) & 0x3FFF, _little(head, 28, 2) & 0x3FFF
        case _:
            return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    """The first frame header among the segments."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _big(head, at + 7, 2), _big(head, at + 5, 2)
        at += 2 + _big(head, at + 2, 2)
    return None


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
