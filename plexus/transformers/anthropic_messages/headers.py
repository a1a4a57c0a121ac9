"""Headers of a Messages request (anthropic-messages.md §1, §2)."""

from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.base import Headers
from plexus.unified.request import Source

VERSION = "2023-06-01"
"""The version every endpoint of this dialect knows."""

FORWARDED_HEADERS = frozenset(
    {
        "anthropic-beta",
        "anthropic-user-profile-id",
        "anthropic-version",
        "anthropic-workspace-id",
        "idempotency-key",
    }
)
_TRANSLATED = ("anthropic-beta", "anthropic-user-profile-id", "anthropic-workspace-id")


def authorize(secret: str) -> Headers:
    """``x-api-key``: taken by every endpoint of this dialect, old and new."""
    return (("x-api-key", secret),)


def passed_headers(source: Source) -> Headers:
    """The client's own, and a version when it sent none."""
    own = {name: source.headers[name] for name in sorted(FORWARDED_HEADERS & set(source.headers))}
    own.setdefault("anthropic-version", VERSION)
    return tuple(own.items())


def translated_headers(source: Source) -> Headers:
    """The version Plexus writes; betas only of a client whose fields may need them."""
    headers: list[tuple[str, str]] = [("anthropic-version", VERSION)]
    if source.dialect == NAME:
        headers += [(name, source.headers[name]) for name in _TRANSLATED if name in source.headers]
    return tuple(headers)
