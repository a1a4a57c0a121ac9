"""Gemini's calls: the model and the verb stand in the path (gemini.md §1; traps T91)."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs

from falcon.asgi import Request, Response
from msgspec import Struct

from plexus.gateway.auth import authenticate
from plexus.gateway.channel import KEY, Channel
from plexus.gateway.errors import GEMINI, no_route
from plexus.gateway.guard import parse_body, read_body
from plexus.gateway.services import Services
from plexus.streaming.framing import Encoder
from plexus.streaming.json_array import JSONArrayEncoder
from plexus.transformers.operations import VERBS, Operation
from plexus.unified.errors import PlexusError

_CALL = re.compile(
    r"(?:/v1(?:beta|alpha)?)?/(?:models/|(?=tunedModels/))(.+):([A-Za-z]+)/?", re.DOTALL
)


class GeminiCall(Struct, frozen=True):
    """A call as its path and query tell it; ``framing`` as ClientCall has it."""

    model: str
    stream: bool = False
    framing: Callable[[], Encoder] | None = None
    operation: Operation | None = None

    def enter(self, channel: Channel) -> None:
        """The channel knows what its client asks for."""
        channel.dialect, channel.operation, channel.framing = GEMINI, self.operation, self.framing


def gemini_call(path: str, query: bytes) -> GeminiCall | None:
    """The call, None for a verb that is not served.  The last colon counts: models have them too.

    A stream is one JSON array unless ``alt=sse`` asks for events.
    """
    match = _CALL.fullmatch(path)
    if match is None:
        return None
    model, verb = match.groups()
    if verb == "generateContent":
        return GeminiCall(model)
    if verb in VERBS:
        return GeminiCall(model, operation=VERBS[verb])
    if verb != "streamGenerateContent":
        return None
    asked = parse_qs(query)
    events = b"sse" in (*asked.get(b"alt", ()), *asked.get(b"$alt", ()))
    return GeminiCall(model, stream=True, framing=None if events else JSONArrayEncoder)


class GeminiEndpoint:
    """``POST /v1beta/models/{model}:generateContent`` and its like."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response, name: str) -> None:
        services = self._services
        channel: Channel = req.scope[KEY]
        channel.dialect = GEMINI
        call = gemini_call(channel.path, channel.query)
        if call is None:
            raise PlexusError(no_route(req.method, req.path))
        call.enter(channel)
        key = authenticate(channel, services)
        raw = await read_body(channel, services.settings.body_limit, services.limits)
        channel.asked = parse_body(raw, call.model, call.stream)
        entry = services.router.find(call.model, key.may_use)
        await services.resource(entry).on_post(req, resp)
