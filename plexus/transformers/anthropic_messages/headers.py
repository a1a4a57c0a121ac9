"""Headers of a Messages request (anthropic-messages.md §1, §2)."""

from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.base import TRACING, Headers, picked
from plexus.unified.request import Source

VERSION = "2023-06-01"
"""The version every endpoint of this dialect knows."""

_BETA = "anthropic-beta"
_TRANSLATED = frozenset({_BETA, "anthropic-user-profile-id", "anthropic-workspace-id"})
_OWN = _TRANSLATED | TRACING
_VERSION: Headers = (("anthropic-version", VERSION),)
FORWARDED_HEADERS = _OWN | {"anthropic-version", "idempotency-key"}


def authorize(secret: str) -> Headers:
    """``x-api-key``: taken by every endpoint of this dialect, old and new."""
    return (("x-api-key", secret),)


def passed_headers(source: Source) -> Headers:
    """The client's own, and a version when it sent none."""
    own = dict(picked(source, FORWARDED_HEADERS))
    own.setdefault("anthropic-version", VERSION)
    return tuple(own.items())


def translated_headers(source: Source, beta: str | None = None) -> Headers:
    """The version Plexus writes; ``beta``, and those of a client whose fields may need them."""
    names = _OWN if source.dialect == NAME else TRACING
    if beta is None and names.isdisjoint(source.headers):
        return _VERSION
    found = dict(picked(source, names))
    if beta is not None and beta not in found.get(_BETA, ""):
        found[_BETA] = ",".join(filter(None, (found.get(_BETA), beta)))
    return (*_VERSION, *found.items())
