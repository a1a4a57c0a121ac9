"""Content blocks of requests and responses to canonical parts (anthropic-messages.md §4, §6)."""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from plexus.transformers.anthropic_messages.reader import (
    BOOLEAN,
    CONTENT,
    INTEGER,
    LIST,
    STRING,
    Level,
    Malformed,
)
from plexus.transformers.jsontext import compact
from plexus.transformers.openai_chat.media import parse_base64, parse_url
from plexus.transformers.proofs import is_envelope, open_envelope
from plexus.unified.content import (
    CacheControl,
    Citation,
    CompactionContent,
    Content,
    DocumentContent,
    Ext,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    ProofKind,
    SearchResultContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.errors import PlexusError

NAME: Final = "anthropic-messages"

_SERVER_KINDS = (
    ("web_search", "web_search"),
    ("web_fetch", "web_fetch"),
    ("bash_code_execution", "code_execution"),
    ("text_editor_code_execution", "code_execution"),
    ("code_execution", "code_execution"),
    ("tool_search", "tool_search"),
    ("advisor", "advisor"),
    ("mcp", "mcp"),
)

CITATION_KINDS = {
    "char_location": "document_char",
    "page_location": "document_page",
    "content_block_location": "document_block",
    "web_search_result_location": "url",
    "search_result_location": "search_result",
}


def server_kind(name: str) -> str:
    """The canonical kind of a server tool's type or name (canonical.md §3.2)."""
    for prefix, kind in _SERVER_KINDS:
        if name.startswith(prefix):
            return kind
    return name


def parse_content(raw: Raw | None, path: str, origin: Origin) -> tuple[Content, ...]:
    """A string or a list of blocks; absent and null are no content.  Raises Malformed."""
    if raw is None:
        return ()
    try:
        value = CONTENT.decode(raw)
    except msgspec.MsgspecError:
        raise Malformed(path, CONTENT.expected) from None
    if value is None:
        return ()
    if isinstance(value, str):
        return (TextContent(text=value),)
    return tuple(
        [parse_block(block, f"{path}[{index}]", origin) for index, block in enumerate(value)]
    )


def parse_block(raw: Raw, path: str, origin: Origin) -> Content:
    """One block; ``origin`` is who issued the proofs in it.  Raises Malformed."""
    level = Level(raw, path)
    kind = level.take("type", STRING)
    if kind is None:
        raise Malformed(f"{path}.type", "the field is required")
    parser = _PARSERS.get(kind)
    if parser is not None:
        return parser(level, raw, origin)
    return _verbatim(level, raw, kind)


def unknown(level: Level) -> Ext:
    """The members nobody took, kept for this dialect."""
    return {NAME: level.fields} if level.fields else {}


def parse_cache(level: Level, keep: dict[str, Raw]) -> CacheControl | None:
    """``cache_control``; its unknown members are kept whole under ``keep``."""
    whole = level.fields.get("cache_control")
    inner = level.object("cache_control")
    if inner is None or whole is None:
        return None
    cache = CacheControl(inner.take("type", STRING) or "ephemeral", inner.take("ttl", STRING))
    if inner.fields:
        keep["cache_control"] = whole
    return cache


def _finish(level: Level) -> tuple[CacheControl | None, Ext]:
    """Cache marker and unknown members of a block."""
    fields = level.fields
    if not fields:
        return None, {}
    keep: dict[str, Raw] = {}
    cache = parse_cache(level, keep) if "cache_control" in fields else None
    keep.update(level.fields)
    return cache, {NAME: keep} if keep else {}


def _text(level: Level, raw: Raw, origin: Origin) -> Content:
    text = level.need("text", STRING)
    if not level.fields:
        return TextContent(text=text)
    found = level.take("citations", LIST)
    where = level.where("citations")
    citations = tuple([parse_citation(item, f"{where}[{n}]") for n, item in enumerate(found or ())])
    cache, ext = _finish(level)
    return TextContent(text=text, citations=citations, cache_control=cache, ext=ext)


_CITATION_RANGES = {
    "char_location": ("start_char_index", "end_char_index"),
    "page_location": ("start_page_number", "end_page_number"),
    "content_block_location": ("start_block_index", "end_block_index"),
    "search_result_location": ("start_block_index", "end_block_index"),
}


def parse_citation(raw: Raw, path: str) -> Citation:
    """A citation with its bytes kept; offsets of ``document_*`` are Anthropic's own."""
    level = Level(raw, path)
    kind = level.take("type", STRING) or ""
    start, end = _CITATION_RANGES.get(kind, ("", ""))
    return Citation(
        CITATION_KINDS.get(kind, kind),
        url=level.take("url", STRING),
        title=level.take("title", STRING) or level.take("document_title", STRING),
        cited_text=level.take("cited_text", STRING),
        start=level.take(start, INTEGER),
        end=level.take(end, INTEGER),
        document_index=level.take("document_index", INTEGER),
        file_id=level.take("file_id", STRING),
        source=level.take("source", STRING),
        encrypted_index=level.take("encrypted_index", STRING),
        dialect=NAME,
        raw=raw,
    )


def _source(level: Level) -> tuple[MediaSource | None, Raw | None]:
    """``source`` of an image or document; content sources come back as their raw content."""
    source = level.object("source")
    if source is None:
        raise Malformed(level.where("source"), "expected an object, and the field is required")
    kind = source.need("type", STRING)
    if kind == "url":
        return MediaSource("url", url=source.need("url", STRING)), None
    if kind == "file":
        return MediaSource("file_id", file_id=source.need("file_id", STRING)), None
    if kind == "content":
        return None, source.raw("content")
    if kind not in ("base64", "text"):
        raise Malformed(source.where("type"), "expected base64, url, file, text or content")
    media_type = source.take("media_type", STRING) or ""
    data = source.need("data", STRING)
    if kind == "text":
        return MediaSource("text", data=data, media_type=media_type or "text/plain"), None
    return _mended(data, media_type, source.where("data")), None


def _mended(data: str, media_type: str, path: str) -> MediaSource:
    """Base64 without line breaks, in the usual letters and padded (traps T85)."""
    try:
        if data[:5].lower() == "data:":
            return parse_url(data, path)
        return parse_base64(data, path, media_type)
    except PlexusError:
        raise Malformed(path, "expected base64 data") from None


def _image(level: Level, raw: Raw, origin: Origin) -> Content:
    source, _ = _source(level)
    if source is None or source.kind == "text":
        raise Malformed(level.where("source.type"), "expected base64, url or file")
    cache, ext = _finish(level)
    return ImageContent(source=source, cache_control=cache, ext=ext)


def _citations_enabled(level: Level) -> bool | None:
    config = level.object("citations")
    return None if config is None else config.take("enabled", BOOLEAN)


def _document(level: Level, raw: Raw, origin: Origin) -> Content:
    source, content = _source(level)
    blocks = parse_content(content, level.where("source.content"), origin)
    title, context = level.take("title", STRING), level.take("context", STRING)
    enabled = _citations_enabled(level)
    cache, ext = _finish(level)
    return DocumentContent(
        source=source,
        blocks=blocks,
        title=title,
        context=context,
        citations_enabled=enabled,
        cache_control=cache,
        ext=ext,
    )


def _search_result(level: Level, raw: Raw, origin: Origin) -> Content:
    source, title = level.need("source", STRING), level.need("title", STRING)
    blocks = parse_content(level.raw("content"), level.where("content"), origin)
    enabled = _citations_enabled(level)
    cache, ext = _finish(level)
    return SearchResultContent(
        source=source,
        title=title,
        blocks=blocks,
        citations_enabled=enabled,
        cache_control=cache,
        ext=ext,
    )


def parse_proof(value: str | None, kind: ProofKind, origin: Origin) -> Proof | None:
    """A signature or encrypted text as the block has it; an envelope is opened."""
    if not value:
        return None
    return open_envelope(value) if is_envelope(value) else Proof(value, kind, origin)


def _thinking(level: Level, raw: Raw, origin: Origin) -> Content:
    text = level.take("thinking", STRING) or ""
    proof = parse_proof(level.take("signature", STRING), "signature", origin)
    cache, ext = _finish(level)
    return ThinkingContent(text=text, proof=proof, cache_control=cache, ext=ext)


def _redacted(level: Level, raw: Raw, origin: Origin) -> Content:
    proof = parse_proof(level.need("data", STRING), "encrypted", origin)
    return ThinkingContent(redacted=True, proof=proof, ext=unknown(level))


def _tool_use(level: Level, raw: Raw, origin: Origin) -> Content:
    call_id, name = level.need("id", STRING), level.need("name", STRING)
    arguments = compact(level.raw("input") or b"{}").decode()
    cache, ext = _finish(level)
    return ToolCallContent(id=call_id, name=name, arguments=arguments, cache_control=cache, ext=ext)


def _tool_result(level: Level, raw: Raw, origin: Origin) -> Content:
    call_id = level.need("tool_use_id", STRING)
    content = parse_content(level.raw("content"), level.where("content"), origin)
    is_error = level.take("is_error", BOOLEAN) or False
    cache, ext = _finish(level)
    return ToolResultContent(
        tool_call_id=call_id, content=content, is_error=is_error, cache_control=cache, ext=ext
    )


def _server_call(level: Level, raw: Raw, origin: Origin) -> Content:
    name = level.need("name", STRING)
    mcp = "server_name" in level.fields
    return ServerToolCallContent(
        id=level.need("id", STRING),
        tool="mcp" if mcp else server_kind(name),
        name=name,
        dialect=NAME,
        raw=raw,
        arguments=compact(level.raw("input") or b"{}").decode(),
        cache_control=parse_cache(level, {}),
    )


def _compaction(level: Level, raw: Raw, origin: Origin) -> Content:
    return CompactionContent(
        dialect=NAME,
        raw=raw,
        summary=level.take("content", STRING),
        cache_control=parse_cache(level, {}),
    )


def _verbatim(level: Level, raw: Raw, kind: str) -> Content:
    """A server tool's result, or a block of no other form: kept whole."""
    cache = parse_cache(level, {})
    if not kind.endswith("tool_result"):
        return OpaqueContent(dialect=NAME, raw=raw, cache_control=cache)
    return ServerToolResultContent(
        tool_call_id=level.take("tool_use_id", STRING) or "",
        tool=server_kind(kind),
        dialect=NAME,
        raw=raw,
        is_error=_failed(level),
        cache_control=cache,
    )


def _failed(level: Level) -> bool:
    """Server results say it in ``is_error`` (MCP) or by the type of their content."""
    if level.take("is_error", BOOLEAN):
        return True
    content = level.raw("content")
    if content is None or not bytes(content).startswith(b"{"):
        return False
    inner = Level(content, level.where("content"))
    return (inner.take("type", STRING) or "").endswith("_error")


_Parser = Callable[[Level, Raw, Origin], Content]
_PARSERS: dict[str, _Parser] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "server_tool_use": _server_call,
    "mcp_tool_use": _server_call,
    "compaction": _compaction,
}
