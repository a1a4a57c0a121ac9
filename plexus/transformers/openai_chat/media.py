"""Data URLs and base64 of client media (mappings.md §8; traps.md T85)."""

import base64
import re
from urllib.parse import unquote_to_bytes

from plexus.unified.content import MediaSource
from plexus.unified.errors import PlexusError, invalid

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_URL_SAFE = str.maketrans("-_", "+/")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"BM", "image/bmp"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)
_BY_SUFFIX = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "xml": "application/xml",
}


def parse_url(url: str, path: str) -> MediaSource:
    """A data URL as base64, any other URL as it is.  Raises PlexusError (400) naming ``path``."""
    if url[:5].lower() == "data:":
        return _parse_data_url(url, path)
    if _SCHEME.match(url) is None:
        raise _bad(path, "an http(s) URL or a data URL")
    return MediaSource("url", url=url)


def parse_base64(data: str, path: str, media_type: str = "") -> MediaSource:
    """Base64 as clients write it: line breaks, URL-safe letters and lost padding are mended."""
    if len(data) % 4 or _BASE64.fullmatch(data) is None:
        data = "".join(data.split()).translate(_URL_SAFE).rstrip("=")
        data += "=" * (-len(data) % 4)
        if len(data) % 4 or data.endswith("===") or _BASE64.fullmatch(data) is None:
            raise _bad(path, "base64 data")
    kind = media_type.lower().replace("image/jpg", "image/jpeg")
    return MediaSource("base64", data=data, media_type=kind or sniff(data))


def sniff(data: str) -> str:
    """The media type of base64 data by its first bytes, "" when unknown."""
    head = base64.b64decode(data[:32] + "=" * (-len(data[:32]) % 4))
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], "")
    return ""


def type_of_name(filename: str) -> str:
    """The media type a file name suggests, "" when it suggests none."""
    return _BY_SUFFIX.get(filename.rpartition(".")[2].lower(), "")


def data_url(source: MediaSource, default: str) -> str:
    """``source`` (kind base64) as a data URL; ``default`` is its type when none is known."""
    return f"data:{source.media_type or default};base64,{source.data}"


def _parse_data_url(url: str, path: str) -> MediaSource:
    head, comma, data = url[5:].partition(",")
    if not comma or not data:
        raise _bad(path, "a data URL with data")
    media_type, *options = head.split(";")
    if "base64" not in (option.strip().lower() for option in options):
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return parse_base64(data, path, media_type.strip())


def _bad(path: str, expected: str) -> PlexusError:
    return invalid(f"{path} must be {expected}", path, "invalid_value")
