"""The endpoints that lead to generated resources (design decision 12).

The shared ones find the resource by the model in the body; the pinned ones by their address.  Each
hands ``req, resp`` to the generated resource's own responder.
"""

from falcon.asgi import Request, Response

from plexus.gateway.auth import authenticate
from plexus.gateway.channel import KEY, Channel
from plexus.gateway.errors import GEMINI, no_route
from plexus.gateway.gemini import gemini_call
from plexus.gateway.guard import parse_body, read_body
from plexus.gateway.models import ModelEndpoint
from plexus.gateway.services import Services
from plexus.gateway.table import Entry
from plexus.unified.errors import PlexusError

CALLS = {
    "/v1/chat/completions": "openai-chat",
    "/v1/messages": "anthropic-messages",
}
"""Path → dialect of the calls that are served."""


class SharedEndpoint:
    """``/v1/chat/completions``, ``/v1/messages``: the model is named in the body."""

    def __init__(self, services: Services, dialect: str) -> None:
        self._services = services
        self._dialect = dialect

    async def on_post(self, req: Request, resp: Response) -> None:
        services = self._services
        channel: Channel = req.scope[KEY]
        channel.dialect = self._dialect
        key = authenticate(channel, services)
        raw = await read_body(channel, services.settings.body_limit, services.limits)
        channel.asked = asked = parse_body(raw)
        entry = services.router.find(asked.model, key.may_use)
        await services.resource(entry).on_post(req, resp)


class PinnedEndpoint:
    """``/aliases/{alias}/v1/...`` and ``/targets/{provider}/{model}/v1/...``.

    For tools that insist on a model name of their own: the address decides, not the body.
    """

    def __init__(
        self, services: Services, entries: dict[str, Entry], models: ModelEndpoint
    ) -> None:
        self._services = services
        self._entries = entries
        self._models = models

    async def on_post(self, req: Request, resp: Response, pinned: str) -> None:
        channel: Channel = req.scope[KEY]
        name, path = split(pinned)
        call = gemini_call(path, channel.query)
        if call is not None:
            channel.dialect, channel.framing = GEMINI, call.framing
        elif path in CALLS:
            channel.dialect = CALLS[path]
        else:
            raise PlexusError(no_route(req.method, req.path))
        entry = self._find(channel, name)
        if call is not None:
            services = self._services
            raw = await read_body(channel, services.settings.body_limit, services.limits)
            channel.asked = parse_body(raw, entry.name, call.stream)
        await self._services.resource(entry).on_post(req, resp)

    async def on_get(self, req: Request, resp: Response, pinned: str) -> None:
        """``/v1/models`` behind a pinned address: the one name."""
        channel: Channel = req.scope[KEY]
        name, call = split(pinned)
        if call not in ("/v1/models", "/v1beta/models"):
            raise PlexusError(no_route(req.method, req.path))
        await self._models.show(channel, [self._find(channel, name)])

    def _find(self, channel: Channel, name: str) -> Entry:
        """Raises PlexusError (401, 404)."""
        key = authenticate(channel, self._services)
        entry = self._entries.get(name)
        if entry is None or not key.may_use(entry.alias):
            raise self._services.router.unknown(name, key.may_use)
        return entry


def split(pinned: str) -> tuple[str, str]:
    """``fast/v1/messages`` → ``fast``, ``/v1/messages``: the last version in it counts."""
    at = max(pinned.rfind("/v1/"), pinned.rfind("/v1beta/"), 0)
    return pinned[:at], pinned[at:]
