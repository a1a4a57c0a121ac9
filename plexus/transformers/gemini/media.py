"""Media types and base64 of inline data (mappings.md §8; traps T85)."""

import base64
import re

from plexus.transformers.gemini.reader import Malformed

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_URL_SAFE = str.maketrans("-_", "+/")
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
)
_SUFFIXES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
    "md": "text/markdown",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
}


def clean_base64(data: str, path: str) -> str:
    """Standard base64 with padding; protobuf JSON takes both alphabets.  Raises Malformed."""
    if len(data) % 4 or _BASE64.fullmatch(data) is None:
        data = "".join(data.split()).translate(_URL_SAFE).rstrip("=")
        data += "=" * (-len(data) % 4)
        if data.endswith("===") or _BASE64.fullmatch(data) is None:
            raise Malformed(path, "expected base64 data")
    return data


def split_data_url(text: str) -> tuple[str, str] | None:
    """Media type and base64 of a data URL; None for anything else."""
    match = _DATA_URL.match(text)
    if match is None or "base64" not in match[2].lower():
        return None
    return match[1].lower(), text[match.end() :]


def sniff(data: str) -> str:
    """The media type of base64 data by its first bytes, "" when unknown."""
    head = base64.b64decode(data[:32] + "=" * (-len(data[:32]) % 4))
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], "")
    return ""


def type_of_url(url: str) -> str:
    """The media type a URL's path suggests, "" when it suggests none."""
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    return _SUFFIXES.get(path.rpartition(".")[2].lower(), "")


def is_google_file(uri: str) -> bool:
    """A URI that means something only at Google: Files API, Cloud Storage, YouTube."""
    if not uri.startswith(("http://", "https://")):
        return True
    host = uri.partition("://")[2].partition("/")[0].lower()
    return host.endswith((".googleapis.com", "youtube.com", "youtu.be"))
