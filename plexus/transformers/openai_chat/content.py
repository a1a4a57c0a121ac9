"""Message parts of OpenAI chat, wire to unified and back (openai-chat.md §2, mappings.md §8)."""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.media import (
    data_url,
    parse_base64,
    parse_url,
    sniff,
    type_of_name,
)
from plexus.transformers.openai_chat.reading import (
    LIST,
    OBJECT,
    STR,
    TEXT_OR_LIST,
    TEXT_OR_OBJECT,
    Level,
    missing,
    read,
    wrong,
)
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    Content,
    DocumentContent,
    Ext,
    ImageContent,
    MediaSource,
    OpaqueContent,
    RefusalContent,
    TextContent,
    ThinkingContent,
    VideoContent,
)

_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg"}


def parse_content(raw: Raw, path: str) -> tuple[Content, ...]:
    """A message's ``content``: a string or a list of parts.  Raises PlexusError with ``param``."""
    value = read(raw, TEXT_OR_LIST, path)
    if value is None:
        return ()
    if isinstance(value, str):
        return (TextContent(text=value),)
    return tuple(parse_part(item, f"{path}[{number}]") for number, item in enumerate(value))


def parse_part(raw: Raw, path: str) -> Content:
    """One part; unknown types are kept as OpaqueContent."""
    try:
        level = Level(_fields(raw), path)
    except msgspec.ValidationError:
        # Some clients put bare strings into the list.
        text = read(raw, STR, path)
        if text is None:
            raise wrong(path, OBJECT.expected) from None
        return TextContent(text=text)
    except msgspec.DecodeError:
        raise wrong(path, OBJECT.expected) from None
    kind = level.need("type", STR)
    match kind:
        case "text" | "input_text" | "output_text":
            text = level.need("text", STR)
            cache, ext = _common(level)
            return TextContent(text=text, cache_control=cache, ext=ext)
        case "refusal":
            return RefusalContent(text=level.need("refusal", STR))
        case "image_url":
            return _parse_image(level)
        case "input_audio":
            return _parse_audio(level)
        case "file":
            return _parse_file(level)
        case "document_url":
            return _parse_document_url(level)
        case "video_url":
            return _parse_video(level)
        case "thinking":
            return _parse_thinking(level)
        case _:
            return OpaqueContent(dialect=NAME, raw=raw)


def parse_cache_control(level: Level) -> CacheControl | None:
    """OpenAI's breakpoint, or the marker of OpenRouter and the Claude gateways."""
    marker = level.object("prompt_cache_breakpoint")
    if marker is not None:
        return CacheControl(ttl=marker.take("ttl", STR))
    marker = level.object("cache_control")
    if marker is None:
        return None
    return CacheControl(type=marker.take("type", STR) or "ephemeral", ttl=marker.take("ttl", STR))


def _common(level: Level) -> tuple[CacheControl | None, Ext]:
    """The cache marker and what else the part carries; the client's form of the marker is kept."""
    if not level.rest:
        return None, {}
    form = level.rest.get("cache_control")
    cache = parse_cache_control(level)
    rest = level.rest
    rest.pop("cache_control", None)
    if form is not None and cache is not None:
        rest["cache_control"] = form
    return cache, {NAME: rest} if rest else {}


def _parse_image(level: Level) -> ImageContent:
    value = level.need("image_url", TEXT_OR_OBJECT)
    path = level.at("image_url")
    detail = None
    if isinstance(value, dict):
        inner = Level(value, path)
        detail = inner.take("detail", STR)
        value, path = inner.need("url", STR), inner.at("url")
    source = parse_url(value, path)
    cache, ext = _common(level)
    return ImageContent(source=source, detail=detail, cache_control=cache, ext=ext)


def _parse_audio(level: Level) -> AudioContent:
    """OpenAI's object, or Mistral's plain string of base64 or URL (vendors.md §6)."""
    value = level.need("input_audio", TEXT_OR_OBJECT)
    path = level.at("input_audio")
    cache, ext = _common(level)
    if isinstance(value, str):
        if value.startswith(("http:", "https:", "data:")):
            source = parse_url(value, path)
        else:
            source = parse_base64(value, path)
        form = source.media_type.rpartition("/")[2].replace("mpeg", "mp3") or None
        ext = {NAME: {**ext.get(NAME, {}), "input_audio": Raw(msgspec.json.encode(value))}}
        return AudioContent(source=source, format=form, cache_control=cache, ext=ext)
    inner = Level(value, path)
    form = inner.need("format", STR)
    data = inner.need("data", STR)
    source = parse_base64(data, inner.at("data"), _AUDIO_TYPES.get(form, f"audio/{form}"))
    return AudioContent(source=source, format=form, cache_control=cache, ext=ext)


