"""Checks on a request's head that the HTTP parser leaves to us (reliability.md A8 to A11)."""

import re

from plexus.gateway.limits import Limits
from plexus.gateway.reply import RawHeaders
from plexus.unified.errors import PlexusError, UnifiedError


def check_head(headers: RawHeaders, http_version: str, limits: Limits) -> None:
    """Raises PlexusError: 431 for too many or too large headers, 400 unless there is one Host.

    ``headers`` have lower-case names.  HTTP/1.0 clients may leave Host out.
    """
    if len(headers) > limits.header_count:
        raise _refused(431, f"more than {limits.header_count} request headers")
    total = hosts = lengths = 0
    for name, value in headers:
        size = len(name) + len(value)
        total += size
        if size > limits.header_line:
            raise _refused(431, f"a request header is longer than {limits.header_line} bytes")
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            lengths += 1
        elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise _refused(400, "the only transfer-encoding of a request is chunked")
    if total > limits.header_bytes:
        raise _refused(431, f"the request headers are longer than {limits.header_bytes} bytes")
    if hosts > 1 or (hosts == 0 and http_version != "1.0"):
        raise _refused(400, "a request must have exactly one Host header")
    if lengths > 1:
        raise _refused(400, "a request must not have two Content-Length headers")


_LISTS = frozenset({b"anthropic-beta", b"openai-beta", b"tracestate"})
"""Headers that may stand several times and are forwarded: each line counts (RFC 9110 §5.3)."""


def folded(headers: RawHeaders) -> dict[bytes, bytes]:
    """Headers by name; of one that stands several times the last, of a list all."""
    found = dict(headers)
    if len(found) == len(headers):
        return found
    for name in _LISTS & found.keys():
        found[name] = b", ".join(value for key, value in headers if key == name)
    return found


def wants_websocket(headers: dict[bytes, bytes]) -> bool:
    """Whether the request asks for an upgrade to a WebSocket."""
    return headers.get(b"upgrade", b"").strip().lower() == b"websocket"


_NONCE = re.compile(rb"[A-Za-z0-9+/]{22}==")
_HANDSHAKE_LINE = 8190
_HANDSHAKE_COUNT = 128
"""What the WebSocket library takes at most."""


def serves_websocket(path: str) -> bool:
    """Whether WebSockets are served at an address: at those of Responses."""
    return path.rstrip("/").endswith("/responses")


def check_handshake(method: str, http_version: str, url: bytes, headers: RawHeaders) -> None:
    """Raises PlexusError (400, 426, 431) for an upgrade to a WebSocket that would fail later.

    It is answered over HTTP then, in the dialect of its route.
    """
    found = dict(headers)
    if method != "GET" or http_version != "1.1" or has_body(found):
        raise _refused(400, "a WebSocket begins with a GET of HTTP/1.1 that has no body")
    if found.get(b"sec-websocket-version", b"").strip() != b"13":
        raise _refused(426, "the WebSocket version must be 13")
    if sum(name == b"sec-websocket-key" for name, _ in headers) != 1 or not _NONCE.fullmatch(
        found[b"sec-websocket-key"].strip()
    ):
        raise _refused(400, "a WebSocket needs one Sec-WebSocket-Key: 16 bytes in base64")
    lines = [len(url) + len("GET  HTTP/1.1"), *(len(n) + len(v) + 2 for n, v in headers)]
    if max(lines) > _HANDSHAKE_LINE or len(headers) > _HANDSHAKE_COUNT:
        raise _refused(
            431,
            f"a WebSocket's head may have lines of {_HANDSHAKE_LINE} bytes, and "
            f"{_HANDSHAKE_COUNT} headers",
        )


def check_upgrade(headers: dict[bytes, bytes]) -> None:
    """Raises PlexusError (400) for an upgrade whose request has a body (``h2c``, from Java).

    An upgrade may be ignored, but the HTTP parser ends the request at its head.
    """
    if b"upgrade" in headers and has_body(headers):
        raise _refused(400, "a request with an Upgrade header must not have a body; leave it out")


def has_body(headers: dict[bytes, bytes]) -> bool:
    """Whether bytes follow the head."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _refused(status: int, message: str) -> PlexusError:
    return PlexusError(
        UnifiedError(kind="invalid_request", message=message, status=status, should_retry=False)
    )
