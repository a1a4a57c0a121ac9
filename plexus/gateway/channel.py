"""One HTTP request as the gateway sees it: headers and body in, a Reply out.

Everything the client gets leaves through here, so the headers every answer must carry are added in
one place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from plexus.gateway.head import has_body
from plexus.gateway.record import Record
from plexus.gateway.reply import RawHeaders
from plexus.gateway.watch import Expired, Watch
from plexus.streaming.framing import Encoder
from plexus.unified.errors import UnifiedError

if TYPE_CHECKING:
    from plexus.gateway.guard import Asked
    from plexus.transformers.operations import Operation

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Task: TypeAlias = "asyncio.Task[Any]"

KEY = "plexus"
"""Where the scope of a request holds its Channel."""

VIA = "plexus.via"
"""Where the scope of a request that came in a WebSocket's frame holds a Via."""


class Via(Struct, frozen=True):
    """How a request came that was no HTTP request.

    ``framing`` as ClientCall has it.  ``warm``: it only announces a conversation and no target is
    asked (``generate: false``).
    """

    framing: Callable[[], Encoder]
    warm: bool = False


_LINGER_S = 1.0
_LINGER_BYTES = 64 * 1024 * 1024


class ClientGone(Exception):
    """The client closed its connection before its request was whole."""


class Channel:
    """A Reply, and what belongs to the request it answers.

    ``headers`` are the client's, lower-case bytes, the last of a name winning.  ``common`` headers
    go out with every answer.  ``record`` becomes the log line.  ``dialect`` is the route's, once it
    is known, ``operation`` what is asked for beside chat; ``asked`` the guarded body, once it is
    read; ``framing`` makes the encoder of a client that asked for another framing than its
    dialect's own.  ``warm`` as Via has it.  ``on_error`` writes an error into a stream that has
    begun.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[bytes, bytes],
        task: Task,
        watch: Watch,
        record: Record,
    ) -> None:
        self.started = False
        self.ended = False
        self.gone = False
        self.path: str = scope["path"]
        self.method: str = scope["method"]
        self.query: bytes = scope["query_string"]
        self.headers = headers
        self.watch = watch
        self.record = record
        self.common: RawHeaders = []
        self.dialect = ""
        self.asked: Asked | None = None
        self.operation: Operation | None = None
        self.framing: Callable[[], Encoder] | None = None
        self.warm = False
        self.on_error: Callable[[UnifiedError], Awaitable[None]] | None = None
        self._task = task
        self._receive = receive
        self._send = send
        self._whole = not has_body(headers)
        self._watcher: asyncio.Task[None] | None = None

    async def chunk(self) -> tuple[bytes, bool]:
        """The next bytes of the body and whether more follow.  Raises ClientGone."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.gone = True
            raise ClientGone
        more: bool = message.get("more_body", False)
        self._whole = not more
        return message.get("body", b""), more

    def guard(self) -> None:
        """From here on the task is cancelled as soon as the client leaves (design decision 11)."""
        self._watcher = asyncio.get_running_loop().create_task(self._leave())

    async def _leave(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.ended:
            self.gone = True
            self._task.cancel()

    async def send(self, status: int, headers: RawHeaders, body: bytes) -> None:
        headers.append((b"content-length", b"%d" % len(body)))
        await self.start(status, headers)
        if not self._whole:
            await self.write(body)
            await self._linger()
            body = b""
        self.ended = True
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def start(self, status: int, headers: RawHeaders) -> None:
        self.started = True
        self.record.status = status
        if not self._whole:
            # The rest of the body would be read as the next request.
            headers.append((b"connection", b"close"))
        await self._send(
            {"type": "http.response.start", "status": status, "headers": headers + self.common}
        )

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        self.ended = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        """Read on for a moment: a client that is still sending would lose the answer otherwise."""
        self.watch.deadline = asyncio.get_running_loop().time() + _LINGER_S
        size, more = 0, True
        try:
            with self.watch:
                while more and size < _LINGER_BYTES:
                    data, more = await self.chunk()
                    size += len(data)
        except (Expired, ClientGone):
            return

    def close(self) -> None:
        """Leave no task and no timer behind, and no cycle.

        A cycle waits for the garbage collector, and the bodies in it with it.
        """
        self.watch.stop()
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        self.on_error = None
