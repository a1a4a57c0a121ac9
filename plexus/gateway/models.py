"""``GET /v1/models`` in the caller's dialect (reference/models-embeddings.md §1)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import parse_qs

import msgspec
from falcon.asgi import Request, Response

from plexus.gateway.auth import authenticate
from plexus.gateway.channel import KEY, Channel
from plexus.gateway.errors import GEMINI, dialect_of
from plexus.gateway.gemini import GeminiEndpoint
from plexus.gateway.headers import counters
from plexus.gateway.reply import RawHeaders
from plexus.gateway.services import Services
from plexus.gateway.table import Entry
from plexus.unified.errors import invalid

Query = Mapping[str, str | list[str]]

_PAGE = 1000


class ModelEndpoint:
    """What the caller's key may see, sorted: aliases, additional aliases, direct names."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_get(self, req: Request, resp: Response) -> None:
        channel: Channel = req.scope[KEY]
        channel.dialect = asked_dialect(channel)
        key = authenticate(channel, self._services)
        entries = list(self._services.router.visible(key.may_use))
        await self.show(channel, entries, req.params)

    async def show(
        self, channel: Channel, entries: list[Entry], query: Query = MappingProxyType({})
    ) -> None:
        """Answer with a list."""
        channel.dialect = asked_dialect(channel)
        if channel.dialect == "anthropic-messages":
            body = anthropic_list(entries, query)
        elif channel.dialect == GEMINI:
            body = gemini_list(entries, query)
        else:
            body = {"object": "list", "data": [shared_model(entry) for entry in entries]}
        await _send(channel, body)

    async def show_one(self, channel: Channel, entry: Entry, name: str) -> None:
        """Answer with one model, called what the caller calls it."""
        channel.dialect = asked_dialect(channel)
        await _send(channel, _MODELS[channel.dialect](entry, name))


class ModelByName:
    """``/v1/models/{id}``; the id may contain slashes and colons.

    ``POST /v1/models/{id}:generateContent`` is how a Gemini client calls.
    """

    def __init__(self, services: Services, models: ModelEndpoint, gemini: GeminiEndpoint) -> None:
        self._services = services
        self._models = models
        self._gemini = gemini

    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        channel: Channel = req.scope[KEY]
        channel.dialect = asked_dialect(channel)
        key = authenticate(channel, self._services)
        entry = self._services.router.find(name, key.may_use)
        await self._models.show_one(channel, entry, name)

    async def on_post(self, req: Request, resp: Response, name: str) -> None:
        await self._gemini.on_post(req, resp, name)


def asked_dialect(channel: Channel) -> str:
    """``/v1beta`` is Gemini's.  ``anthropic-version`` and ``x-api-key`` are Anthropic's, what
    Google's SDK sends is Gemini's; a Bearer token proves nothing.
    """
    headers = channel.headers
    if dialect_of(channel.path) == GEMINI:
        return GEMINI
    if b"anthropic-version" in headers or b"x-api-key" in headers:
        return "anthropic-messages"
    google = b"x-goog-api-key" in headers or b"x-goog-api-client" in headers
    return GEMINI if google or b"key" in parse_qs(channel.query) else "openai-chat"


def shared_model(entry: Entry, name: str | None = None) -> dict[str, object]:
    """The fields of OpenAI and of Anthropic: both official SDKs read them rightly, so a client that
    was taken for the other one finds what it looks for (reference/models-embeddings.md §1).
    """
    found: dict[str, object] = {
        "id": name or entry.name,
        "object": "model",
        "type": "model",
        "created": 0,
        "created_at": "1970-01-01T00:00:00Z",
        "owned_by": "plexus",
        "display_name": entry.display_name or name or entry.name,
        "max_input_tokens": entry.context_window,
        "max_tokens": entry.max_output_tokens,
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "capabilities": None,
    }
    if entry.context_window is not None:
        found["context_length"] = entry.context_window
    if entry.max_output_tokens is not None:
        found["max_output_tokens"] = entry.max_output_tokens
    return found


def gemini_model(entry: Entry, name: str | None = None) -> dict[str, object]:
    found: dict[str, object] = {
        "name": f"models/{name or entry.name}",
        "version": "001",
        "displayName": entry.display_name or name or entry.name,
        "description": "",
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }
    if entry.context_window is not None:
        found["inputTokenLimit"] = entry.context_window
    if entry.max_output_tokens is not None:
        found["outputTokenLimit"] = entry.max_output_tokens
    return found


_MODELS = {
    "openai-chat": shared_model,
    "anthropic-messages": shared_model,
    GEMINI: gemini_model,
}


def gemini_list(entries: Sequence[Entry], query: Query) -> dict[str, object]:
    """One page: ``pageSize`` 1 to 1000 (default 50); ``pageToken`` is the last name before it."""
    names = [entry.name for entry in entries]
    size = _limit(query.get("pageSize", "50"), "pageSize")
    token = query.get("pageToken")
    if token is not None and token not in names:
        raise invalid("pageToken is none of this list", "pageToken")
    start = names.index(str(token)) + 1 if token is not None else 0
    page = entries[start : start + size]
    found: dict[str, object] = {"models": [gemini_model(entry) for entry in page]}
    if start + size < len(names):
        found["nextPageToken"] = page[-1].name
    return found


def anthropic_list(entries: Sequence[Entry], query: Query) -> dict[str, object]:
    """One page: ``limit`` 1 to 1000 (default 20), ``after_id``, ``before_id``.

    All models are active ones: ``lifecycle[]`` that asks for others alone finds none.
    """
    wanted = query.get("lifecycle[]", query.get("lifecycle", "active"))
    if "active" not in ([wanted] if isinstance(wanted, str) else wanted):
        entries = []
    names = [entry.name for entry in entries]
    limit = _limit(query.get("limit", "20"), "limit")
    after, before = query.get("after_id"), query.get("before_id")
    start, stop = 0, len(names)
    if after in names:
        start = names.index(str(after)) + 1
    if before in names:
        stop = names.index(str(before))
        start = max(start, stop - limit)
    page = entries[start : min(stop, start + limit)]
    more = start > 0 if before in names else start + limit < stop
    return {
        "data": [shared_model(entry) for entry in page],
        "has_more": more,
        "first_id": page[0].name if page else None,
        "last_id": page[-1].name if page else None,
    }


def _limit(given: str | list[str], name: str) -> int:
    text = str(given)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _PAGE):
        raise invalid(f"{name} must be a number from 1 to {_PAGE}", name)
    return int(text)


async def _send(channel: Channel, body: dict[str, object]) -> None:
    channel.record.outcome = "ok"
    headers: RawHeaders = [(b"content-type", b"application/json"), *counters(channel.record)]
    await channel.send(200, headers, msgspec.json.encode(body))
