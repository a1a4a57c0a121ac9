"""A client that reads as far as it is told, and sees how its answer ends."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Literal

from tests.gateway.harness import post

DEADLINE = 60.0
"""Seconds: longer than a server drains."""

Ending = Literal["complete", "error", "cut"]


class Client:
    """One call, read as far as a test wants; ``said`` is what the user says in it."""

    def __init__(
        self, port: int, path: str, model: str, stream: bool = True, said: str = "hi"
    ) -> None:
        messages = [{"role": "user", "content": said}]
        body = {"model": model, "messages": messages, "max_tokens": 9, "stream": stream}
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self._sock.sendall(post(path, json.dumps(body).encode()))
        self._response = http.client.HTTPResponse(self._sock)
        self.text = b""
        self.status = 0

    def begin(self, mark: bytes) -> None:
        """Read until ``mark`` has come."""
        self._response.begin()
        self.status = self._response.status
        while mark not in self.text:
            data = self._response.read1()
            assert data, self.text
            self.text += data

    def ending(self) -> Ending:
        """How the answer ends, as a client's HTTP library and SDK see it."""
        try:
            if not self.status:
                self._response.begin()
                self.status = self._response.status
            self.text += self._response.read()
        except (http.client.HTTPException, ConnectionError):
            return "cut"
        finally:
            self.close()
        if self.text.startswith(b"{"):
            return "error" if "error" in json.loads(self.text) else "complete"
        return sse_ending(self.text)

    def close(self) -> None:
        self._response.close()
        self._sock.close()


def sse_ending(raw: bytes) -> Ending:
    """How SDKs see a stream end: with an error they notice, with its end, or with neither."""
    finished = False
    for block in raw.decode(errors="replace").split("\n\n"):
        lines = block.split("\n")
        event = "".join(line[7:] for line in lines if line.startswith("event: "))
        data = "\n".join(line[6:] for line in lines if line.startswith("data: "))
        if data == "[DONE]" or event == "message_stop":
            return "complete"
        if event == "error" or (not event and data.startswith('{"error":')):
            return "error"
        finished = finished or '"finish_reason": "stop"' in data or '"finish_reason":"stop"' in data
    return "complete" if finished else "cut"


class Idle:
    """A kept-alive connection on which nothing happens until the server begins to stop."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self._sock.sendall(b"GET /readyz HTTP/1.1\r\nhost: plexus\r\n\r\n")
        response = http.client.HTTPResponse(self._sock)
        response.begin()
        assert response.status == 200
        response.read()

    def wait_stopping(self) -> None:
        assert self._sock.recv(1) == b""
        self._sock.close()
