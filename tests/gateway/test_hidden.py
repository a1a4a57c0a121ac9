"""What a client must not see: pages, our credential's trouble, and providers that are hidden."""

from __future__ import annotations

import gzip
import json
import select
import socket
from typing import Any

import pytest

from plexus.gateway.limits import Limits
from tests.faults.server import DEADLINE, FaultServer, Peer, Script
from tests.gateway import wire
from tests.gateway.conftest import Serve, provider
from tests.gateway.harness import CHAT, MESSAGES, SAY, Gateway, post

DIALECTS = {"openai-chat": CHAT, "anthropic-messages": MESSAGES}
PAGE = b"\n<!doctype html><title>hello</title>"
SECRET = b"key 51c0ffee is not valid"


def one(server: FaultServer, dialect: str = "openai-chat", **alias: Any) -> dict[str, Any]:
    own = {**provider(server, dialect), "models": ["gadget-9"]}
    return {"providers": {"acme": own}, "aliases": {"a": {"targets": ["acme/gadget-9"], **alias}}}


def says(status: int, body: bytes, kind: str = "application/json", **headers: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.answer(status, body, kind, **headers)

    return script


@pytest.mark.parametrize("kind", ["TEXT/HTML; charset=x", "text/plain", "application/json"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_C16_a_page_is_never_passed_on(
    serve: Serve, first: FaultServer, dialect: str, kind: str
) -> None:
    first.script = says(503, PAGE, kind)
    answer = serve(one(first, dialect)).ask(DIALECTS[dialect], model="a")
    assert answer.status >= 500
    assert answer.headers["content-type"] == "application/json"
    assert "error" in answer.json and b"<" not in answer.body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_C23_an_error_in_a_coding_is_not_passed_on(
    serve: Serve, first: FaultServer, dialect: str
) -> None:
    packed = gzip.compress(wire.chat_error())
    first.script = says(500, packed, content_encoding="gzip")
    answer = serve(one(first, dialect)).ask(DIALECTS[dialect], model="a")
    assert answer.status == 500
    assert "error" in answer.json


OPERATIONS = ["/v1/embeddings", "/v1/completions"]


@pytest.mark.parametrize("path", OPERATIONS)
def test_operations_hide_it_too(serve: Serve, first: FaultServer, path: str) -> None:
    served = serve(one(first))
    body = json.dumps({"error": {"message": SECRET.decode(), "code": "api_key_invalid"}})
    for status in (400, 401):
        first.script = says(status, body.encode())
        answer = served.ask(path, {"model": "a"})
        assert answer.status == 502
        assert b"51c0ffee" not in answer.body
    first.script = says(503, PAGE, "text/plain")
    assert "error" in served.ask(path, {"model": "a"}).json


def test_what_begins_like_a_page_may_be_an_answer(serve: Serve, first: FaultServer) -> None:
    first.script = says(200, b"<laughs> hello", "text/plain")
    form = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\na\r\n--b--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=b"}
    answer = serve(one(first)).ask("/v1/audio/transcriptions", form, headers=kind)
    assert (answer.status, answer.body) == (200, b"<laughs> hello")


HIDING = {"reveal_model": False}
VENDOR = {"x_request_id": "req_acme", "x_ratelimit_limit_requests": "5"}
WORDS = '"model acme/gadget-9 of acme is overloaded"'


def broken(dialect: str, how: str) -> Script:
    """A stream that says something and then fails."""

    async def script(peer: Peer) -> None:
        chat = dialect == "openai-chat"
        pieces = wire.chat_stream()[:2] if chat else wire.message_stream()[:3]
        await peer.head(200, "text/event-stream", transfer_encoding="chunked", **VENDOR)
        for piece in pieces:
            await peer.chunk(piece)
        if how == "error":
            error = b'{"type":"error","error":{"type":"overloaded_error","message":%b}}'
            name = b"" if chat else b"event: error\n"
            await peer.chunk(name + b"data: " + error % WORDS.encode() + b"\n\n")
        if how != "cut":
            await peer.raw(b"0\r\n\r\n")
        peer.close()

    return script


@pytest.mark.parametrize("how", ["error", "end", "cut"])
@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_C14_a_hidden_provider_shows_in_no_stream(
    serve: Serve, first: FaultServer, client: str, upstream: str, how: str
) -> None:
    first.script = broken(upstream, how)
    shown = serve(one(first, upstream)).ask(DIALECTS[client], model="a", stream=True)
    assert b"acme" in shown.body
    assert shown.headers["x-plexus-upstream-request-id"] == "req_acme"
    hidden = serve(one(first, upstream, **HIDING)).ask(DIALECTS[client], model="a", stream=True)
    assert hidden.status == 200 and b"error" in hidden.body
    assert b"acme" not in hidden.body and b"gadget" not in hidden.body
    assert not [name for name in hidden.headers if "ratelimit" in name or "upstream" in name]


@pytest.mark.parametrize("path", OPERATIONS)
def test_C14_nor_in_operations(serve: Serve, first: FaultServer, path: str) -> None:
    first.script = says(200, b'{"model": "gadget-9", "data": []}', **VENDOR)
    answer = serve(one(first, **HIDING)).ask(path, {"model": "a", "input": "x"})
    assert answer.body == b'{"model": "a", "data": []}'
    assert "x-plexus-upstream-request-id" not in answer.headers


def test_a_completions_stream_needs_its_end(serve: Serve, first: FaultServer) -> None:
    """D7: an end that was not said is none."""

    async def script(peer: Peer) -> None:
        await peer.stream(b'data: {"model":"gadget-9","choices":[{"text":"x"}]}\n\n')

    first.script = script
    asked = {"model": "a", "prompt": "x", "stream": True}
    answer = serve(one(first, **HIDING)).ask("/v1/completions", asked)
    assert answer.body.startswith(b'data: {"model":"a"')
    assert b'"error"' in answer.body


def hung_up(served: Gateway, body: dict[str, Any]) -> bool:
    """Ask and never read: whether the gateway hangs up before the deadline."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", served.port))
        sock.sendall(post(CHAT, json.dumps({"messages": SAY, **body}).encode()))
        poll = select.poll()
        poll.register(sock, 0)
        return bool(poll.poll(DEADLINE * 1000))


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_never_reads_is_hung_up_on(
    serve: Serve, first: FaultServer, stream: bool
) -> None:
    """A4: a large answer does not wait for ever for somebody who does not take it."""
    size = 24 * 1024 * 1024
    first.script = says(200, wire.chat("x" * size))
    served = serve(one(first), limits=Limits(stalled=0.3))
    assert hung_up(served, {"model": "a", "stream": stream})
    # The control: who reads gets it all.
    assert len(served.ask(model="a", stream=stream).body) > size
