"""uvicorn's WebSocket protocol, imported when the first WebSocket is opened."""

from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from plexus.gateway.limits import Limits
from plexus.gateway.protocol import ReaderWatch
from plexus.gateway.session import DRAIN

_CLOSE_S = 5.0


class SessionProtocol(ReaderWatch, WebSocketsSansIOProtocol):
    """One WebSocket.

    A server that stops tells the session, which finishes what it is doing; uvicorn would cut it.
    """

    def __init__(self, limits: Limits, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self.stalled = limits.stalled
        self.close_timeout = _CLOSE_S

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            # The head came whole; the library could not read it, and waits.
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.reads()
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
