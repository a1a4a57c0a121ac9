"""A gateway in this process, on a real socket, from a real config; and a client for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import time
from typing import Any

import uvloop

from plexus.compiler.output import write
from plexus.compiler.pipeline import examine, generated
from plexus.gateway.limits import Limits
from plexus.gateway.loader import load
from plexus.gateway.server import GracefulServer, listen
from plexus.gateway.services import Services, build
from tests.faults.server import DEADLINE

Json = dict[str, Any]
ENVIRONMENT = {"UPSTREAM_KEY": "sk-upstream-51c0ffee"}
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
SAY = [{"role": "user", "content": "say something"}]


class Sink:
    """The logger's whole interface; tests read ``lines`` and wait for more."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []
        self._changed = threading.Condition()

    def error(self, event: str, **fields: object) -> None:
        self._put("error", event, fields)

    def warn(self, event: str, **fields: object) -> None:
        self._put("warn", event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._put("info", event, fields)

    def debug(self, event: str, **fields: object) -> None:
        self._put("debug", event, fields)

    def silly(self, event: str, **fields: object) -> None:
        self._put("silly", event, fields)

    def requests(self) -> list[dict[str, object]]:
        return [fields for _, event, fields in self.lines if event == "request"]

    def wait_requests(self, count: int) -> list[dict[str, object]]:
        """The fields of the first ``count`` request lines."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.requests()) >= count, DEADLINE)
            assert done, f"{len(self.requests())} request lines instead of {count}"
            return self.requests()[:count]

    def _put(self, level: str, event: str, fields: dict[str, object]) -> None:
        with self._changed:
            self.lines.append((level, event, fields))
            self._changed.notify_all()


def compiled(config: Json, folder: Path) -> Path:
    """``generated/`` of a config, by the real compiler."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plexus.json"
    path.write_text(json.dumps(config))
    examined = examine(path)
    assert not examined.failed, examined.diagnostics
    write(folder / "generated", generated(examined))
    return folder / "generated"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Json:
        found: Json = self.json["error"]
        return found


@dataclass
class Session:
    """A client's connection; it is made anew when the gateway closed it."""

    connection: http.client.HTTPConnection

    def ask(
        self,
        path: str = CHAT,
        body: Json | bytes | None = None,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; a dict is sent as JSON."""
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        verb = method or ("GET" if raw is None else "POST")
        self.connection.request(verb, path, raw, dict(headers or {}))
        response = self.connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())


@dataclass
class Gateway:
    """A served config.  ``services`` belong to its loop; look, but do not touch."""

    port: int
    services: Services
    sink: Sink
    loop: asyncio.AbstractEventLoop
    server: GracefulServer

    def ask(
        self,
        path: str = CHAT,
        body: Json | bytes | None = None,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Answer:
        """One request on a connection of its own; a dict is sent as JSON."""
        if body is None and fields:
            body = {"messages": SAY, **fields}
            if path.endswith("messages"):
                body.setdefault("max_tokens", 100)
        with self.session() as session:
            return session.ask(path, body, method, headers)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Many requests on one kept-alive connection."""
        session = Session(http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE))
        try:
            yield session
        finally:
            session.connection.close()

    def open(self, path: str = CHAT, **fields: Any) -> socket.socket:
        """A request on a raw socket, sent but not yet answered."""
        body = {"messages": SAY, **fields}
        if path.endswith("messages"):
            body.setdefault("max_tokens", 100)
        return self.raw(post(path, json.dumps(body).encode()))

    def raw(self, data: bytes) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        sock.sendall(data)
        return sock

    def run(self, function: Callable[[], Any]) -> Any:
        """``function`` in the gateway's loop."""

        async def call() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(DEADLINE)


def post(path: str, body: bytes, *lines: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "host: plexus", f"content-length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


def read_all(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    parts = []
    while data := sock.recv(65536):
        parts.append(data)
    return b"".join(parts)


def read_until(sock: socket.socket, mark: bytes) -> bytes:
    """Bytes until ``mark`` has come."""
    found = b""
    while mark not in found:
        data = sock.recv(65536)
        assert data, f"the connection ended before {mark!r}: {found!r}"
        found += data
    return found


@contextmanager
def gateway(
    config: Json,
    folder: Path,
    limits: Limits | None = None,
    environment: Mapping[str, str] = ENVIRONMENT,
    seed: int = 1,
    drain: float = 5.0,
    clock: Callable[[], float] = time,
) -> Iterator[Gateway]:
    """Compile and serve ``config``; the end checks that no task or request is left."""
    sink = Sink()
    services = build(
        load(compiled(config, folder)),
        environment=environment,
        log=sink,
        clock=clock,
        random=Random(seed),
        limits=limits,
    )
    with serving(services, sink, drain) as found:
        yield found


@contextmanager
def serving(services: Services, sink: Sink, drain: float = 5.0) -> Iterator[Gateway]:
    listener = listen("127.0.0.1", 0)
    ready: list[Gateway] = []
    started = threading.Event()
    leftovers: list[str] = []

    async def main() -> None:
        server = GracefulServer(services, drain)
        port = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        ready.append(Gateway(port, services, sink, loop, server))
        started.set()
        await server.serve(sockets=[listener])
        await services.close()
        current = asyncio.current_task()
        leftovers.extend(repr(task) for task in asyncio.all_tasks() if task is not current)

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(DEADLINE)
    found = ready[0]
    try:
        yield found
    finally:
        with suppress(RuntimeError):  # Its loop is closed: the test has stopped it.
            found.loop.call_soon_threadsafe(found.server.stop)
        thread.join(DEADLINE * 2)
    assert not thread.is_alive(), "the gateway did not stop"
    assert not leftovers, leftovers
    assert not services.open
