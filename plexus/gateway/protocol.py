"""uvicorn's HTTP protocol, and what it leaves open (reliability.md §0.3, A1, A2, A25 to A27)."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from plexus.gateway.head import check_handshake, serves_websocket
from plexus.gateway.limits import Limits
from plexus.unified.errors import PlexusError

_RESET = struct.pack("ii", 1, 0)
_QUEUED = 4
"""Pipelined requests that are read ahead; with more of them nobody would see the client leave."""


class _UntilClose(int):
    """The length of a body that ends with its connection: it is always right."""

    def __lt__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return False

    def __sub__(self, other: int) -> int:
        return self


class ReaderWatch:
    """Hangs up on a client that reads nothing for ``stalled`` seconds while bytes wait for it."""

    stalled: float
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _waiting = 0
    _stall: asyncio.TimerHandle | None = None

    def watch_reader(self) -> None:
        self._waiting = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self.stalled, self._look_at_reader)

    def reads(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _look_at_reader(self) -> None:
        """A whole answer is written at once: it is progress that counts, not its end."""
        self._stall = None
        if self.transport.get_write_buffer_size() < self._waiting:
            self.watch_reader()
        else:
            # With a reset, or the kernel would go on offering what it holds for minutes.
            with self.transport.get_extra_info("socket").dup() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class BoundedProtocol(ReaderWatch, HttpToolsProtocol):
    """One client connection.

    A request's head must be there ``head`` seconds after its first byte, or after the connection
    was made.  Trailers are no headers.  When the connection is lost, every request on it is told,
    not only the last one that was read.  HTTP/1.0 clients get no chunks.  A client that reads
    nothing for ``stalled`` seconds while bytes wait for it is hung up on, and they are forgotten.
    """

    head: ClassVar[float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None
        self._in_head = False
        self._served: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(self.head, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        self.reads()
        super().connection_lost(exc)
        served = self._served
        if served is not None and not served.response_complete:
            served.disconnected = True
            served.message_event.set()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._late is None and (self.cycle is None or self.cycle.response_complete):
            # Half a head: uvicorn has stopped its own timer.
            self._late = self.loop.call_later(self.head, self._hang_up)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._in_time()
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.chunked_encoding = False
            self.cycle.expected_content_length = _UntilClose()
        if 0 < len(self.pipeline) <= _QUEUED:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.reads()

    def _should_upgrade(self) -> bool:
        """Only what will be served becomes a WebSocket; the rest is answered over HTTP.

        Nor does one begin while an answer is still under way on the connection.
        """
        if not super()._should_upgrade() or not (
            self.cycle is None or self.cycle.response_complete
        ):
            return False
        try:
            path = self.url.partition(b"?")[0].decode("ascii")
            check_handshake(
                self.scope["method"], self.scope["http_version"], self.url, self.headers
            )
        except (PlexusError, UnicodeDecodeError):
            return False
        return serves_websocket(path)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _hang_up(self) -> None:
        self._late = None
        self.transport.close()


def bounded(limits: Limits) -> type[BoundedProtocol]:
    """The protocol under ``limits``."""

    class Bounded(BoundedProtocol):
        head = limits.head
        stalled = limits.stalled

    return Bounded


def websocket(limits: Limits) -> Callable[..., asyncio.Protocol]:
    """The protocol of a WebSocket; its library is imported for the first one."""

    def make(**uvicorn: Any) -> asyncio.Protocol:
        from plexus.gateway.websocket import SessionProtocol

        return SessionProtocol(limits, **uvicorn)

    return make
