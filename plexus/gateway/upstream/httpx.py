"""The upstream over httpx: the only module that names it (design decision 2).

``httpx2`` is the maintained continuation of ``httpx``; only what both share is used.  Requests go
straight to a transport: what a client adds on top (cookies, redirects, authentication, environment)
is exactly what a gateway must not do, and costs a third of a request.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

import httpx2 as httpx

from plexus.gateway.upstream.base import UpstreamFailed, UpstreamRequest
from plexus.routing.target import Timeouts
from plexus.transformers.base import Headers

KEEPALIVE_EXPIRY_S = 30.0
WRITE_TIMEOUT_S = 60.0
_URL_CACHE = 4096

_CONNECT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_BAD_REQUEST = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_STALE = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_NO_ANSWER = "without sending a response"


class HttpxUpstream:
    """An Upstream for one provider over HTTP/1.1 with kept-alive connections.

    ``tls`` is the context for https addresses (None: a context that trusts nobody, for providers
    without one); ``proxy`` is the URL of an HTTP proxy.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, proxy: str | None = None) -> None:
        self._tls = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._proxy = proxy
        self._pool = self._transport(keep_alive=True)
        self._fresh: httpx.AsyncHTTPTransport | None = None
        self._urls: dict[str, httpx.URL] = {}
        self._heads: dict[Headers, list[tuple[bytes, bytes]]] = {}
        self._timeouts: dict[Timeouts, dict[str, float]] = {}

    async def open(self, request: UpstreamRequest) -> "HttpxAnswer":
        trace = _Trace()
        try:
            return await self._send(self._pool, request, trace)
        except UpstreamFailed as failed:
            if failed.stage != "send" or failed.timeout or trace.connected:
                raise
        # A kept-alive connection that the server closed at that very moment: nothing was received,
        # so the one repetition is invisible.  It must not meet another stale connection.
        if self._fresh is None:
            self._fresh = self._transport(keep_alive=False)
        return await self._send(self._fresh, request, trace)

    async def close(self) -> None:
        await self._pool.aclose()
        if self._fresh is not None:
            await self._fresh.aclose()

    def _transport(self, keep_alive: bool) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=None if keep_alive else 0,
            keepalive_expiry=KEEPALIVE_EXPIRY_S,
        )
        return httpx.AsyncHTTPTransport(
            verify=self._tls, trust_env=False, limits=limits, proxy=self._proxy
        )

    async def _send(
        self, transport: httpx.AsyncHTTPTransport, request: UpstreamRequest, trace: "_Trace"
    ) -> "HttpxAnswer":
        outgoing = httpx.Request(
            request.method,
            self._url(request.url),
            headers=self._head(request),
            content=request.body,
            extensions={"timeout": self._timeout(request.timeouts), "trace": trace},
        )
        try:
            response = await transport.handle_async_request(outgoing)
        except (httpx.TransportError, ssl.SSLError) as problem:
            raise _failed(problem, "send") from None
        return HttpxAnswer(response)

    def _url(self, text: str) -> httpx.URL:
        url = self._urls.get(text)
        if url is None:
            if len(self._urls) >= _URL_CACHE:
                self._urls.clear()
            url = self._urls[text] = httpx.URL(text)
        return url

    def _head(self, request: UpstreamRequest) -> list[tuple[bytes, bytes]]:
        static = self._heads.get(request.static_head)
        if static is None:
            static = self._heads[request.static_head] = _encode(request.static_head)
        return static + _encode(request.extra_headers)

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

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = MappingProxyType(
            {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in response.headers.raw
            }
        )
        self._response = response
        assert isinstance(response.stream, httpx.AsyncByteStream)
        # Not ``aiter_raw``: it counts bytes and guards against sync use, per chunk.
        self._body = response.stream.__aiter__()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._body.__anext__()
        except (httpx.TransportError, ssl.SSLError) as problem:
            raise _failed(problem, "read") from None

    async def aclose(self) -> None:
        close = getattr(self._body, "aclose", None)
        if close is not None:
            await close()
        await self._response.aclose()


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
