"""What the value of a secret may look like, for those who read one and those who only check it."""

from __future__ import annotations

import re
from pathlib import Path

from plexus.plain_files import plain_bytes

_MOST = 64 * 1024
_PROXY = re.compile(
    r"https?://(?:[^@/?#\s]*@)?(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?/?", re.IGNORECASE
)


def from_file(path: Path) -> str:
    """The value in a file.  Raises OSError for one that cannot be read, ValueError for no text."""
    try:
        return clean(plain_bytes(path, _MOST).decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


def clean(raw: str) -> str:
    """A value without the final newline of an editor or a shell."""
    return raw.removesuffix("\n").removesuffix("\r")


def defect(value: str) -> str | None:
    """Why ``value`` can be no credential, without a word of it; None when it can."""
    if not value.strip():
        return "is empty"
    if value != value.strip():
        return "begins or ends with a blank"
    if not value.isascii() or not value.isprintable():
        return "holds characters that no HTTP header can carry"
    return None


def proxy_defect(value: str) -> str | None:
    """Why ``value`` is no HTTP proxy's URL, without a word of it; it may have a password."""
    found = _PROXY.fullmatch(value)
    if found is None or int(found[1] or 1) not in range(1, 65536):
        return "is no http or https URL of a proxy"
    return None
