"""The ASGI layer around Falcon (design decision 11).

It refuses malformed heads, watches for clients that leave, and lets the exchange write to the
client itself; what Falcon sends afterwards is dropped.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from time import perf_counter

from plexus.gateway.channel import KEY, Channel, ClientGone, Message, Receive, Scope, Send, Task
from plexus.gateway.cors import Cors
from plexus.gateway.errors import STOPPING, refuse
from plexus.gateway.head import check_head, check_upgrade, folded, wants_websocket
from plexus.gateway.headers import counters
from plexus.gateway.record import Record
from plexus.gateway.reply import RawHeaders
from plexus.gateway.services import Services
from plexus.gateway.watch import Watch
from plexus.unified.errors import PlexusError, UnifiedError

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_UPGRADE = UnifiedError(
    kind="invalid_request",
    message="WebSocket connections are not served; use plain HTTP requests",
    status=426,
    should_retry=False,
)

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Connection:
    """An ASGI application: the layer around ``app``."""

    def __init__(self, app: "ASGIApp", services: Services) -> None:
        self._app = app
        self._services = services
        self._cors = Cors(services.settings.cors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the server was set up to speak HTTP only, not {scope['type']}")
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        headers = folded(scope["headers"])
        request_id = self._request_id(headers)
        record = Record(request_id, f"{scope['method']} {scope['path']}", perf_counter())
        watch = Watch(loop, task, self._services.limits.keep_alive)
        channel = Channel(scope, receive, send, headers, task, watch, record)
        tag = request_id.encode("ascii")
        channel.common = [
            (b"x-request-id", tag),
            (b"request-id", tag),
            (b"x-plexus-config", self._services.config),
            *self._cors.headers(headers),
        ]
        scope[KEY] = channel
        self._services.open[channel] = task
        try:
            await self._run(scope, channel, task)
        finally:
            del self._services.open[channel], scope[KEY]
            channel.close()
            self._services.log.info("request", **record.fields(perf_counter()))

    async def _run(self, scope: Scope, channel: Channel, task: Task) -> None:
        """Falcon, and what happens when it is cut short."""
        try:
            check_head(scope["headers"], scope["http_version"], self._services.limits)
            if wants_websocket(channel.headers):
                upgrade: RawHeaders = [
                    (b"upgrade", b"http/1.1"),
                    (b"connection", b"close, upgrade"),
                    *counters(channel.record),
                ]
                await refuse(channel, _UPGRADE, upgrade)
                return
            check_upgrade(channel.headers)
            if self._cors.is_preflight(channel):
                await self._cors.answer(channel)
            else:
                await self._app(scope, _no_body, _Late(channel))
        except PlexusError as problem:
            await refuse(channel, problem.error)
        except ClientGone:
            _note_gone(channel)
        except asyncio.CancelledError:
            if channel.gone:
                task.uncancel()
                _note_gone(channel)
            elif self._services.draining:
                task.uncancel()
                await _stop(channel)
            else:
                raise

    def _request_id(self, headers: dict[bytes, bytes]) -> str:
        """The client's own id when it is harmless, else a new one."""
        for name in (b"x-request-id", b"x-client-request-id"):
            given = headers.get(name)
            if given is not None and _ID.fullmatch(given):
                return given.decode("ascii")
        return f"req_{self._services.random.getrandbits(96):024x}"


def _note_gone(channel: Channel) -> None:
    channel.record.status = 499
    channel.record.outcome = "client_closed"


async def _stop(channel: Channel) -> None:
    """The server stops and this request was still open: say so in its dialect."""
    await refuse(channel, STOPPING)
    channel.record.outcome = "stopped"


async def _no_body() -> Message:
    """What Falcon gets instead of the body: the guard reads it, under its limits."""
    return {"type": "http.request", "body": b"", "more_body": True}


class _Late:
    """Falcon's ``send``: dropped when the request is answered already, passed on otherwise."""

    __slots__ = ("_channel", "_live")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._live = False

    async def __call__(self, message: Message) -> None:
        channel = self._channel
        if message["type"] == "http.response.start":
            if not channel.started:
                self._live = True
                headers: RawHeaders = list(message.get("headers", ()))
                await channel.start(message["status"], headers)
        elif self._live:
            await channel.write(message.get("body", b""))
            if not message.get("more_body", False):
                await channel.end()
