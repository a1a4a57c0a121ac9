"""Health (ecosystem.md §2.4) and the probe Claude Code makes at its start (§1.3)."""

import msgspec
from falcon.asgi import Request, Response

from plexus import __version__
from plexus.gateway.auth import authenticate
from plexus.gateway.channel import KEY, Channel
from plexus.gateway.services import Services

_JSON = (b"content-type", b"application/json")


class Live:
    """``/livez``: the process answers.  Open and empty, like ``/`` and ``/api/hello``."""

    async def on_get(self, req: Request, resp: Response) -> None:
        await _empty(req.scope[KEY], 200)

    async def on_head(self, req: Request, resp: Response) -> None:
        await _empty(req.scope[KEY], 200)


class Ready:
    """``/readyz``: 503 while the server drains."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_get(self, req: Request, resp: Response) -> None:
        await _empty(req.scope[KEY], 503 if self._services.draining else 200)

    async def on_head(self, req: Request, resp: Response) -> None:
        await self.on_get(req, resp)


class Health:
    """``/health``: version, config, counts.  Needs a client key when there are any."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_get(self, req: Request, resp: Response) -> None:
        services = self._services
        channel: Channel = req.scope[KEY]
        key = authenticate(channel, services)
        body = {
            "status": "draining" if services.draining else "ok",
            "version": __version__,
            "config": services.config.decode("ascii"),
            "models": sum(1 for _ in services.router.visible(key.may_use)),
            # Without this very request.
            "open_requests": len(services.open) - 1,
        }
        channel.record.outcome = "ok"
        await channel.send(200, [_JSON], msgspec.json.encode(body))


async def _empty(channel: Channel, status: int) -> None:
    channel.record.outcome = "ok"
    await channel.send(status, [], b"")
