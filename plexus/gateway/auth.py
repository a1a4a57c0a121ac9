"""The client's key, in any of the forms clients send it (ecosystem.md §1.1)."""

from urllib.parse import parse_qs

from plexus.accounts.keys import Key
from plexus.gateway.channel import Channel
from plexus.gateway.errors import GEMINI
from plexus.gateway.services import Services
from plexus.unified.errors import PlexusError, UnifiedError

_BEARER = b"bearer "


def presented(headers: dict[bytes, bytes], query: bytes = b"") -> bytes | None:
    """The secret a client sent; ``x-api-key`` wins, empty headers do not count.

    Gemini clients may send it as ``key`` in the query.
    """
    bearer = headers.get(b"authorization", b"")
    token = bearer[len(_BEARER) :] if bearer[: len(_BEARER)].lower() == _BEARER else b""
    for secret in (headers.get(b"x-api-key"), token, headers.get(b"api-key")):
        if secret is not None and (secret := secret.strip()):
            return secret
    secret = headers.get(b"x-goog-api-key", b"").strip()
    if secret or b"key=" not in query:
        return secret or None
    return parse_qs(query).get(b"key", [b""])[-1] or None


def authenticate(channel: Channel, services: Services) -> Key:
    """The caller's key.  Raises PlexusError (401), the same for absent, unknown and expired."""
    ring = services.keys
    query = channel.query if channel.dialect == GEMINI else b""
    key = ring.find(None if ring.open else presented(channel.headers, query), services.clock())
    if key is None:
        raise PlexusError(
            UnifiedError(
                kind="authentication",
                message="a valid Plexus API key is required (Authorization: Bearer, x-api-key or "
                "x-goog-api-key)",
                code="invalid_api_key",
                should_retry=False,
            )
        )
    channel.record.key = key.name
    return key
