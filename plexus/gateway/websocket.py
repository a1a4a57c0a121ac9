"""uvicorn's WebSocket protocol, imported when the first WebSocket is opened."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from plexus.gateway.limits import Limits
from plexus.gateway.protocol import ReaderWatch
from plexus.gateway.session import DRAIN

_CLOSE_S = 5.0
_TOO_SLOW = 1008


class SessionProtocol(ReaderWatch, WebSocketsSansIOProtocol):
    """One WebSocket.

    A server that stops tells the session, which finishes what it is doing; uvicorn would cut it.
    A frame must be whole ``receive`` seconds after its first byte, like any request body.
    """

    def __init__(self, limits: Limits, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self.stalled = limits.stalled
        self.close_timeout = _CLOSE_S
        self._receive_s = limits.receive
        self._late: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            # The head came whole; the library could not read it, and waits.
            self.transport.close()
        if not (self.frames or self.conn.reader.buffer):
            self._in_time()
        elif self._late is None:
            self._late = self.loop.call_later(self._receive_s, self._hang_up)

    def send_receive_event_to_app(self) -> None:
        self._in_time()
        super().send_receive_event_to_app()

    def connection_lost(self, exc: Exception | None) -> None:
        self.reads()
        self._in_time()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.reads()

    def shutdown(self) -> None:
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait(cast(Any, {"type": DRAIN}))
        else:
            super().shutdown()

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _hang_up(self) -> None:
        self._late = None
        self.conn.fail(_TOO_SLOW, "the frame was not received in time")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()
