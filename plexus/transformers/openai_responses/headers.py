"""Headers of a Responses request (openai-responses.md §1, canonical.md §8)."""

from plexus.transformers.base import TRACING, Headers

FORWARDED_HEADERS = frozenset({"idempotency-key", "openai-beta"}) | TRACING
"""Client headers that a Responses provider must see."""


def authorize(secret: str) -> Headers:
    """The credential headers of a Responses provider."""
    return (("authorization", f"Bearer {secret}"),)
