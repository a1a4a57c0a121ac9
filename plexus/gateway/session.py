"""One WebSocket of a Responses client: frames in, requests to the HTTP application, events out.

A frame becomes the POST it stands for, so everything behind it is the same: keys, routing, the
exchange, the log.  What is added is the conversation, which the connection remembers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from plexus.gateway.channel import VIA, Message, Receive, Scope, Send, Via
from plexus.gateway.errors import error_headers, format_error
from plexus.gateway.record import Record
from plexus.gateway.reply import RawHeaders
from plexus.gateway.services import Services
from plexus.streaming.json_seq import JSONSequenceEncoder, texts
from plexus.transformers import openai_responses
from plexus.transformers.openai_responses.continuation import Collector, History, Node, turn
from plexus.transformers.openai_responses.frames import (
    STEER,
    ClientFrame,
    FrameError,
    error_frame,
    in_lane,
    names_previous,
    not_found,
    parse_frame,
    steer_failed,
)
from plexus.unified.errors import UnifiedError

DRAIN = "plexus.drain"
"""What ``receive`` gives when the server stops, beside the messages of ASGI."""

_GOING_AWAY, _RESTART = 1001, 1012
_OWN = frozenset(
    {
        b"accept",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"idempotency-key",
        b"origin",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"transfer-encoding",
        b"upgrade",
        b"x-client-request-id",
        b"x-request-id",
    }
)
"""Headers of a handshake that are not those of each request on the connection."""

_BETA = b"responses_websockets"
_NOT_SHOWN = frozenset({"content-type", "content-length", "connection"})

_LIMIT = UnifiedError(
    kind="invalid_request",
    message="Responses websocket connection limit reached (60 minutes). Create a new websocket "
    "connection to continue.",
    status=400,
    code="websocket_connection_limit_reached",
)

_OVERRUN = UnifiedError(
    kind="rate_limit",
    message="too many frames wait on this connection for their turn; send it later",
    code="plexus_too_many_frames",
)
_TOO_MANY = b"too many"
"""Stands for a frame that was not kept."""

_REFUSED_MAX = 1000
"""With so many of them nothing more is read."""

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def denial(send: Send) -> Send:
    """``send`` for a plain HTTP answer to a handshake."""

    async def deny(message: dict[str, Any]) -> None:
        await send({**message, "type": message["type"].replace("http", "websocket.http", 1)})

    return deny


class Session:
    """An accepted WebSocket.  One response at a time: frames that come meanwhile wait.

    ``record`` is the connection's; each frame gets one of its own from the application.
    """

    def __init__(
        self,
        application: Application,
        scope: Scope,
        receive: Receive,
        send: Send,
        services: Services,
        record: Record,
    ) -> None:
        self._application = application
        self._scope = scope
        self._receive = receive
        self._send = send
        self._services = services
        self._record = record
        self._limit = services.settings.body_limit
        self._history = History(self._limit)
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_REFUSED_MAX)
        self._size = 0
        self._draining = False
        self._gone = asyncio.Event()

    async def run(self, headers: RawHeaders) -> None:
        """From the accepted handshake to the close; ``headers`` go out with it."""
        await self._receive()
        await self._tell({"type": "websocket.accept", "headers": headers})
        record = self._record
        record.status, record.outcome = 101, "ok"
        reader = asyncio.get_running_loop().create_task(self._read())
        try:
            code = await self._serve()
            if code is not None:
                await self._tell({"type": "websocket.close", "code": code})
        finally:
            reader.cancel()

    async def _read(self) -> None:
        """Always reading: who does not, does not see the client leave.

        A frame too many keeps its place and gets its error there: in between it would be taken for
        one of the response that runs.
        """
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._gone.set()
                break
            if message["type"] == DRAIN:
                self._draining = True
                self._wake()
                continue
            text = message.get("text")
            frame = message["bytes"] if text is None else text.encode()
            full = self._size > 0 and self._size + len(frame) > self._limit
            if full or self._waiting.qsize() >= self._services.limits.frames:
                frame = _TOO_MANY
            self._size += len(frame)
            await self._waiting.put(frame)
        self._wake()

    def _wake(self) -> None:
        """Who waits for a frame looks up."""
        if self._waiting.empty():
            self._waiting.put_nowait(None)

    async def _serve(self) -> int | None:
        """Frame after frame; the code to close with, None when the client is gone."""
        now = asyncio.get_running_loop().time
        until = now() + self._services.limits.session
        while not self._gone.is_set():
            if self._draining or self._services.draining:
                return _RESTART
            frame = None
            if now() < until:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        frame = await self._waiting.get()
            if now() >= until:
                await self._refuse(_LIMIT)
                return _GOING_AWAY
            if frame is not None:
                self._size -= len(frame)
                await self._answer(frame)
        return None

    async def _answer(self, raw: bytes) -> None:
        if raw is _TOO_MANY:
            await self._refuse(_OVERRUN)
            return
        try:
            frame = parse_frame(raw)
        except FrameError as problem:
            await self._refuse(problem.error, problem.lane)
            return
        if frame.kind == STEER:
            await self.say(steer_failed(frame))
            return
        before = None
        if frame.previous is not None:
            before = self._history.find(frame.previous)
            if before is None and not (frame.store and frame.generate):
                # What is not stored was never anywhere but on a connection; nor can a warm-up be
                # remembered that follows what is not known here.
                await self._refuse(not_found(frame.previous), frame.lane)
                return
        answer = _Answer(self, frame, known=frame.previous is None or before is not None)
        body = frame.request(before)
        await self._application(self._scope_of(frame, body), self._body(body), answer.send)
        self._remember(frame, before, answer)

    def _remember(self, frame: ClientFrame, before: Node | None, answer: "_Answer") -> None:
        """What the response's id stands for, unless it continues what only its provider knows."""
        seen = answer.collector
        known = answer.known and not frame.elsewhere
        if seen.response_id is not None and frame.items is not None and known:
            node = turn(before, (*frame.items, *seen.items))
            self._history.remember(seen.response_id, node)

    def _scope_of(self, frame: ClientFrame, body: bytes) -> Scope:
        """The scope of the POST that a frame stands for."""
        headers = [*_headers(self._scope["headers"]), (b"content-length", b"%d" % len(body))]
        return {
            **self._scope,
            "type": "http",
            "method": "POST",
            "scheme": "https" if self._scope["scheme"] == "wss" else "http",
            "headers": headers,
            VIA: Via(JSONSequenceEncoder, warm=not frame.generate),
        }

    def _body(self, body: bytes) -> Receive:
        """The body, and then the news that the client has left."""
        parts = iter((body,))

        async def receive() -> Message:
            part = next(parts, None)
            if part is not None:
                return {"type": "http.request", "body": part, "more_body": False}
            await self._gone.wait()
            return {"type": "http.disconnect"}

        return receive

    async def _refuse(self, error: UnifiedError, lane: str | None = None) -> None:
        """An error that no request was made for."""
        self._services.log.info("frame refused", id=self._record.id, code=error.code or error.kind)
        status, body = format_error(openai_responses.NAME, error, self._record.id)
        await self.say(error_frame(status, _shown(error_headers(error)), body, lane))

    async def say(self, event: bytes) -> None:
        await self._tell({"type": "websocket.send", "text": event.decode("utf-8", "replace")})

    async def _tell(self, message: dict[str, Any]) -> None:
        """Nothing, when the client is gone: the reader has seen it, or will."""
        try:
            if not self._gone.is_set():
                await self._send(message)
        except OSError:
            self._gone.set()


