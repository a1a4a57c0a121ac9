"""Endpoints beside chat: passed through with another model, or asked of Gemini."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from tests.faults.server import FaultServer, Peer
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import Gateway

PATHS = [
    "/embeddings",
    "/completions",
    "/moderations",
    "/rerank",
    "/images/generations",
    "/audio/speech",
]
FORMS = ["/images/edits", "/images/variations", "/audio/transcriptions", "/audio/translations"]
FORM_TYPE = {"content-type": "multipart/form-data; boundary=b0"}
FORM = (
    b'--b0\r\nContent-Disposition: form-data; name="model"\r\n\r\none\r\n'
    b'--b0\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    b"\x00\xff\r\n--b0--\r\n"
)


def gateway(serve: Serve, first: FaultServer, second: FaultServer) -> Gateway:
    return serve(two(provider(first), provider(second)))


@pytest.mark.parametrize("prefix", ["/v1", ""])
@pytest.mark.parametrize("path", PATHS)
def test_json_passes_through(
    serve: Serve, first: FaultServer, second: FaultServer, path: str, prefix: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(200, b'{"ok": 1.0, "usage": {"prompt_tokens": 4, "total_tokens": 4}}')

    first.script = script
    served = gateway(serve, first, second)
    body = b'{ "x": 1.00, "model": "one","input":["a"]}'
    answer = served.ask(f"{prefix}{path}", body)
    assert answer.status == 200
    assert answer.body == b'{"ok": 1.0, "usage": {"prompt_tokens": 4, "total_tokens": 4}}'
    assert answer.headers["x-plexus-model"] == "m"
    (request,) = first.requests
    assert request.path == f"/v1{path}"
    assert request.body == body.replace(b'"one"', b'"m"')
    assert request.headers["authorization"].startswith("Bearer sk-upstream")
    assert served.sink.wait_requests(1)[0]["tokens_in"] == 4


@pytest.mark.parametrize("path", PATHS)
def test_A18_a_key_that_stands_twice(
    serve: Serve, first: FaultServer, second: FaultServer, path: str
) -> None:
    answer = gateway(serve, first, second).ask(f"/v1{path}", b'{"model":"two","model":"one"}')
    assert (answer.status, answer.error["param"]) == (400, "model")
    assert answer.error["code"] == "plexus_bad_json"
    assert not first.requests


@pytest.mark.parametrize("path", FORMS)
def test_forms_pass_through(
    serve: Serve, first: FaultServer, second: FaultServer, path: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(200, b"1\n00:00 --> 00:01\nhi\n", "text/plain; charset=utf-8")

    first.script = script
    answer = gateway(serve, first, second).ask(f"/v1{path}", FORM, headers=FORM_TYPE)
    assert (answer.status, answer.body) == (200, b"1\n00:00 --> 00:01\nhi\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    (request,) = first.requests
    assert request.body == FORM.replace(b"\r\n\r\none\r\n", b"\r\n\r\nm\r\n")
    assert request.headers["content-type"] == FORM_TYPE["content-type"]


def test_binary_answers_keep_their_type(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    sound = bytes(range(256)) * 40

    async def script(peer: Peer) -> None:
        await peer.answer(200, sound, "audio/mpeg")

    first.script = script
    answer = gateway(serve, first, second).ask("/v1/audio/speech", {"model": "one", "input": "hi"})
    assert (answer.body, answer.headers["content-type"]) == (sound, "audio/mpeg")


EVENTS = [b'data: {"choices":[{"text":"a"}]}\n\n', b'data: {"choices":[]}\n\n', b"data: [DONE]\n\n"]


def test_a_stream_passes_through(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    async def script(peer: Peer) -> None:
        await peer.stream(*EVENTS)

    first.script = script
    served = gateway(serve, first, second)
    answer = served.ask("/v1/completions", {"model": "one", "prompt": "x", "stream": True})
    assert answer.body == b"".join(EVENTS)
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_stream_that_breaks_says_so(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    async def script(peer: Peer) -> None:
        await peer.stream(EVENTS[0], end=False)
        peer.close()

    first.script = second.script = script
    answer = gateway(serve, first, second).ask(
        "/v1/completions", {"model": "m", "prompt": "x", "stream": True}
    )
    assert answer.body.startswith(EVENTS[0])
    assert b'"error"' in answer.body
    assert len(second.requests) == 0


@pytest.mark.parametrize("stream", [False, True])
def test_failover(serve: Serve, first: FaultServer, second: FaultServer, stream: bool) -> None:
    async def bad(peer: Peer) -> None:
        await peer.answer(503, b'{"error": {"message": "busy"}}')

    async def error_event(peer: Peer) -> None:
        await peer.stream(b'data: {"error": {"message": "busy", "type": "server_error"}}\n\n')

    async def good(peer: Peer) -> None:
        await (peer.stream(*EVENTS) if stream else peer.answer(200, b'{"ok": 1}'))

    first.script, second.script = (error_event if stream else bad), good
    served = gateway(serve, first, second)
    asked = {"model": "m", "prompt": "x", "stream": stream}
    answer = served.ask("/v1/completions", asked)
    assert (answer.status, answer.headers["x-plexus-provider"]) == (200, "second")
    alone = served.ask("/v1/completions", {**asked, "model": "one"})
    assert alone.status == 503 or alone.status >= 500
    assert "busy" in alone.error["message"]


def test_what_is_refused(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    served = serve(two(provider(first, "anthropic-messages"), provider(second)))
    answer = served.ask("/v1/embeddings", {"model": "one", "input": "x"})
    assert answer.status == 400
    assert answer.error["message"] == "first/m does not serve embeddings"
    for body, param in ((b"--b0--\r\n", "model"), (b"--b0", None)):
        answer = served.ask("/v1/audio/transcriptions", body, headers=FORM_TYPE)
        assert (answer.status, answer.error["param"]) == (400, param)
    assert served.ask("/v1/embeddings", {"input": "x"}).error["param"] == "model"
    # A form is for the endpoints that take files.
    assert served.ask("/v1/chat/completions", FORM, headers=FORM_TYPE).status == 400
    assert served.ask("/aliases/one/v1/embeddings", {"input": "x"}).status == 400
    assert not first.requests and not second.requests


VECTOR = [0.5, -0.25, 1.0]
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()


@pytest.mark.parametrize("given", [VECTOR, PACKED], ids=["floats", "base64"])
@pytest.mark.parametrize("wanted", [None, "float", "base64"])
def test_embeddings_come_as_asked(
    serve: Serve, first: FaultServer, second: FaultServer, wanted: str | None, given: Any
) -> None:
    """Not every vendor looks at ``encoding_format``; not every client reads both."""
    data = [{"object": "embedding", "index": 0, "embedding": given}]
    body = json.dumps({"object": "list", "data": data, "model": "m"}).encode()

    async def script(peer: Peer) -> None:
        await peer.answer(200, body)

    first.script = script
    asked = {"model": "one", "input": "x"} | ({"encoding_format": wanted} if wanted else {})
    answer = gateway(serve, first, second).ask("/v1/embeddings", asked)
    expected = PACKED if wanted == "base64" else VECTOR
    assert answer.json["data"][0]["embedding"] == expected
    if expected == given:
        assert answer.body == body


def test_echo_embeds(serve: Serve) -> None:
    served = serve({"providers": {"e": {"type": "echo"}}, "aliases": {"a": {"targets": ["e/m"]}}})
    asked = {"model": "a", "input": ["one two", "three"], "dimensions": 16}
    answer = served.ask("/v1/embeddings", asked)
    vectors = [item["embedding"] for item in answer.json["data"]]
    assert [len(vector) for vector in vectors] == [16, 16]
    assert sum(value * value for value in vectors[0]) == pytest.approx(1)
    assert answer.json["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert served.ask("/v1/embeddings", asked).body == answer.body
    assert served.ask("/v1/embeddings", {"model": "a", "input": [1, 2]}).status == 400
    assert served.ask("/v1/moderations", {"model": "a", "input": "x"}).status == 404
