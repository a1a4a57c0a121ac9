"""Errors in the dialect of the route they happen on (errors.md §3; design decision 15)."""

from math import ceil
from typing import TYPE_CHECKING

from plexus.gateway.headers import counters
from plexus.gateway.reply import RawHeaders
from plexus.streaming.framing import Frame
from plexus.transformers import (
    anthropic_messages,
    bedrock_converse,
    gemini,
    openai_chat,
    openai_responses,
)
from plexus.transformers.base import Dialect, ProviderDialect
from plexus.unified.errors import UnifiedError

if TYPE_CHECKING:
    from plexus.gateway.channel import Channel

DIALECTS: dict[str, Dialect] = {
    openai_chat.NAME: openai_chat,
    anthropic_messages.NAME: anthropic_messages,
    openai_responses.NAME: openai_responses,
    gemini.NAME: gemini,
}
"""The dialects this version serves."""

PROVIDER_DIALECTS: dict[str, ProviderDialect] = {
    **DIALECTS,
    bedrock_converse.NAME: bedrock_converse,
}
"""The dialects that providers are spoken to in."""

GEMINI = gemini.NAME

_ANTHROPIC_PREFIXES = ("/v1/messages", "/messages", "/v1/complete", "/api/", "/v1/v1/messages")
_RESPONSES_PREFIXES = ("/v1/responses", "/responses", "/v1/v1/responses")
_GEMINI_PREFIXES = ("/v1beta", "/v1alpha", "/v1/interactions")
_GEMINI_VERBS = (
    ":generateContent",
    ":streamGenerateContent",
    ":countTokens",
    ":embedContent",
    ":batchEmbedContents",
    ":predict",
)
_WAIT_MAX = 60

NO_WEBSOCKET = UnifiedError(
    kind="invalid_request",
    message="WebSocket connections are served at /v1/responses only; use plain HTTP requests here",
    status=426,
    should_retry=False,
)
"""Codex falls back to HTTP at once on this status alone (design decision 15)."""

STOPPING = UnifiedError(
    kind="overloaded", message="Plexus is shutting down; try again", retry_after=1.0
)


def dialect_of(path: str) -> str:
    """The dialect in which a path's errors are written, guessed from its prefix.

    Embeddings and unknown paths share the chat dialect's error body.
    """
    path = _from_version(path).removeprefix("/openai")
    if path.startswith(_ANTHROPIC_PREFIXES):
        return anthropic_messages.NAME
    if path.startswith(_GEMINI_PREFIXES) or path.endswith(_GEMINI_VERBS):
        return GEMINI
    if path.startswith(_RESPONSES_PREFIXES):
        return openai_responses.NAME
    return openai_chat.NAME


def _from_version(path: str) -> str:
    """``/aliases/fast/v1/messages`` → ``/v1/messages``."""
    if not path.startswith(("/aliases/", "/targets/")):
        return path
    found = (path.find("/v1/"), path.find("/v1beta/"))
    return path[min((at for at in found if at > 0), default=0) :]


def format_error(dialect: str, error: UnifiedError, request_id: str) -> tuple[int, bytes]:
    """HTTP status and body of ``error`` in ``dialect``."""
    return DIALECTS[dialect].format_error(error, request_id)


def error_headers(error: UnifiedError) -> RawHeaders:
    """``retry-after`` in whole seconds (1 to 60: Anthropic's SDK sleeps as long as it is told) and
    ``x-should-retry`` (errors.md §4, §5)."""
    headers: RawHeaders = [(b"content-type", b"application/json")]
    if error.retry_after is not None:
        wait = min(max(ceil(min(error.retry_after, _WAIT_MAX)), 1), _WAIT_MAX)
        headers.append((b"retry-after", b"%d" % wait))
    if error.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if error.should_retry else b"false"))
    return headers


GUIDE = (
    "Plexus serves POST /v1/chat/completions, /v1/responses, /v1/messages, /v1/embeddings and "
    "OpenAI's other endpoints, /v1beta/models/{model}:generateContent and :streamGenerateContent, "
    "the counts and embeddings of these dialects, and GET /v1/models"
)

_UNSERVED = {
    "/responses/": "retrieval of stored responses",
    "/messages/batches": "message batches",
    "/interactions": "the Interactions API",
}


def no_route(method: str, path: str) -> UnifiedError:
    """A 404 that says what is served instead, and that a retry is of no use."""
    if "/v1/v1/" in path:
        said = f"{path[:128]} has /v1 twice: leave it out of the base URL that the client is given"
    elif path.endswith(":predict"):
        said = "predict is no verb of Gemini's own API"
    else:
        tail = _from_version(path).removeprefix("/v1")
        known = [what for start, what in _UNSERVED.items() if tail.startswith(start)]
        said = f"{known[0]} is not served yet" if known else f"there is no {method} {path[:128]}"
    return UnifiedError(
        kind="not_found",
        message=f"{said}. {GUIDE}.",
        code="plexus_no_route",
        should_retry=False,
    )


async def refuse(channel: "Channel", error: UnifiedError, extra: RawHeaders | None = None) -> None:
    """Answer with ``error`` in the dialect of the route; in-band when the answer has begun.

    ``extra`` headers are those of an exchange; other errors carry the counters alone.
    """
    channel.record.outcome = error.code or error.kind
    if channel.started:
        if channel.on_error is not None and not channel.ended:
            await channel.on_error(error)
        return
    dialect = channel.dialect or dialect_of(channel.path)
    status, body = format_error(dialect, error, channel.record.id)
    if channel.framing is not None:
        encoder = channel.framing()
        body = encoder.encode(Frame("", body)) + encoder.end()
    own = counters(channel.record) if extra is None else extra
    await channel.send(status, error_headers(error) + own, body)
