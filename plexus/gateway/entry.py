"""The endpoints that lead to generated resources (design decision 12).

The shared ones find the resource by the model in the body; the pinned ones by their address.  Each
hands ``req, resp`` to the generated resource's own responder.
"""

from collections.abc import Mapping
from typing import NamedTuple

from falcon.asgi import Request, Response

from plexus.gateway.auth import authenticate
from plexus.gateway.channel import KEY, Channel
from plexus.gateway.errors import NO_WEBSOCKET, no_route
from plexus.gateway.gemini import gemini_call
from plexus.gateway.guard import parse_body, read_body
from plexus.gateway.models import ModelEndpoint
from plexus.gateway.resource import read_asked
from plexus.gateway.services import Services
from plexus.gateway.table import Entry
from plexus.transformers.operations import OPERATIONS, Operation
from plexus.unified.errors import PlexusError


class Call(NamedTuple):
    """What a path is for: the client's dialect, and the operation unless it is chat."""

    dialect: str
    operation: Operation | None = None


CALLS = {
    "/v1/chat/completions": Call("openai-chat"),
    "/v1/messages": Call("anthropic-messages"),
    "/v1/responses": Call("openai-responses"),
    **{path: Call(operation.dialect, operation) for path, operation in OPERATIONS.items()},
}
"""By path."""


BARE = {
    path.removeprefix("/v1"): call
    for path, call in sorted(CALLS.items(), key=lambda pair: -len(pair[0]))
}
"""By path without version, for clients whose base URL has none; longer ones first."""


class SharedEndpoint:
    """``/v1/chat/completions``, ``/v1/messages``, ``/v1/responses``: the body names the model."""

    def __init__(self, services: Services, call: Call) -> None:
        self._services = services
        self._call = call

    async def on_post(self, req: Request, resp: Response) -> None:
        services = self._services
        channel: Channel = req.scope[KEY]
        channel.dialect, channel.operation = self._call
        key = authenticate(channel, services)
        channel.asked = asked = await read_asked(channel, services)
        entry = services.router.find(asked.model, key.may_use)
        await services.resource(entry).on_post(req, resp)


class DeploymentEndpoint:
    """``/openai/deployments/{deployment}/chat/completions`` and its like: Azure's addresses.

    The deployment is the model, whatever the body says; ``api-version`` means nothing here.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response, call: str) -> None:
        services = self._services
        channel: Channel = req.scope[KEY]
        found = _deployment(call)
        if found is None:
            raise PlexusError(no_route(req.method, req.path))
        model, (channel.dialect, channel.operation) = found
        key = authenticate(channel, services)
        channel.asked = await read_asked(channel, services, model)
        entry = services.router.find(model, key.may_use)
        await services.resource(entry).on_post(req, resp)


def _deployment(call: str) -> tuple[str, Call] | None:
    """``org/m/chat/completions`` → ``org/m`` and the call."""
    for path, found in BARE.items():
        if call.endswith(path) and len(call) > len(path):
            return call.removesuffix(path), found
    return None


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
            call.enter(channel)
        elif path in CALLS:
            channel.dialect, channel.operation = CALLS[path]
        else:
            raise PlexusError(no_route(req.method, req.path))
        entry = self._find(channel, name)
        if call is not None:
            services = self._services
            raw = await read_body(channel, services.settings.body_limit, services.limits)
            channel.asked = parse_body(raw, entry.name, call.stream)
        await self._services.resource(entry).on_post(req, resp)

    async def on_get(self, req: Request, resp: Response, pinned: str) -> None:
        """``/v1/models`` and ``/v1/models/{id}`` behind a pinned address: the one model."""
        channel: Channel = req.scope[KEY]
        name, call = split(pinned)
        version, models, wanted = call.partition("/models/")
        if call in ("/v1/models", "/v1beta/models"):
            await self._models.show(channel, [self._find(channel, name)])
        elif models and version in ("/v1", "/v1beta"):
            await self._models.show_one(channel, self._find(channel, name), wanted)
        else:
            raise PlexusError(no_route(req.method, req.path))

    def _find(self, channel: Channel, name: str) -> Entry:
        """Raises PlexusError (401, 404)."""
        return _pinned(channel, self._services, self._entries, name)


def _pinned(channel: Channel, services: Services, entries: Mapping[str, Entry], name: str) -> Entry:
    """Raises PlexusError (401, 404)."""
    key = authenticate(channel, services)
    entry = entries.get(name)
    if entry is None or not key.may_use(entry.alias):
        raise services.router.unknown(name, key.may_use)
    return entry


def admit(channel: Channel, services: Services) -> None:
    """Whether a WebSocket may be opened at this address; its frames name the model.

    Raises PlexusError (401, 404, 426).
    """
    path, table = channel.path.rstrip("/"), services.generation.table
    if path in ("/v1/responses", "/responses"):
        authenticate(channel, services)
        return
    for lead, entries in (("/aliases/", table.aliases), ("/targets/", table.targets)):
        name, call = split(path.removeprefix(lead))
        if path.startswith(lead) and call == "/v1/responses":
            _pinned(channel, services, entries, name)
            return
    raise PlexusError(NO_WEBSOCKET)


def split(pinned: str) -> tuple[str, str]:
    """``fast/v1/messages`` → ``fast``, ``/v1/messages``: the last version in it counts, though not
    one in the name of a model.
    """
    at = max(pinned.rfind("/v1/models/"), pinned.rfind("/v1beta/models/"))
    if at < 0:
        at = max(pinned.rfind("/v1/"), pinned.rfind("/v1beta/"), 0)
    return pinned[:at], pinned[at:]
