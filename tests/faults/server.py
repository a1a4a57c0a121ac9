"""The fault server: an upstream on raw sockets that does exactly what a test says, and remembers.

It runs in a thread with a loop of its own.  A script is an async function that gets a Peer for each
request and may do anything to its socket; what clients do to it is recorded as events a test can
wait for.  Nothing sleeps: stalls end when the test or the peer ends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

DEADLINE = 10.0
"""Seconds within which anything a test waits for must happen."""

Script = Callable[["Peer"], Awaitable[None]]


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Peer:
    """The connection of one request; ``left`` is set when the other side closes it."""

    request: Request
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    left: asyncio.Event = field(default_factory=asyncio.Event)
    keep_alive: bool = True

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self,
        status: int = 200,
        body: bytes = b"",
        content_type: str | None = "application/json",
        **headers: str,
    ) -> None:
        """A whole answer with a length."""
        await self.head(status, content_type, content_length=str(len(body)), **headers)
        await self.raw(body)

    async def head(self, status: int, content_type: str | None, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Status"]
        if content_type is not None:
            lines.append(f"content-type: {content_type}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def stream(self, *pieces: bytes, end: bool = True) -> None:
        """An event stream in chunked coding, one chunk a piece; ``end`` closes it properly."""
        await self.head(200, "text/event-stream", transfer_encoding="chunked")
        for piece in pieces:
            await self.chunk(piece)
        if end:
            await self.raw(b"0\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def stall(self) -> None:
        """Do nothing until the other side leaves."""
        await self.left.wait()

    async def drip(self, data: bytes, seconds: float) -> None:
        """Send ``data`` again and again, that often, until the other side leaves."""
        while not self.left.is_set():
            await self.raw(data)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.left.wait(), seconds)

    def close(self) -> None:
        """FIN."""
        self.keep_alive = False
        self.writer.close()

    def reset(self) -> None:
        """RST."""
        self.keep_alive = False
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class FaultServer:
    """Serves ``script`` on loopback; change it between requests at will."""

    def __init__(self, script: Script | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self._tls = tls
        self.requests: list[Request] = []
        self.departures: list[float] = []
        """When a client closed the connection of a request that was still being answered."""
        self.marks: dict[str, float] = {}
        """What scripts noted with ``mark``, and when."""
        self.open = 0
        self.connections = 0
        self.errors: list[str] = []
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._stop = asyncio.Event()
        self._woken = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
        """Block until ``condition`` holds; it is looked at whenever something happens here."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), f"waited in vain for {what}"

    def forget(self) -> None:
        """Begin anew, for another test; connections stay open."""
        self.requests.clear()
        self.departures.clear()
        self.marks.clear()

    def call(self, function: Callable[[], None]) -> None:
        """Run ``function`` in the server's loop: to set an event a script waits for."""
        self._loop.call_soon_threadsafe(function)

    def mark(self, name: str) -> None:
        """For scripts: note that something has come to pass; tests that ``wait`` look again."""
        self.marks[name] = time.monotonic()
        self._note()

    async def until(self, condition: Callable[[], bool]) -> None:
        """For scripts: wait until ``condition`` holds; it is looked at after every ``wake``."""
        while not condition():
            await self._woken.wait()

    def wake(self) -> None:
        """Scripts that wait look again."""

        def look() -> None:
            woken, self._woken = self._woken, asyncio.Event()
            woken.set()

        self.call(look)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._connected, sock=self._listener, ssl=self._tls, limit=2**22
        )
        async with server:
            await self._stop.wait()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio sees to it only for sockets that were made with the protocol's number.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        number = self.connections
        self._note(opened=1)
        try:
            while await self._one(reader, writer, number):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Cancelled only when the server closes; asyncio's own callback trips over it.
            pass
        finally:
            self._note(opened=-1)
            if self._tls is None:
                writer.close()
            else:  # Which would wait for the other side's last word.
                writer.transport.abort()

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        start = await reader.readexactly(1)
        if start == b"\x16":  # A TLS handshake, which it does not understand.
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            return False
        head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers: dict[str, str] = {}
        for line in filter(None, lines):
            name, _, value = line.partition(":")
            before = f"{headers[name.lower()]}, " if name.lower() in headers else ""
            headers[name.lower()] = before + value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method, path, headers, body, number)
        self.requests.append(request)
        self._note()
        peer = Peer(request, len(self.requests), reader, writer)
        watcher = asyncio.ensure_future(self._watch(peer))
        assert self.script is not None
        try:
            await self.script(peer)
        except ConnectionError:
            peer.keep_alive = False
            # Writing may notice first that the client has left: a departure like any other.
            await asyncio.wait([watcher], timeout=1)
        except (AssertionError, TypeError, ValueError) as problem:
            self.errors.append(repr(problem))
            raise
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
        return peer.keep_alive and not peer.left.is_set()

    async def _watch(self, peer: Peer) -> None:
        """The client's next byte must not come before its answer; its end may."""
        with contextlib.suppress(ConnectionError):
            early = await peer.reader.read(1)
            if early:
                self.errors.append("data of a next request before the answer ended")
        self.departures.append(time.monotonic())
        peer.left.set()
        self._note()

    def _note(self, opened: int = 0) -> None:
        with self._changed:
            self.open += opened
            self._changed.notify_all()


@contextlib.contextmanager
def fault_server(
    script: Script | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[FaultServer]:
    server = FaultServer(script, tls)
    try:
        yield server
    finally:
        server.close()
    assert not server.errors, server.errors
