"""Parts of messages and results, unified to a Responses provider (mappings.md §4, §8, §9)."""

import base64
from typing import Any

from msgspec import Raw, Struct

from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import LossLog
from plexus.transformers.modalities import check
from plexus.transformers.openai_chat.content import blocks_text, document_title
from plexus.transformers.openai_chat.format_parts import AUDIO_FORMATS
from plexus.transformers.openai_chat.media import data_url
from plexus.transformers.openai_chat.server_tools import describe_call, describe_result
from plexus.transformers.openai_responses.losses import NAME
from plexus.unified.content import (
    AudioContent,
    CompactionContent,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    RefusalContent,
    SearchResultContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    VideoContent,
)
from plexus.unified.errors import unsupported

Wire = dict[str, Any]
ITEM_FIELDS = frozenset({"id", "phase", "status"})
"""Members of a message item, which its first part carries."""


class Writing(Struct, frozen=True):
    """What formatting needs: the target, the losses, and what the client speaks."""

    target: TargetModel
    log: LossLog
    native: bool
    dialect: str = ""


def write_input(part: Content, path: str, writing: Writing) -> Wire | Raw | None:
    """One part of a user, developer or system message or of a tool's output.

    None when nothing is left of it.  Raises PlexusError (400) for what the target cannot take.
    """
    match part:
        case TextContent(text=text):
            if text.startswith(ATTRIBUTION) and not writing.native:
                return None
            if part.citations:
                writing.log.note("part.text.citations", path)
            return dress({"type": "input_text", "text": text}, part, path, writing)
        case ImageContent():
            return dress(_image(part, path, writing), part, path, writing)
        case DocumentContent():
            return dress(_document(part, path, writing), part, path, writing)
        case AudioContent():
            return dress(_audio(part, path, writing), part, path, writing)
        case VideoContent():
            writing.log.note("part.video", path)
            return None
        case OpaqueContent(dialect=dialect, raw=raw) if dialect == NAME:
            return raw
    note = note_text(part, path, writing)
    return (
        None if note is None else dress({"type": "input_text", "text": note}, part, path, writing)
    )


def write_output(part: TextContent | RefusalContent, path: str, writing: Writing) -> Wire:
    """A text or refusal of the model in the history."""
    own = own_fields(part)
    if isinstance(part, RefusalContent):
        return {"type": "refusal", "refusal": part.text, **own}
    if part.ext.keys() - {NAME}:
        writing.log.note("part.ext", path)
    annotations = [c.raw for c in part.citations if c.dialect == NAME and c.raw is not None]
    if len(annotations) < len(part.citations):
        writing.log.note("part.text.citations", path)
    return {"type": "output_text", "text": part.text, "annotations": annotations, **own}


def own_fields(part: Content) -> dict[str, Raw]:
    """Members that Responses clients wrote on a part, without those of its message item."""
    own = part.ext.get(NAME) if part.ext else None
    return {n: value for n, value in own.items() if n not in ITEM_FIELDS} if own else {}


def item_fields(part: Content) -> dict[str, Raw]:
    """What the first part of a message item carries of the item."""
    own = part.ext.get(NAME) if part.ext else None
    return {n: value for n, value in own.items() if n in ITEM_FIELDS} if own else {}


def note_text(part: Content, path: str, writing: Writing) -> str | None:
    """The words for parts that this dialect has no form for; None when they are left out."""
    match part:
        case SearchResultContent(source=source, title=title, blocks=blocks):
            writing.log.note("part.search_result", path)
            return f"{title}\n{source}\n\n{blocks_text(blocks)}"
        case ServerToolCallContent():
            writing.log.note("part.server_tool", path)
            return describe_call(part)
        case ServerToolResultContent():
            writing.log.note("part.server_tool", path)
            return describe_result(part)
        case CompactionContent(summary=summary):
            writing.log.note("part.compaction", path)
            return summary
        case RefusalContent(text=text):
            return text
        case ThinkingContent():
            writing.log.note("part.thinking", path)
            return None
        case _:
            writing.log.note("part.opaque", path)
            return None


def compact(parts: list[Any]) -> str | list[Any]:
    """Content as a string when it is one plain text, else the list."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].keys() == {"type", "text"}:
        text: str = parts[0]["text"]
        return text
    return parts


def breakpoint_of(part: Content, path: str, writing: Writing) -> Wire | None:
    """A cache marker as OpenAI writes it; its lifetimes are 30m, the default, and 12h."""
    marker = part.cache_control
    if marker is None:
        return None
    if not writing.native and not writing.target.capabilities.cache_breakpoints:
        writing.log.note("part.cache_control", path)
        return None
    return {"mode": "explicit", **({"ttl": "12h"} if marker.ttl == "12h" else {})}


def dress(wire: Wire, part: Content, path: str, writing: Writing) -> Wire:
    """The part with its cache marker and the members only this dialect knows."""
    marker = breakpoint_of(part, path, writing)
    if marker is not None:
        wire["prompt_cache_breakpoint"] = marker
    if part.ext:
        wire.update(own_fields(part))
        if any(fields for dialect, fields in part.ext.items() if dialect != NAME):
            writing.log.note("part.ext", path)
    return wire


def _image(part: ImageContent, path: str, writing: Writing) -> Wire:
    check(part, writing.target.capabilities, path, writing.log)
    out: Wire = {"type": "input_image"}
    source = part.source
    if source.kind == "file_id":
        if not writing.native:
            writing.log.note("part.image.file_id", path)
        out["file_id"] = source.file_id
    else:
        out["image_url"] = source.url if source.kind == "url" else data_url(source, "image/png")
    if part.detail is not None:
        out["detail"] = part.detail
    elif not writing.native:
        out["detail"] = "auto"
    return out


def _document(part: DocumentContent, path: str, writing: Writing) -> Wire:
    check(part, writing.target.capabilities, path, writing.log)
    if part.citations_enabled:
        writing.log.note("part.document.citations_enabled", path)
    if part.context:
        writing.log.note("part.document.context", path)
    source = part.source
    if part.blocks or source is None:
        text = blocks_text(part.blocks)
        source = MediaSource("text", data=text, media_type="text/plain")
    name = {"filename": part.filename} if part.filename else {}
    if source.kind == "file_id":
        if not writing.native:
            writing.log.note("part.document.file_id", path)
        return {"type": "input_file", "file_id": source.file_id, **name}
    if source.kind == "url":
        return {"type": "input_file", "file_url": source.url, **name}
    if source.kind == "text":
        kind = source.media_type or "text/plain"
        data = base64.b64encode(source.data.encode("utf-8", "surrogatepass")).decode()
        source = MediaSource("base64", data=data, media_type=kind)
    return {
        "type": "input_file",
        "filename": _filename(part, source),
        "file_data": data_url(source, "application/pdf"),
    }


def _filename(part: DocumentContent, source: MediaSource) -> str:
    """Required with data; its ending tells OpenAI what the file is."""
    name = part.filename or document_title(part) or "document"
    if part.filename or "." in name:
        return name
    return f"{name}.txt" if source.media_type.startswith("text/") else f"{name}.pdf"


def _audio(part: AudioContent, path: str, writing: Writing) -> Wire:
    check(part, writing.target.capabilities, path, writing.log)
    source = part.source
    if source is None or source.kind != "base64":
        raise unsupported("Responses takes audio only as data", path)
    form = part.format or AUDIO_FORMATS.get(source.media_type)
    if form is None or (form not in ("wav", "mp3") and not writing.native):
        raise unsupported("Responses takes audio only as wav or mp3", path)
    return {"type": "input_audio", "input_audio": {"data": source.data, "format": form}}