def _parse_file(level: Level) -> DocumentContent:
    inner = level.object("file")
    if inner is None:
        raise missing(level.at("file"))
    filename = inner.take("filename", STR)
    file_id = inner.take("file_id", STR)
    data_raw = inner.rest.get("file_data")
    data = inner.take("file_data", STR)
    cache, ext = _common(level)
    if inner.rest:
        ext = {NAME: {**ext.get(NAME, {}), "file": Raw(msgspec.json.encode(inner.rest))}}
    if data is None:
        if file_id is None:
            raise missing(inner.at("file_data"))
        source = MediaSource("file_id", file_id=file_id)
        return DocumentContent(source=source, filename=filename, cache_control=cache, ext=ext)
    source = file_source(data, inner.at("file_data"), filename or "")
    if source.kind == "text" and data_raw is not None:
        # As text it suits every dialect; the original form is for chat providers.
        ext = {NAME: {**ext.get(NAME, {}), "file_data": data_raw}}
    return DocumentContent(source=source, filename=filename, cache_control=cache, ext=ext)


def file_source(data: str, path: str, filename: str) -> MediaSource:
    if data.startswith(("http:", "https:")) or data[:5].lower() == "data:":
        source = parse_url(data, path)
    else:
        source = parse_base64(data, path)
    if source.kind != "base64":
        return source
    kind = source.media_type
    if kind in ("", "application/octet-stream"):
        kind = sniff(source.data) or type_of_name(filename)
    if kind.startswith("text/"):
        try:
            text = base64.b64decode(source.data, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return MediaSource("base64", data=source.data, media_type=kind)
        return MediaSource("text", data=text, media_type=kind)
    return MediaSource("base64", data=source.data, media_type=kind)


def _parse_document_url(level: Level) -> DocumentContent:
    """Mistral's documents: ``document_url`` (http or data URL) and ``document_name``."""
    value = level.need("document_url", TEXT_OR_OBJECT)
    path = level.at("document_url")
    if isinstance(value, dict):
        inner = Level(value, path)
        value, path = inner.need("url", STR), inner.at("url")
    name = level.take("document_name", STR)
    cache, ext = _common(level)
    ext = {NAME: {**ext.get(NAME, {}), "document_url": Raw(msgspec.json.encode(value))}}
    return DocumentContent(
        source=file_source(value, path, name or ""), filename=name, cache_control=cache, ext=ext
    )


def _parse_video(level: Level) -> VideoContent:
    value = level.need("video_url", TEXT_OR_OBJECT)
    path = level.at("video_url")
    if isinstance(value, dict):
        inner = Level(value, path)
        value, path = inner.need("url", STR), inner.at("url")
    source = parse_url(value, path)
    cache, ext = _common(level)
    return VideoContent(source=source, cache_control=cache, ext=ext)


def _parse_thinking(level: Level) -> ThinkingContent:
    """Mistral's thinking chunk in an assistant message."""
    raw = level.raw("thinking")
    path = level.at("thinking")
    if raw is None:
        raise missing(path)
    value = read(raw, TEXT_OR_LIST, path)
    if isinstance(value, str):
        return ThinkingContent(text=value)
    texts = [
        Level.of(item, f"{path}[{number}]").take("text", STR) or ""
        for number, item in enumerate(value or ())
    ]
    return ThinkingContent(text="".join(texts))


# -- unified to wire -----------------------------------------------------------------------------


def own(part: Content) -> dict[str, Raw]:
    """Unknown members of a part that chat clients wrote."""
    return part.ext.get(NAME, {}) if part.ext else {}


def format_text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def format_image(source: MediaSource, detail: str | None) -> dict[str, Any]:
    url = source.url if source.kind == "url" else data_url(source, "image/png")
    image = {"url": url} if detail is None else {"url": url, "detail": detail}
    return {"type": "image_url", "image_url": image}


def format_file(source: MediaSource, filename: str) -> dict[str, Any]:
    """A document with its bytes; the name is required by OpenAI."""
    data = data_url(source, "application/pdf")
    return {"type": "file", "file": {"filename": filename, "file_data": data}}


def document_title(part: DocumentContent) -> str:
    return part.title or part.filename or ""


def document_text(part: DocumentContent) -> str | None:
    """A text document with its title and context before it; None for documents made of bytes."""
    source = part.source
    if part.blocks:
        body = blocks_text(part.blocks)
    elif source is not None and source.kind == "text":
        body = source.data
    elif source is not None and source.kind == "base64" and source.media_type.startswith("text/"):
        body = base64.b64decode(source.data).decode("utf-8", "replace")
    else:
        return None
    head = [line for line in (document_title(part), part.context) if line]
    return "\n".join([*head, "", body]) if head else body


def blocks_text(blocks: tuple[Content, ...]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, TextContent))


def list_of(raw: Raw, path: str) -> list[Raw]:
    """A list.  Raises PlexusError when it is something else."""
    items = read(raw, LIST, path)
    if items is None:
        raise wrong(path, LIST.expected)
    return items
