"""Cross-origin requests from browsers: off unless the config names origins (ecosystem.md §2.2)."""

from plexus.gateway.channel import Channel
from plexus.gateway.reply import RawHeaders

_ALLOWED = (
    b"authorization, x-api-key, api-key, x-goog-api-key, content-type, accept, anthropic-version, "
    b"anthropic-beta, anthropic-dangerous-direct-browser-access, openai-organization, "
    b"openai-project, x-request-id, x-client-request-id, idempotency-key"
)
_STAINLESS = (
    b"arch",
    b"async",
    b"custom-poll-interval",
    b"helper-method",
    b"lang",
    b"os",
    b"package-version",
    b"poll-helper",
    b"retry-count",
    b"runtime",
    b"runtime-version",
    b"timeout",
)
"""The official SDKs send ``x-stainless-*``; a wildcard would not cover credentialed requests."""

_EXPOSED = (
    b"x-request-id, request-id, retry-after, x-should-retry, x-plexus-attempt-log, "
    b"x-plexus-attempts, x-plexus-config, x-plexus-estimated, x-plexus-model, "
    b"x-plexus-overhead-ms, x-plexus-provider, x-plexus-upstream-request-id, x-plexus-warnings"
)
_ALLOW_HEADERS = b", ".join((_ALLOWED, *(b"x-stainless-" + name for name in _STAINLESS)))


class Cors:
    """``origins`` as the config lists them; ``*`` allows all."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._all = "*" in origins
        self._origins = frozenset(origin.encode("ascii", "replace") for origin in origins)

    def admits(self, request: dict[bytes, bytes]) -> bool:
        """Whether the page that opens a WebSocket may: browsers ask nobody before they do."""
        origin = request.get(b"origin")
        return origin is None or self._all or origin in self._origins

    def headers(self, request: dict[bytes, bytes]) -> RawHeaders:
        """What every answer to a page of an allowed origin carries."""
        if not self._origins:
            return []
        vary = (b"vary", b"origin")
        origin = request.get(b"origin")
        if origin is None or not (self._all or origin in self._origins):
            return [vary]
        return [
            vary,
            (b"access-control-allow-origin", b"*" if self._all else origin),
            (b"access-control-expose-headers", _EXPOSED),
        ]

    def is_preflight(self, channel: Channel) -> bool:
        return (
            bool(self._origins)
            and channel.method == "OPTIONS"
            and b"access-control-request-method" in channel.headers
        )

    async def answer(self, channel: Channel) -> None:
        """The preflight's answer; without the origin header when the origin is not allowed."""
        headers = [
            (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
            (b"access-control-allow-headers", _ALLOW_HEADERS),
            (b"access-control-max-age", b"600"),
        ]
        channel.record.outcome = "ok"
        await channel.send(200, headers, b"")
