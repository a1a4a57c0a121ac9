"""A provider of all dialects on loopback, a process of its own.

``python -m tests.clients.upstream`` prints its port, answers what the scenario of a request says,
refuses with a 400 what a strict provider would refuse, and tells under ``GET /seen/TAG/COUNT``
what reached it.  Requests that name no scenario (the recorded ones) are answered whatever they
hold, and are filed under ``untagged``.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

from tests.clients import (
    chat_provider,
    embeddings_provider,
    gemini_provider,
    messages_provider,
    responses_provider,
)
from tests.clients.scenarios import MARK, Reply, Text, agent_reply, reply_to

_PROVIDERS: dict[str, ModuleType] = {
    "/v1/chat/completions": chat_provider,
    "/v1/messages": messages_provider,
    "/v1/responses": responses_provider,
}
PATIENCE = 5.0
_PAGE = b"<html><head><title>502</title></head><body>bad gateway of a CDN</body></html>"


class Log:
    """What was seen, by tag; several connections write at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._records: dict[str, list[dict[str, Any]]] = {}

    def add(self, tag: str, record: dict[str, Any]) -> None:
        with self._changed:
            self._records.setdefault(tag, []).append(record)
            self._changed.notify_all()

    def take(self, tag: str, count: int) -> list[dict[str, Any]]:
        """What there is, once there are ``count`` records or some seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._records.get(tag, ())) >= count, PATIENCE)
            return self._records.pop(tag, [])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    log = Log()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the tests ask for what was seen."""

    def do_GET(self) -> None:
        """``/seen/TAG/COUNT``."""
        _, _, tag, count = self.path.split("/")
        self._json(200, self.log.take(tag, int(count)))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        path = self.path.partition("?")[0]
        gemini = gemini_provider.PATH.fullmatch(path)
        provider = gemini_provider if gemini else _PROVIDERS.get(path)
        if path in embeddings_provider.PATHS:
            self._json(*embeddings_provider.answer(json.loads(raw)))
            return
        if provider is None:
            self.log.add("untagged", {"path": self.path, "refused": ["unknown path"]})
            self._json(404, {"error": {"message": f"no such path: {self.path}"}})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw)
        mark = MARK.search(raw)
        name, tag = (mark[1].decode(), mark[2].decode()) if mark else ("", "untagged")
        if gemini:
            body = gemini_provider.spelled(body)
        refused = list(provider.check(headers, body))
        if gemini:
            body |= gemini_provider.of_path(path)
        record = {"path": self.path, "headers": headers, "body": body, "refused": refused}
        self.log.add(tag if "thread" not in body else f"{tag}-thread", record)
        # Agents say much that only their own vendor knows.
        if refused and mark and name != "agent":
            self._json(400, provider.error(400, "; ".join(refused)))
        elif "thread" in body:
            self._json(400, messages_provider.no_threads())
        else:
            self._play(provider, name, body, tag, raw)

    def _play(
        self, provider: ModuleType, name: str, body: dict[str, Any], tag: str, raw: bytes
    ) -> None:
        kind, _, detail = name.partition("-")
        if kind == "fail":
            status = int(detail)
            # What our SDKs do with it is under test; that they are told is what matters.
            self._json(
                status, provider.error(status), {"retry-after": "7"} if status == 429 else {}
            )
        elif name == "end-breaks" and not body.get("stream"):
            self._json(200, provider.answer(reply_to("plain", False)))
        elif kind == "end":
            self._end(provider, "error_event" if detail == "breaks" else detail, tag, body)
        else:
            answered = provider.has_results(body)
            if name == "agent":
                reply = agent_reply(raw, answered)
            else:
                reply = reply_to(name, answered) if name else Reply((Text("pong"),))
            if body.get("stream"):
                self._stream(provider.stream(reply, body))
            else:
                self._json(200, provider.answer(reply))

    def _end(self, provider: ModuleType, how: str, tag: str, body: dict[str, Any]) -> None:
        """The endings of stream-endings.json, and some that happen before content."""
        if not body.get("stream"):
            self._end_json(provider, how)
            return
        match how:
            case "comment":
                reply = reply_to("plain", False)
                self._stream([b": keep-alive\n\n", *provider.stream(reply, body)])
            case "page":
                self._head(200, {"content-type": "text/html"}, len(_PAGE))
                self.wfile.write(_PAGE)
            case "cut_early":
                self._stream(provider.unfinished()[:1], closing=False)
                self._cut()
            case "error_early":
                self._stream([*provider.unfinished()[:1], provider.error_event(named=True)])
            case "error_data" | "error_event":
                last = provider.error_event(named=how == "error_event")
                self._stream([*provider.unfinished(), last])
            case _ if how.startswith("pause_"):
                self._stream(self._late(provider, body, int(how[6:]) / 1000))
            case "silent_end":
                self._stream(provider.unfinished())
            case "cut":
                self._stream(provider.unfinished(), closing=False)
                # Half an event inside an unfinished chunk.
                self.wfile.write(b'ffff\r\ndata: {"id"')
                self._cut()
            case _:
                self._stream(provider.unfinished(), closing=False)
                # Nothing more comes; the other side has to give up.
                gone = self.connection.recv(1) == b""
                self.log.add(tag, {"stalled": True, "gone": gone})
                self.close_connection = True

    def _late(self, provider: ModuleType, body: dict[str, Any], pause: float) -> Iterator[bytes]:
        """Seconds of silence after the head, and then a short answer."""
        time.sleep(pause)
        yield from provider.stream(reply_to("plain", False), body)

    def _end_json(self, provider: ModuleType, how: str) -> None:
        if how == "page":
            self._head(200, {"content-type": "text/html"}, len(_PAGE))
            self.wfile.write(_PAGE)
            return
        body = json.dumps(provider.answer(reply_to("text", False))).encode()
        self._head(200, {"content-type": "application/json"}, len(body))
        self.wfile.write(body[:40])
        self._cut()

    def _cut(self) -> None:
        """Close without an end, so that the reader knows the body is not whole."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _stream(self, events: Iterable[bytes], closing: bool = True) -> None:
        self._head(200, {"content-type": "text/event-stream; charset=utf-8"}, None)
        for event in events:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            self.wfile.flush()
        if closing:
            self.wfile.write(b"0\r\n\r\n")

    def _json(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self._head(status, {"content-type": "application/json", **(headers or {})}, len(data))
        self.wfile.write(data)

    def _head(self, status: int, headers: dict[str, str], length: int | None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("x-request-id", "up-request-7")
        self.send_header("request-id", "up-request-7")
        if length is None:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(length))
        self.end_headers()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections end in every way here; anything else still has to be seen."""

        problem = sys.exception()
        if not isinstance(problem, ConnectionError):
            traceback.print_exc()


def main() -> None:
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
