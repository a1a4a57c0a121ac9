"""Content blocks of answers to canonical parts (reference/bedrock-vertex.md §3, §4)."""

import base64
import binascii
import contextlib

from msgspec import Raw

from plexus.transformers.anthropic_messages.calls import client_call
from plexus.transformers.anthropic_messages.reader import INTEGER, LIST, OBJECT, STRING, Level
from plexus.transformers.base import WireRequest
from plexus.transformers.bedrock_converse.models import CLAUDE, NAME, family_of
from plexus.transformers.jsontext import compact
from plexus.unified.content import (
    Citation,
    Content,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)

_SERVER_KINDS = {
    "nova_code_interpreter": "code_execution",
    "nova_grounding": "web_search",
}


def server_kind(name: str) -> str:
    """The canonical kind of a tool that the model's own side runs (canonical.md §3.2)."""
    return _SERVER_KINDS.get(name.removesuffix("_result"), name)


def origin_of(wire: WireRequest) -> Origin:
    """Who issued the proofs of an answer."""
    target = wire.target
    return Origin(family_of(target), target.provider, target.model)


def parse_block(raw: Raw, path: str, wire: WireRequest) -> Content | None:
    """One block, None for empty text.  Raises Malformed.

    A block has one member, which names its kind.
    """
    level = Level(raw, path)
    fields = level.fields
    if "text" in fields:
        text = level.need("text", STRING)
        return TextContent(text=text) if text else None
    if "toolUse" in fields:
        return _tool_use(level, raw, wire)
    if "toolResult" in fields:
        return _tool_result(level, raw)
    if "reasoningContent" in fields:
        return _reasoning(level, origin_of(wire))
    if "citationsContent" in fields:
        return _cited(level)
    if "image" in fields:
        return image_part(level)
    return OpaqueContent(dialect=NAME, raw=raw)


def _tool_use(level: Level, raw: Raw, wire: WireRequest) -> Content:
    inner = Level.of(level.need("toolUse", OBJECT), level.where("toolUse"))
    call_id, name = inner.need("toolUseId", STRING), inner.need("name", STRING)
    arguments = compact(inner.raw("input") or b"{}").decode()
    if inner.take("type", STRING) == "server_tool_use":
        return ServerToolCallContent(
            id=call_id,
            tool=server_kind(name),
            name=name,
            dialect=NAME,
            raw=raw,
            arguments=arguments,
        )
    return client_call(ToolCallContent(id=call_id, name=name, arguments=arguments), wire)


def _tool_result(level: Level, raw: Raw) -> Content:
    inner = Level.of(level.need("toolResult", OBJECT), level.where("toolResult"))
    return ServerToolResultContent(
        tool_call_id=inner.need("toolUseId", STRING),
        tool=server_kind(inner.take("type", STRING) or ""),
        dialect=NAME,
        raw=raw,
        is_error=inner.take("status", STRING) == "error",
    )


def _reasoning(level: Level, origin: Origin) -> Content:
    inner = Level.of(level.need("reasoningContent", OBJECT), level.where("reasoningContent"))
    redacted = inner.take("redactedContent", STRING)
    if redacted is not None:
        return ThinkingContent(redacted=True, proof=encrypted(redacted, origin))
    text = Level.of(inner.need("reasoningText", OBJECT), inner.where("reasoningText"))
    return ThinkingContent(
        text=text.take("text", STRING) or "",
        proof=signed(text.take("signature", STRING), origin),
    )


def signed(signature: str | None, origin: Origin) -> Proof | None:
    return Proof(signature, "signature", origin) if signature else None


def encrypted(value: str, origin: Origin) -> Proof:
    """Encrypted thinking.  Claude's is text inside the base64, the very ``data`` of its own API."""
    if origin.family == CLAUDE:
        with contextlib.suppress(binascii.Error, ValueError):
            value = base64.b64decode(value, validate=True).decode("ascii")
    return Proof(value, "encrypted", origin)


def _cited(level: Level) -> Content:
    inner = Level.of(level.need("citationsContent", OBJECT), level.where("citationsContent"))
    text = "".join(_texts(inner, "content"))
    where = inner.where("citations")
    found = inner.take("citations", LIST) or []
    citations = [parse_citation(item, f"{where}[{n}]") for n, item in enumerate(found)]
    return TextContent(text=text, citations=tuple(citations))


def _texts(level: Level, name: str) -> list[str]:
    """The texts of a list of ``{"text": …}``."""
    items = level.take(name, LIST) or []
    path = level.where(name)
    return [Level(raw, f"{path}[{n}]").take("text", STRING) or "" for n, raw in enumerate(items)]


_PLACES = {
    "documentChar": "document_char",
    "documentPage": "document_page",
    "documentChunk": "document_block",
    "searchResultLocation": "search_result",
}


def parse_citation(raw: Raw, path: str) -> Citation:
    """A citation with its bytes kept; offsets are those into the source.  Raises Malformed."""
    level = Level(raw, path)
    quoted = _texts(level, "sourceContent")
    title, source = level.take("title", STRING), level.take("source", STRING)
    location = level.object("location")
    kind, url, index, start, end = "search_result", None, None, None, None
    if location is not None:
        web = location.object("web")
        if web is not None:
            kind, url = "url", web.take("url", STRING)
        for name, canonical in _PLACES.items():
            place = location.object(name)
            if place is not None:
                kind = canonical
                index = place.take("documentIndex", INTEGER)
                start, end = place.take("start", INTEGER), place.take("end", INTEGER)
    return Citation(
        kind,
        url=url,
        title=title,
        cited_text="".join(quoted) or None,
        start=start,
        end=end,
        document_index=index,
        source=source,
        dialect=NAME,
        raw=raw,
    )


def image_part(level: Level) -> Content:
    inner = Level.of(level.need("image", OBJECT), level.where("image"))
    kind = inner.take("format", STRING) or "png"
    source = inner.object("source")
    data = source.take("bytes", STRING) if source is not None else None
    return image_of(kind, data or "")


def image_of(kind: str, data: str) -> ImageContent:
    return ImageContent(source=MediaSource("base64", data=data, media_type=f"image/{kind}"))
