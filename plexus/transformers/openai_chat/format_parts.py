"""Parts of user and system messages, unified to a chat provider (mappings.md §4, §8, §9)."""

from typing import Any

from msgspec import Raw, Struct

from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import LossLog
from plexus.transformers.modalities import check
from plexus.transformers.openai_chat.content import (
    blocks_text,
    document_text,
    document_title,
    format_file,
    format_image,
    format_text,
    own,
)
from plexus.transformers.openai_chat.losses import NAME
from plexus.transformers.openai_chat.media import data_url
from plexus.transformers.openai_chat.server_tools import describe_call, describe_result
from plexus.transformers.proofs import ROUTERS
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
    VideoContent,
)
from plexus.unified.errors import unsupported

AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}


class Writing(Struct, frozen=True):
    """What formatting needs: the target, the losses, and what the client speaks."""

    target: TargetModel
    log: LossLog
    native: bool
    dialect: str = ""

    @property
    def reasoning_field(self) -> str | None:
        """The vendor's field for readable reasoning; OpenAI has none."""
        field = self.target.capabilities.reasoning_field
        return None if field == "none" else field

    @property
    def cache_form(self) -> str:
        """How a cache marker is written: as Anthropic's gateways do, or as OpenAI."""
        own = "anthropic" if self.target.family == "anthropic" else "openai"
        return self.target.capabilities.cache_form or own

    def may_replay(self, family: str) -> bool:
        """A proof goes back to its family only, or to the router that keeps them apart itself."""
        return family == self.target.family or self.target.family in ROUTERS


def write_part(part: Content, path: str, writing: Writing) -> Any | None:
    """One content part as chat writes it, None when nothing is left of it.

    Raises PlexusError (400) for what the target cannot take at all.
    """
    match part:
        case TextContent(text=text):
            if text.startswith(ATTRIBUTION) and writing.target.family != "anthropic":
                return None
            if part.citations:
                writing.log.note("part.text.citations", path)
            return _dress(format_text(text), part, path, writing)
        case ImageContent():
            return _dress(_image(part, path, writing), part, path, writing)
        case DocumentContent():
            return _dress(_document(part, path, writing), part, path, writing)
        case AudioContent():
            return _dress(_audio(part, path, writing), part, path, writing)
        case VideoContent():
            check(part, writing.target.capabilities, path, writing.log)
            if not writing.native:
                writing.log.note("part.video", path)
            return _dress(
                {"type": "video_url", "video_url": _link(part.source)}, part, path, writing
            )
        case OpaqueContent(dialect=dialect, raw=raw) if dialect == NAME:
            return raw
    note = note_text(part, path, writing)
    return None if note is None else _dress(format_text(note), part, path, writing)


def note_text(part: Content, path: str, writing: Writing) -> str | None:
    """The words for parts that chat has no form for; None when they are left out."""
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


def _dress(
    wire: dict[str, Any] | Raw, part: Content, path: str, writing: Writing
) -> dict[str, Any] | Raw:
    """The part with its cache marker and the members only chat knows."""
    if isinstance(wire, Raw) or (part.cache_control is None and not part.ext):
        return wire
    extra, capabilities = own(part), writing.target.capabilities
    strange = False
    for name, value in extra.items():
        if name not in ("cache_control", "file", "file_data", "document_url", "input_audio"):
            strange = True
            if not capabilities.known_fields_only:
                wire[name] = value
    if strange and capabilities.known_fields_only:
        writing.log.note("part.ext", path)
    if part.ext.keys() - {NAME}:
        writing.log.note("extra", path)
    marker = part.cache_control
    if marker is None:
        return wire
    if capabilities.cache_breakpoints is False:
        writing.log.note("part.cache_control", path)
    elif "cache_control" in extra:
        wire["cache_control"] = extra["cache_control"]
    elif capabilities.cache_breakpoints or writing.native:
        if writing.cache_form == "anthropic":
            ttl = {"ttl": marker.ttl} if marker.ttl else {}
            wire["cache_control"] = {"type": marker.type, **ttl}
        else:
            # OpenAI's lifetimes are 30m, the default, and 12h (mappings.md §9).
            ttl = {"ttl": "12h"} if marker.ttl == "12h" else {}
            wire["prompt_cache_breakpoint"] = {"mode": "explicit", **ttl}
    else:
        writing.log.note("part.cache_control", path)
    return wire


def _image(part: ImageContent, path: str, writing: Writing) -> dict[str, Any]:
    check(part, writing.target.capabilities, path, writing.log)
    if part.source.kind == "file_id":
        writing.log.note("part.image.file_id", path)
    return format_image(part.source, part.detail)


def _document(part: DocumentContent, path: str, writing: Writing) -> dict[str, Any]:
    extra, source = own(part), part.source
    if "document_url" in extra:
        name = {"document_name": part.filename} if part.filename else {}
        return {"type": "document_url", "document_url": extra["document_url"], **name}
    if "file_data" in extra:
        name = {"filename": part.filename} if part.filename else {}
        return {"type": "file", "file": {**name, "file_data": extra["file_data"]}}
    if part.citations_enabled:
        writing.log.note("part.document.citations_enabled", path)
    text = document_text(part)
    if text is not None:
        writing.log.note("part.document", path)
        return format_text(text)
    check(part, writing.target.capabilities, path, writing.log)
    if part.context:
        writing.log.note("part.document.context", path)
    if source is None or source.kind == "text":
        return format_text(document_title(part))
    if source.kind == "base64":
        return format_file(source, _filename(part))
    if not writing.native:
        field = "part.document.url" if source.kind == "url" else "part.document.file_id"
        writing.log.note(field, path)
    name = {"filename": part.filename} if part.filename else {}
    where = {"file_data": source.url} if source.kind == "url" else {"file_id": source.file_id}
    return {"type": "file", "file": {**name, **where}}


def _filename(part: DocumentContent) -> str:
    name = part.filename or part.title or "document"
    return name if "." in name else f"{name}.pdf"


def _audio(part: AudioContent, path: str, writing: Writing) -> dict[str, Any]:
    check(part, writing.target.capabilities, path, writing.log)
    extra, source = own(part), part.source
    if "input_audio" in extra:
        return {"type": "input_audio", "input_audio": extra["input_audio"]}
    if source is None or source.kind != "base64":
        raise unsupported("chat takes audio only as data", path)
    form = part.format or AUDIO_FORMATS.get(source.media_type)
    if form is None or (form not in ("wav", "mp3") and not writing.native):
        raise unsupported("chat takes audio only as wav or mp3", path)
    return {"type": "input_audio", "input_audio": {"data": source.data, "format": form}}


def _link(source: MediaSource) -> dict[str, str]:
    return {"url": source.url if source.kind == "url" else data_url(source, "video/mp4")}
