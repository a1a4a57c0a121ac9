"""Parts of messages and tool results, wire to unified (openai-responses.md §2, mappings.md §8)."""

import msgspec
from msgspec import Raw

from plexus.transformers.openai_chat.content import file_source, parse_cache_control
from plexus.transformers.openai_chat.media import parse_base64, parse_url
from plexus.transformers.openai_chat.reading import (
    INT,
    LIST,
    NULL,
    OBJECT,
    STR,
    TEXT_OR_LIST,
    TEXT_OR_OBJECT,
    Level,
    missing,
    read,
    wrong,
)
from plexus.transformers.openai_responses.losses import NAME
from plexus.unified.content import (
    AudioContent,
    Citation,
    Content,
    DocumentContent,
    Ext,
    ImageContent,
    MediaSource,
    OpaqueContent,
    RefusalContent,
    TextContent,
)

_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg"}
EMPTY_LIST = Raw(b"[]")


def parse_content(raw: Raw, path: str) -> tuple[Content, ...]:
    """A string or a list of parts.  Raises PlexusError with ``param``."""
    value = read(raw, TEXT_OR_LIST, path)
    if value is None:
        return ()
    if isinstance(value, str):
        return (TextContent(text=value),)
    return tuple(parse_part(item, f"{path}[{number}]") for number, item in enumerate(value))


def parse_part(raw: Raw, path: str) -> Content:
    """One part of a message; unknown types are kept as OpaqueContent."""
    level = Level.of(raw, path)
    match level.need("type", STR):
        case "input_text" | "output_text" | "text":
            return _text(level)
        case "refusal":
            return RefusalContent(text=level.need("refusal", STR), ext=ext_of(level.rest))
        case "input_image":
            return _image(level)
        case "input_file":
            return _file(level)
        case "input_audio":
            return _audio(level)
        case _:
            return OpaqueContent(dialect=NAME, raw=raw)


def ext_of(rest: dict[str, Raw]) -> Ext:
    """What nobody took, kept for this dialect; nulls and empty lists say nothing."""
    kept = {name: raw for name, raw in rest.items() if raw not in (NULL, EMPTY_LIST)}
    return {NAME: kept} if kept else {}


def _text(level: Level) -> TextContent:
    text = level.need("text", STR)
    annotations = level.take("annotations", LIST)
    path = level.at("annotations")
    citations = tuple(
        parse_citation(item, f"{path}[{number}]") for number, item in enumerate(annotations or ())
    )
    cache = parse_cache_control(level)
    return TextContent(text=text, citations=citations, cache_control=cache, ext=ext_of(level.rest))


def parse_citation(raw: Raw, path: str) -> Citation:
    """An annotation with its bytes kept; offsets of URLs are characters of the part's text."""
    level = Level.of(raw, path)
    kind = level.take("type", STR) or ""
    return Citation(
        kind="url" if kind == "url_citation" else "file",
        url=level.take("url", STR),
        title=level.take("title", STR) or level.take("filename", STR),
        start=level.take("start_index", INT),
        end=level.take("end_index", INT),
        file_id=level.take("file_id", STR),
        dialect=NAME,
        raw=raw,
    )


def _image(level: Level) -> ImageContent:
    detail = level.take("detail", STR)
    value = level.take("image_url", TEXT_OR_OBJECT)
    path = level.at("image_url")
    if isinstance(value, dict):
        # Chat's form, which some vendors take here as well.
        inner = Level(value, path)
        detail = detail or inner.take("detail", STR)
        value, path = inner.need("url", STR), inner.at("url")
    file_id = level.take("file_id", STR)
    cache = parse_cache_control(level)
    if value is not None:
        source = parse_url(value, path)
    elif file_id is not None:
        source = MediaSource("file_id", file_id=file_id)
    else:
        raise missing(path)
    return ImageContent(source=source, detail=detail, cache_control=cache, ext=ext_of(level.rest))


def _file(level: Level) -> DocumentContent:
    filename = level.take("filename", STR)
    data = level.take("file_data", STR)
    url = level.take("file_url", STR)
    file_id = level.take("file_id", STR)
    cache = parse_cache_control(level)
    if data is not None:
        source = file_source(data, level.at("file_data"), filename or "")
    elif url is not None:
        source = parse_url(url, level.at("file_url"))
    elif file_id is not None:
        source = MediaSource("file_id", file_id=file_id)
    else:
        raise missing(level.at("file_data"))
    return DocumentContent(
        source=source, filename=filename, cache_control=cache, ext=ext_of(level.rest)
    )


def _audio(level: Level) -> AudioContent:
    inner = level.object("input_audio")
    if inner is None:
        raise missing(level.at("input_audio"))
    form = inner.need("format", STR)
    data = inner.need("data", STR)
    source = parse_base64(data, inner.at("data"), _AUDIO_TYPES.get(form, f"audio/{form}"))
    cache = parse_cache_control(level)
    return AudioContent(source=source, format=form, cache_control=cache, ext=ext_of(level.rest))


def joined_texts(raw: Raw | None, path: str) -> list[str] | None:
    """The ``text`` of each entry of a list such as ``summary``; None when it is absent or null."""
    if raw is None:
        return None
    items = read(raw, LIST, path)
    if items is None:
        return None
    return [
        Level.of(item, f"{path}[{number}]").take("text", STR) or ""
        for number, item in enumerate(items)
    ]


def arguments_of(raw: Raw | None, path: str) -> str:
    """Arguments as JSON text; an object (vendors) is taken as its own text (T58, T71)."""
    if raw is None or raw == NULL:
        return ""
    if bytes(memoryview(raw)[:1]) == b"{":
        return bytes(raw).decode()
    return read(raw, STR, path) or ""


def members(raw: Raw, path: str) -> dict[str, Raw]:
    """The members of an object.  Raises PlexusError."""
    fields = read(raw, OBJECT, path)
    if fields is None:
        raise wrong(path, OBJECT.expected)
    return fields


def encoded(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))
