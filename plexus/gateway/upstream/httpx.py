"""The upstream over httpx: the only module that names it (design decision 2).

``httpx2`` is the maintained continuation of ``httpx``; only what both share is used.  Requests go
straight to a transport: what a client adds on top (cookies, redirects, authentication, environment)
is exactly what a gateway must not do, and costs a third of a request.  Each connection has a
transport of its own: the pool in it looks at every connection it holds, twice a request.
"""

import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from time import monotonic
from types import MappingProxyType
from typing import NamedTuple

import httpx2 as httpx

from plexus.gateway.upstream.base import UpstreamFailed, UpstreamRequest
from plexus.routing.target import Timeouts
from plexus.transformers.base import Headers

KEEPALIVE_EXPIRY_S = 30.0
WRITE_TIMEOUT_S = 60.0
_PLACES = 4096

_CONNECT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_BAD_REQUEST = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_NO_ANSWER = "without sending a response"


class HttpxUpstream:
    """An Upstream for one provider over HTTP/1.1 with kept-alive connections.

    ``tls`` is the context for https addresses (None: a context that trusts nobody, for providers
    without one); ``proxy`` is the URL of an HTTP proxy.  ``clock`` tells how long connections were
    idle.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        proxy: str | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._tls = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._proxy = proxy
        self._clock = clock
        self._idle: dict[tuple[str, bytes], deque[_Line]] = {}
        self._places: dict[tuple[str, Headers], _Place] = {}
        self._timeouts: dict[Timeouts, dict[str, float]] = {}

    async def open(self, request: UpstreamRequest) -> "HttpxAnswer":
        place = self._place(request)
        if place.idle:
            trace = _Trace()
            try:
                return await self._send(place.idle.pop(), place, request, trace)
            except UpstreamFailed as failed:
                if failed.stage != "send" or failed.timeout or trace.connected:
                    raise
            # A kept-alive connection that the server closed at that very moment: nothing was
            # received, so the one repetition is invisible.  It must not meet another stale one.
        return await self._send(self._line(place), place, request)

    async def close(self) -> None:
        for idle in self._idle.values():
            while idle:
                await idle.pop().transport.aclose()

    async def _send(
        self,
        line: "_Line",
        place: "_Place",
        request: UpstreamRequest,
        trace: "_Trace | None" = None,
    ) -> "HttpxAnswer":
        """A line that fails is given up: httpx has closed its connection."""
        extensions: dict[str, object] = {"timeout": self._timeout(request.timeouts)}
        if trace is not None:
            extensions["trace"] = trace
        length = (b"Content-Length", b"%d" % len(request.body))
        outgoing = httpx.Request(
            request.method,
            place.url,
            headers=[*place.head, *_encode(request.extra_headers), length],
            # Not ``content=``, which would work out Host and length anew at four times the cost.
            stream=httpx.ByteStream(request.body),
            extensions=extensions,
        )
        try:
            response = await line.transport.handle_async_request(outgoing)
        except (httpx.TransportError, ssl.SSLError) as problem:
            raise _failed(problem, "send") from None
        return HttpxAnswer(response, line)

    def _place(self, request: UpstreamRequest) -> "_Place":
        key = (request.url, request.static_head)
        place = self._places.get(key)
        if place is None:
            if len(self._places) >= _PLACES:
                self._places.clear()
            url = httpx.URL(request.url)
            head = _encode(request.static_head)
            if all(name != b"host" for name, _ in head):
                head.insert(0, (b"Host", url.netloc))
            idle = self._idle.setdefault((url.scheme, url.netloc), deque())
            place = self._places[key] = _Place(url, head, idle)
        return place

    def _line(self, place: "_Place") -> "_Line":
        limits = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=None,
            keepalive_expiry=KEEPALIVE_EXPIRY_S,
        )
        transport = httpx.AsyncHTTPTransport(
            verify=self._tls, trust_env=False, limits=limits, proxy=self._proxy
        )
        return _Line(transport, place.idle, self._clock)

    def _timeout(self, timeouts: Timeouts) -> dict[str, float]:
        found = self._timeouts.get(timeouts)
        if found is None:
            # The exchange keeps the exact deadlines; this is for what outlives them all.
            longest = max(timeouts.first_content, timeouts.idle) + 5.0
            found = self._timeouts[timeouts] = {
                "connect": timeouts.connect,
                "read": longest,
                "write": WRITE_TIMEOUT_S,
                "pool": timeouts.connect,
            }
        return found


class HttpxAnswer:
    """An UpstreamAnswer."""

    def __init__(self, response: httpx.Response, line: "_Line") -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = MappingProxyType(
            {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in response.headers.raw
            }
        )
        self._line: _Line | None = line
        self._whole = False
        assert isinstance(response.stream, httpx.AsyncByteStream)
        # Not ``aiter_raw``: it counts bytes and guards against sync use, per chunk.
        self._stream = response.stream
        self._body = response.stream.__aiter__()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._body.__anext__()
        except StopAsyncIteration:
            self._whole = True
            raise
        except (httpx.TransportError, ssl.SSLError) as problem:
            raise _failed(problem, "read") from None

    async def aclose(self) -> None:
        close = getattr(self._body, "aclose", None)
        if close is not None:
            await close()
        await self._stream.aclose()
        line, self._line = self._line, None
        if self._whole and line is not None:
            await line.release()


class _Line:
    """A transport for one request at a time, and so with one connection.

    ``idle`` are the free lines to the same server, by the time of their last answer (``used``).
    """

    __slots__ = ("clock", "idle", "transport", "used")

    def __init__(
        self,
        transport: httpx.AsyncHTTPTransport,
        idle: "deque[_Line]",
        clock: Callable[[], float],
    ) -> None:
        self.transport = transport
        self.idle = idle
        self.clock = clock
        self.used = 0.0

    async def release(self) -> None:
        """Keep the connection for the next request; close those that none needed for long."""
        self.used = now = self.clock()
        self.idle.append(self)
        while self.idle and now - self.idle[0].used > KEEPALIVE_EXPIRY_S:
            await self.idle.popleft().transport.aclose()


class _Place(NamedTuple):
    """An address with the headers that every request to it has, and the free lines to it."""

    url: httpx.URL
    head: list[tuple[bytes, bytes]]
    idle: deque[_Line]


class _Trace:
    """Sees whether a request made a connection of its own."""

    __slots__ = ("connected",)

    def __init__(self) -> None:
        self.connected = False

    async def __call__(self, event: str, info: Mapping[str, object]) -> None:
        if event.startswith("connection."):
            self.connected = True


def _encode(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]


def _failed(problem: Exception, stage: str) -> UpstreamFailed:
    """The failure in our words: a library's text may quote an address."""
    timeout = isinstance(problem, httpx.TimeoutException)
    if isinstance(problem, _BAD_REQUEST):
        return UpstreamFailed("connect", "the request could not be written")
    if isinstance(problem, _CONNECT):
        return UpstreamFailed("connect", _connect_words(problem, timeout), timeout)
    if timeout:
        return UpstreamFailed(stage, "no answer in time", timeout=True)
    if stage == "send" and isinstance(problem, httpx.RemoteProtocolError):
        if _NO_ANSWER in str(problem):
            return UpstreamFailed("send", "the connection was closed without an answer")
        return UpstreamFailed("read", "the answer is not valid HTTP")
    if stage == "send":
        return UpstreamFailed("send", "the connection broke before an answer came")
    return UpstreamFailed("read", "the connection broke in the middle of the answer")


def _connect_words(problem: BaseException, timeout: bool) -> str:
    if timeout:
        return "no connection in time"
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its TLS certificate could not be verified"
        if isinstance(cause, ssl.SSLError):
            return "the TLS handshake failed"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
        cause = cause.__cause__ or cause.__context__
    return "no connection could be made"
