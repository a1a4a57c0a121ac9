"""Formats of pictures, documents, sound and video on Bedrock (reference/bedrock-vertex.md §3)."""

import re
from collections.abc import Mapping

from plexus.unified.content import MediaSource
from plexus.unified.errors import invalid

IMAGES = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
AUDIO = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/opus": "opus",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "mp4",
    "audio/ogg": "ogg",
    "audio/webm": "webm",
}
VIDEOS = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_SNIFF = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
)
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)


def inline(source: MediaSource, path: str) -> tuple[str, str] | None:
    """Media type and base64 of a source that carries its bytes, also as a data URL; else None.

    Raises PlexusError for a data URL that is not base64.
    """
    text = source.data or source.url
    found = _DATA_URL.match(text)
    if found is not None:
        if "base64" not in found[2].lower():
            raise invalid("expected a base64 data URL", path)
        return found[1].lower() or source.media_type, text[found.end() :]
    return (source.media_type, source.data) if source.kind == "base64" else None


def format_of(
    source: MediaSource, known: Mapping[str, str], filename: str | None = None
) -> str | None:
    """Bedrock's word for the type of a source, by its media type, its bytes or its name's end."""
    text = source.data or source.url
    found = _DATA_URL.match(text)
    media_type = (found[1] if found is not None else "") or source.media_type
    by_type = known.get(media_type.lower().partition(";")[0])
    if by_type is not None:
        return by_type
    data = text[found.end() :] if found is not None else source.data
    for head, sniffed in _SNIFF:
        if data.startswith(head) and sniffed in known:
            return known[sniffed]
    end = (filename or source.url).rpartition(".")[2].lower()
    end = "jpeg" if end == "jpg" else end
    return end if end in known.values() else None