class _Answer:
    """The HTTP answer to one frame, on its way into events.

    ``known``: all that the frame continues is in its request.
    """

    def __init__(self, session: Session, frame: ClientFrame, known: bool) -> None:
        self.known = known
        self.collector = Collector(frame.store)
        self._session = session
        self._frame = frame
        self._status = 0
        self._headers: dict[str, str] = {}
        self._error: list[bytes] = []

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = _shown(message["headers"])
            return
        data = message.get("body", b"")
        if self._status != 200:
            self._error.append(data)
            if not message.get("more_body", False):
                await self._fail(b"".join(self._error))
            return
        lane = self._frame.lane
        for event in texts(data):
            self.collector.see(event)
            await self._session.say(event if lane is None else in_lane(event, lane))

    async def _fail(self, body: bytes) -> None:
        status, headers, lane = self._status, self._headers, self._frame.lane
        body = b"".join(texts(body))
        if not self.known and status == 400 and names_previous(body):
            # A target without state cannot know that this connection is the wrong one.
            error = not_found(self._frame.previous or "")
            status, body = format_error(openai_responses.NAME, error, "")
        await self._session.say(error_frame(status, headers, body, lane))


def _headers(handshake: RawHeaders) -> RawHeaders:
    """Those of a handshake that hold for each request; the beta is the transport's, not theirs."""
    found: RawHeaders = [(b"content-type", b"application/json")]
    for name, value in handshake:
        if name == b"openai-beta":
            betas = [beta.strip() for beta in value.split(b",")]
            value = b",".join(beta for beta in betas if not beta.startswith(_BETA))
            if not value:
                continue
        if name not in _OWN:
            found.append((name, value))
    return found


def _shown(headers: RawHeaders) -> dict[str, str]:
    return {
        key: value.decode("latin-1")
        for name, value in headers
        if (key := name.decode("latin-1")) not in _NOT_SHOWN
    }
