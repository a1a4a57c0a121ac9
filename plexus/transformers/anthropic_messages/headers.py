"""Headers of a Messages request (anthropic-messages.md §1, §2)."""

from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.base import TRACING, Headers, picked
from plexus.unified.request import Source

VERSION = "2023-06-01"
"""The version every endpoint of this dialect knows."""

_TRANSLATED = frozenset({"anthropic-beta", "anthropic-user-profile-id", "anthropic-workspace-id"})
FORWARDED_HEADERS = _TRANSLATED | TRACING | {"anthropic-version", "idempotency-key"}


def authorize(secret: str) -> Headers:
    """``x-api-key``: taken by every endpoint of this dialect, old and new."""
    return (("x-api-key", secret),)


def passed_headers(source: Source) -> Headers:
    """The client's own, and a version when it sent none."""
    own = dict(picked(source, FORWARDED_HEADERS))
    own.setdefault("anthropic-version", VERSION)
    return tuple(own.items())


def translated_headers(source: Source) -> Headers:
    """The version Plexus writes; betas only of a client whose fields may need them."""
    names = _TRANSLATED | TRACING if source.dialect == NAME else TRACING
    return (("anthropic-version", VERSION), *picked(source, names))
