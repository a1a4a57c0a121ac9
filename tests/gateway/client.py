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
        self._text = b""
        self.status = 0

    def begin(self, mark: bytes) -> None:
        """Read until ``mark`` has come."""
        self._response.begin()
        self.status = self._response.status
        while mark not in self._text:
            data = self._response.read1()
            assert data, self._text
            self._text += data

    def ending(self) -> Ending:
        """How the answer ends, as a client's HTTP library and SDK see it."""
        try:
            if not self.status:
                self._response.begin()
                self.status = self._response.status
            self._text += self._response.read()
        except (http.client.HTTPException, ConnectionError):
            return "cut"
        finally:
            self.close()
        if self._text.startswith(b"{"):
            return "error" if "error" in json.loads(self._text) else "complete"
        last = self._text.decode().rstrip("\n").split("\n\n")[-1]
        if last == "data: [DONE]" or last.startswith("event: message_stop\n"):
            return "complete"
        data = last.partition("data: ")[2]
        return "error" if data.startswith("{") and "error" in json.loads(data) else "cut"

    def close(self) -> None:
        self._response.close()
        self._sock.close()


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
