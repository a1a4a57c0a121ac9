"""Headers of a chat request (openai-chat.md §1, canonical.md §8)."""

from plexus.transformers.base import TRACING, Headers

FORWARDED_HEADERS = frozenset({"idempotency-key", "openai-beta"}) | TRACING
"""Client headers that a chat provider must see."""


def authorize(secret: str) -> Headers:
    """The credential headers of a chat provider."""
    return (("authorization", f"Bearer {secret}"),)
