"""The manifest of a generated package: what belongs to it, byte for byte.

Shared by the compiler, which writes it, and the loader, which believes nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from plexus.plain_files import plain_bytes

NAME = "manifest.json"
COMMENT = "$comment"
_FOREIGN = ("extra_body", "use")
_HEX = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"(?:[a-z0-9_]+/)?[a-z0-9_]+\.py")
_LIMIT = 64 * 1024 * 1024


class ManifestError(Exception):
    """A folder that is not exactly what a build wrote.  ``kind`` says in which way.

    ``missing``: no generated package there.  ``edited``: a file changed, is gone or is damaged.
    ``foreign``: a file that no build wrote.  ``stale``: built from another config or by another
    version.  ``unreadable``: the system would not let us look.
    """

    def __init__(self, kind: str, path: Path, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Manifest(NamedTuple):
    """``files``: relative path → SHA-256.  ``config_digest``: of the canonical config."""

    version: str
    config: str
    config_digest: str
    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Names this generation: the SHA-256 of everything in it."""
        return digest(json.dumps(self._members(), sort_keys=True).encode("utf-8"))

    def _members(self) -> dict[str, object]:
        return {
            "plexus": self.version,
            "config": self.config,
            "config_digest": self.config_digest,
            "files": dict(sorted(self.files.items())),
        }

    def text(self) -> str:
        """The one spelling of this manifest."""
        return json.dumps({**self._members(), "digest": self.digest}, indent=2) + "\n"


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def canonical(data: object) -> bytes:
    """A config without its layout and remarks: two that mean the same have the same bytes."""
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if key != "$schema"}
    return json.dumps(uncommented(data), sort_keys=True, separators=(",", ":")).encode("utf-8")


def uncommented(data: Any) -> Any:
    """A config without ``$comment`` keys, except where it carries JSON for others."""
    if isinstance(data, list):
        return [uncommented(item) for item in data]
    if not isinstance(data, dict):
        return data
    return {
        key: value if key in _FOREIGN else uncommented(value)
        for key, value in data.items()
        if key != COMMENT
    }


def parse(text: str, path: Path) -> Manifest:
    """The manifest with this text.  Raises ManifestError (``edited``) for any other spelling."""
    try:
        data = json.loads(text)
        files = {str(name): str(value) for name, value in data["files"].items()}
        found = Manifest(data["plexus"], data["config"], data["config_digest"], files)
        same = found.text() == text
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        same = False
    if not same or not all(_FILE.fullmatch(n) and _HEX.fullmatch(h) for n, h in files.items()):
        raise ManifestError("edited", path, "is damaged or was edited")
    return found


def read(folder: Path) -> Manifest:
    """The manifest of a folder.  Raises ManifestError."""
    path = folder / NAME
    if not folder.is_dir():
        raise ManifestError("missing", folder, "there is no generated package")
    try:
        text = plain_bytes(path, _LIMIT, follow=False).decode("utf-8")
    except FileNotFoundError:
        raise ManifestError("missing", folder, f"has no {NAME}, so it is no build") from None
    except UnicodeDecodeError:
        raise ManifestError("edited", path, "is damaged or was edited") from None
    except OSError as error:
        raise ManifestError("unreadable", path, f"cannot be read: {error.strerror}") from None
    return parse(text, path)


Verified: TypeAlias = "tuple[Manifest, dict[str, bytes]]"


def verify(folder: Path) -> Verified:
    """The manifest and the content of every file, each read once and held against its SHA-256.

    Raises ManifestError for the first file that is changed, missing, foreign or no plain file.  A
    build that exchanges the folder meanwhile is no error: then it is read again.
    """
    while True:
        found = read(folder)
        try:
            return found, _sources(folder, found)
        except ManifestError:
            if read(folder) == found:
                raise


def _sources(folder: Path, found: Manifest) -> dict[str, bytes]:
    sources: dict[str, bytes] = {}
    for name, wanted in found.files.items():
        path = folder / name
        try:
            sources[name] = plain_bytes(path, _LIMIT, follow=False)
        except FileNotFoundError:
            raise ManifestError("edited", path, "is missing") from None
        except OSError as error:
            raise ManifestError("edited", path, f"cannot be read: {error.strerror}") from None
        if digest(sources[name]) != wanted:
            raise ManifestError("edited", path, "was edited since it was built")
    for path in foreign(folder, found):
        raise ManifestError("foreign", path, "was not written by a build")
    return sources


def foreign(folder: Path, manifest: Manifest) -> Iterator[Path]:
    """Everything in ``folder`` that the manifest does not name; links are never followed."""
    known = {NAME, *manifest.files}
    folders = {name.rpartition("/")[0] for name in manifest.files} - {""}
    for path in _entries(folder):
        if path.name in folders and path.is_dir() and not path.is_symlink():
            inner = _entries(path)
            yield from (entry for entry in inner if f"{path.name}/{entry.name}" not in known)
        elif path.name not in known:
            yield path


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise ManifestError("unreadable", folder, f"cannot be read: {error.strerror}") from None
