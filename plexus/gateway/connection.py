"""The ASGI layer around Falcon (design decision 11).

It refuses malformed heads, watches for clients that leave, and lets the exchange write to the
client itself; what Falcon sends afterwards is dropped.  A WebSocket is opened here; each of its
frames comes back as a request.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from math import inf
from time import perf_counter

from plexus.gateway.channel import (
    KEY,
    VIA,
    Channel,
    ClientGone,
    Message,
    Receive,
    Scope,
    Send,
    Task,
    Via,
)
from plexus.gateway.cors import Cors
from plexus.gateway.entry import admit
from plexus.gateway.errors import NO_WEBSOCKET, STOPPING, refuse
from plexus.gateway.head import (
    check_handshake,
    check_head,
    check_upgrade,
    folded,
    serves_websocket,
    wants_websocket,
)
from plexus.gateway.headers import counters
from plexus.gateway.record import Record
from plexus.gateway.reply import RawHeaders
from plexus.gateway.services import Services
from plexus.gateway.session import Session, denial
from plexus.gateway.watch import Watch
from plexus.unified.errors import PlexusError, UnifiedError

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_UPGRADE: RawHeaders = [(b"upgrade", b"http/1.1"), (b"connection", b"close, upgrade")]
_FOREIGN = UnifiedError(
    kind="permission",
    message='pages of this origin may not open a WebSocket here: add it to "cors" in the config',
    status=403,
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
        task = asyncio.current_task()
        assert task is not None
        if scope["type"] == "websocket":
            await self._open(scope, receive, send, task)
            return
        channel = self._channel(scope, receive, send, task)
        scope[KEY] = channel
        self._services.open[channel] = task
        try:
            await self._run(scope, channel, task)
        finally:
            del self._services.open[channel], scope[KEY]
            channel.close()
            self._services.log.info("request", **channel.record.fields(perf_counter()))

    def _channel(self, scope: Scope, receive: Receive, send: Send, task: Task) -> Channel:
        via: Via | None = scope.get(VIA)
        headers = folded(scope["headers"])
        request_id = self._request_id(headers)
        method = scope["method"] if via is None else "WS"
        record = Record(request_id, f"{method} {scope['path']}", perf_counter())
        # A WebSocket has pings of its own, and its errors keep their status the longer.
        beat = self._services.limits.keep_alive if via is None else inf
        watch = Watch(asyncio.get_running_loop(), task, beat)
        channel = Channel(scope, receive, send, headers, task, watch, record)
        if via is not None:
            channel.framing, channel.warm = via.framing, via.warm
        tag = request_id.encode("ascii")
        channel.common = [
            (b"x-request-id", tag),
            (b"request-id", tag),
            (b"x-plexus-config", self._services.config),
            *self._cors.headers(headers),
        ]
        return channel

    async def _open(self, scope: Scope, receive: Receive, send: Send, task: Task) -> None:
        """A WebSocket, from its handshake to its close; a refused one is a plain HTTP answer."""
        services = self._services
        channel = self._channel({**scope, "method": "GET"}, receive, denial(send), task)
        record = channel.record
        try:
            check_head(scope["headers"], scope["http_version"], services.limits)
            if not self._cors.admits(channel.headers):
                raise PlexusError(_FOREIGN)
            admit(channel, services)
            session = Session(self, scope, receive, send, services, record)
            await session.run(channel.common)
        except PlexusError as problem:
            own = _UPGRADE if problem.error.status == 426 else []
            await refuse(channel, problem.error, [*own, *counters(record)])
        finally:
            channel.close()
            services.log.info("request", **record.fields(perf_counter()))

    async def _run(self, scope: Scope, channel: Channel, task: Task) -> None:
        """Falcon, and what happens when it is cut short."""
        try:
            check_head(scope["headers"], scope["http_version"], self._services.limits)
            if wants_websocket(channel.headers):
                await _refuse_upgrade(scope, channel)
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


async def _refuse_upgrade(scope: Scope, channel: Channel) -> None:
    """The upgrades that the server left to HTTP: at other addresses, and broken ones."""
    error = NO_WEBSOCKET
    version: RawHeaders = []
    if serves_websocket(channel.path):
        try:
            url = b"?".join((scope["raw_path"], scope["query_string"]))
            check_handshake(scope["method"], scope["http_version"], url, scope["headers"])
        except PlexusError as problem:
            error, version = problem.error, [(b"sec-websocket-version", b"13")]
    await refuse(channel, error, [*_UPGRADE, *version, *counters(channel.record)])


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
