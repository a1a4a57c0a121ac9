"""Gemini's routes: the model in the path, two framings, keys in three places, the model list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from plexus.gateway.limits import Limits
from tests.faults.server import FaultServer, Peer
from tests.gateway import wire
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import Answer, Gateway, gateway, post, read_all, read_until

CONTENTS = [{"role": "user", "parts": [{"text": "say something"}]}]
BODY = {"contents": CONTENTS}
CONFIG = {
    "direct": True,
    "providers": {"echo": {"type": "echo", "models": {"one": {"context_window": 9000}}}},
    "aliases": {
        "fast": {"targets": ["echo/one"]},
        "org/deep:v2": {"targets": ["echo/one"]},
        "veiled": {"targets": ["echo/one"], "reveal_model": False},
    },
}
NAMES = ["echo/one", "fast", "org/deep:v2", "veiled"]
SECRET = "sk-client-0123456789abcdef"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(CONFIG, tmp_path_factory.mktemp("gemini")) as found:
        yield found


def call(model: str, verb: str = "generateContent", version: str = "v1beta") -> str:
    return f"/{version}/models/{model}:{verb}"


STREAM = "streamGenerateContent"


def said(answer: Any) -> str:
    """The text of an answer, or of all events of a stream."""
    events = answer if isinstance(answer, list) else [answer]
    parts = [part for event in events for part in event["candidates"][0]["content"]["parts"]]
    return "".join(part["text"] for part in parts if not part.get("thought"))


def events(answer: Answer) -> list[Any]:
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    blocks = answer.body.decode().split("\n\n")
    assert blocks[-1] == ""
    assert all(block.startswith("data: {") for block in blocks[:-1])
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-1]]


# -- the model in the path ---------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1beta", "v1", "v1alpha"])
@pytest.mark.parametrize("model", [*NAMES, "org%2Fdeep%3Av2"])
def test_T91_a_model_answers_whatever_its_name(served: Gateway, model: str, version: str) -> None:
    answer = served.ask(call(model, version=version), BODY)
    assert answer.status == 200, answer.body
    assert said(answer.json) == "say something"
    assert answer.json["candidates"][0]["finishReason"] == "STOP"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("prefix", ["/aliases/fast", "/targets/echo/one"])
@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_pinned_addresses_ignore_the_model_of_the_path(
    served: Gateway, prefix: str, version: str
) -> None:
    path = f"{prefix}{call('whatever/else', version=version)}"
    assert said(served.ask(path, BODY).json) == "say something"
    stream = f"{prefix}{call('any', STREAM, version)}?alt=sse"
    assert said(events(served.ask(stream, BODY))) == "say something"
    listed = served.ask(f"{prefix}/v1beta/models").json
    assert [model["name"] for model in listed["models"]] == [f"models/{prefix.partition('s/')[2]}"]


def test_unknown_models_and_verbs(served: Gateway) -> None:
    unknown = served.ask(call("fats"), BODY)
    assert (unknown.status, unknown.error["status"]) == (404, "NOT_FOUND")
    assert "did you mean 'fast'" in unknown.error["message"].lower()
    assert unknown.headers["x-should-retry"] == "false"
    for verb in ("predict", "batchGenerateContent", "frobnicate"):
        answer = served.ask(call("fast", verb), BODY)
        assert (answer.status, answer.error["status"]) == (404, "NOT_FOUND")
        assert answer.headers["x-should-retry"] == "false"
    elsewhere = served.ask("/v1beta/interactions", BODY)
    assert (elsewhere.status, elsewhere.error["status"]) == (404, "NOT_FOUND")
    assert served.ask("/aliases/nope" + call("fast"), BODY).error["code"] == 404


def test_a_body_that_is_refused(served: Gateway) -> None:
    broken = served.ask(call("fast"), b"{")
    assert (broken.status, broken.error["status"]) == (400, "INVALID_ARGUMENT")
    no_contents = served.ask(call("veiled"), {"tools": []})
    assert (no_contents.status, no_contents.error["status"]) == (400, "INVALID_ARGUMENT")
    violations = no_contents.error["details"][0]["fieldViolations"]
    assert violations[0]["field"] == "contents"


@pytest.mark.parametrize(
    "verb", ["generateContent", "streamGenerateContent?alt=sse", "countTokens"]
)
@pytest.mark.parametrize("model", ["fast", "veiled"])
def test_A18_a_key_that_stands_twice(served: Gateway, model: str, verb: str) -> None:
    twice = b'{"contents":%b,"contents":%b}' % (2 * (json.dumps(CONTENTS).encode(),))
    answer = served.ask(call(model, verb), twice)
    assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")
    assert "'contents' twice" in answer.error["message"]


# -- the two framings --------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["?alt=sse", "?key=any&alt=sse", "?$alt=sse"])
def test_events(served: Gateway, query: str) -> None:
    found = events(served.ask(call("fast", STREAM) + query, BODY))
    assert said(found) == "say something"
    assert len(found) > 2
    assert found[-1]["candidates"][0]["finishReason"] == "STOP"
    assert found[-1]["usageMetadata"]["promptTokenCount"] == 2


@pytest.mark.parametrize("query", ["", "?alt=json", "?key=any", "?%24alt=json%3Benum-encoding=int"])
def test_an_array(served: Gateway, query: str) -> None:
    answer = served.ask(call("fast", STREAM) + query, BODY)
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    found = answer.json
    assert said(found) == "say something"
    assert len(found) > 2
    assert found[-1]["candidates"][0]["finishReason"] == "STOP"


def test_a_hidden_model_is_hidden_in_every_form(served: Gateway) -> None:
    whole = served.ask(call("veiled"), BODY).json
    streamed = events(served.ask(call("veiled", STREAM) + "?alt=sse", BODY))
    array = served.ask(call("veiled", STREAM), BODY).json
    for event in (whole, *streamed, *array):
        assert event["modelVersion"] == "veiled"


def test_errors_in_an_array(served: Gateway) -> None:
    """Google wraps errors on the route without ``alt=sse`` (errors.md §3)."""
    (refused,) = served.ask(call("fats", STREAM), BODY).json
    assert refused["error"]["status"] == "NOT_FOUND"
    failing = {"contents": [{"parts": [{"text": "echo:error 429 slow down"}]}]}
    assert served.ask(call("fast", STREAM), failing).status == 429
    cut = {"contents": [{"parts": [{"text": "echo:cut 2\none two three four"}]}]}
    answer = served.ask(call("fast", STREAM), cut)
    assert answer.status == 200
    *content, error = answer.json
    assert said(content) == "one two "
    assert (error["error"]["code"], error["error"]["status"]) == (502, "INTERNAL")


def test_an_error_in_events(served: Gateway) -> None:
    cut = {"contents": [{"parts": [{"text": "echo:cut 2\none two three four"}]}]}
    *content, error = events(served.ask(call("fast", STREAM) + "?alt=sse", cut))
    assert said(content) == "one two "
    assert (error["error"]["code"], error["error"]["status"]) == (502, "INTERNAL")


def gemini(server: FaultServer, **more: Any) -> dict[str, Any]:
    found = provider(server, "gemini", **more)
    return {**found, "api_base_url": f"http://127.0.0.1:{server.port}/v1beta"}


def answers(*pieces: bytes) -> Any:
    async def script(peer: Peer) -> None:
        await peer.stream(*pieces)

    return script


@pytest.mark.parametrize("query", ["?alt=sse", ""])
def test_signs_of_life(serve: Serve, first: FaultServer, second: FaultServer, query: str) -> None:
    """Only white space: Google's SDK raises on comments (traps T51)."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await go.wait()
        await peer.stream(*wire.gemini_stream())

    first.script = script
    served = serve(two(gemini(first), gemini(second)), limits=Limits(keep_alive=0.05))
    sock = served.raw(post(call("m", STREAM) + query, json.dumps(BODY).encode()))
    early = read_until(sock, b"\r\n\r\n1\r\n\n\r\n1\r\n\n\r\n")
    assert b"200 OK" in early
    first.call(go.set)
    rest = read_until(sock, b"\r\n0\r\n\r\n")
    sock.close()
    assert b'"text": "h"' in rest or b'"text":"h"' in rest
    assert b":" not in early.partition(b"\r\n\r\n")[2]


def test_all_targets_failed_after_a_sign_of_life(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    """Headers are out, so the error is an element of an array that has no other."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await go.wait()
        await peer.answer(503, wire.gemini_error())

    first.script = second.script = script
    served = serve(two(gemini(first), gemini(second)), limits=Limits(keep_alive=0.05))
    sock = served.raw(post(call("one", STREAM), json.dumps(BODY).encode()))
    read_until(sock, b"\r\n\r\n1\r\n\n\r\n")
    first.call(go.set)
    rest = read_until(sock, b"\r\n0\r\n\r\n")
    sock.close()
    assert b'[{"error":{"code":503' in rest
    assert b"}]\r\n0\r\n" in rest


@pytest.mark.parametrize(("query", "start"), [("?alt=sse", b"data: "), ("", b",\r\n")])
def test_a_server_that_stops_says_so_in_the_framing(
    serve: Serve, first: FaultServer, second: FaultServer, query: str, start: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head(200, "text/event-stream", transfer_encoding="chunked")
        await peer.chunk(wire.gemini_stream()[0])
        await peer.stall()

    first.script = script
    served = serve(two(gemini(first), gemini(second)), drain=0.05)
    sock = served.raw(post(call("one", STREAM) + query, json.dumps(BODY).encode()))
    read_until(sock, b'"h"')
    served.loop.call_soon_threadsafe(served.server.stop)
    rest = read_all(sock)
    sock.close()
    assert start + b'{"error":{"code":503' in rest


# -- providers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["?alt=sse", ""])
def test_the_provider_is_always_asked_for_events(
    serve: Serve, first: FaultServer, second: FaultServer, query: str
) -> None:
    first.script = answers(*wire.gemini_stream())
    served = serve(two(gemini(first), gemini(second)))
    answer = served.ask(call("one", STREAM) + query, BODY)
    assert said(events(answer) if query else answer.json) == "hello"
    (request,) = first.requests
    assert request.path == "/v1beta/models/m:streamGenerateContent?alt=sse"
    assert request.headers["x-goog-api-key"] == "sk-upstream-51c0ffee"
    assert request.body == json.dumps(BODY).encode()
    if query:
        assert answer.body == b"".join(wire.gemini_stream())


@pytest.mark.parametrize("query", ["?alt=sse", ""])
def test_a_provider_that_answers_with_an_array(
    serve: Serve, first: FaultServer, second: FaultServer, query: str
) -> None:
    body = b"[%b]" % b",\r\n".join(p.removeprefix(b"data: ") for p in wire.gemini_stream())

    async def script(peer: Peer) -> None:
        await peer.answer(200, body)

    first.script = script
    served = serve(two(gemini(first), gemini(second)))
    answer = served.ask(call("one", STREAM) + query, BODY)
    assert said(events(answer) if query else answer.json) == "hello"


@pytest.mark.parametrize("query", ["?alt=sse", ""])
def test_a_provider_of_another_dialect(
    serve: Serve, first: FaultServer, second: FaultServer, query: str
) -> None:
    first.script = answers(*wire.chat_stream())
    second.script = answers(*wire.message_stream())
    served = serve(two(provider(first), provider(second, "anthropic-messages")))
    for model in ("one", "other"):
        answer = served.ask(call(model, STREAM) + query, BODY)
        found = events(answer) if query else answer.json
        assert said(found) == "hello"
        assert found[-1]["candidates"][0]["finishReason"] == "STOP"


def test_failover_before_content(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    first.script = answers(wire.gemini_event({"error": {"code": 503, "message": "busy"}}))
    second.script = answers(*wire.gemini_stream())
    served = serve(two(gemini(first), gemini(second)))
    answer = served.ask(call("m", STREAM) + "?alt=sse", BODY)
    assert said(events(answer)) == "hello"
    assert answer.headers["x-plexus-attempts"] == "2"


@pytest.mark.parametrize(
    ("tools", "again"),
    [
        ([{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}], True),
        ([{"functionDeclarations": [{"name": "f"}]}, {"codeExecution": {}}], False),
        ([{"googleSearch": {}, "functionDeclarations": []}], False),
    ],
)
def test_what_google_may_have_run_is_not_sent_twice(
    serve: Serve, first: FaultServer, second: FaultServer, tools: Any, again: bool
) -> None:
    async def script(peer: Peer) -> None:
        peer.close()

    async def fine(peer: Peer) -> None:
        await peer.answer(200, json.dumps(wire.gemini()).encode())

    first.script, second.script = script, fine
    served = serve(two(gemini(first), gemini(second)))
    answer = served.ask(call("m"), {**BODY, "tools": tools})
    assert answer.status == (200 if again else 502)
    assert len(second.requests) == again


def test_a_bare_error_is_said_again_as_an_event(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    """Google's SDK does not read an error without ``data:`` (streaming.md §1)."""
    first.script = answers(wire.gemini_stream()[0], wire.gemini_error() + b"\n")
    served = serve(two(gemini(first), gemini(second)))
    content, error = events(served.ask(call("one", STREAM) + "?alt=sse", BODY))
    assert said(content) == "h"
    assert error["error"]["status"] == "UNAVAILABLE"


def test_T92_a_refused_credential_is_ours(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    """Google says 400 to a wrong key, which the client must not take for its own."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    error = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}
    body = json.dumps({"error": {**error, "details": details}}).encode()

    async def script(peer: Peer) -> None:
        await peer.answer(400, body)

    first.script = script
    served = serve(two(gemini(first), gemini(second)))
    answer = served.ask(call("one"), BODY)
    assert (answer.status, answer.error["status"]) == (502, "INTERNAL")


# -- keys --------------------------------------------------------------------------------------


def test_T99_keys_are_taken_from_header_and_query_and_never_logged(serve: Serve) -> None:
    keys = {"me": {"secret": {"env": "CLIENT_KEY"}}}
    served = serve({**CONFIG, "keys": keys}, environment={"CLIENT_KEY": SECRET})
    assert served.ask(call("fast"), BODY).status == 401
    assert served.ask(call("fast"), BODY).error["status"] == "UNAUTHENTICATED"
    assert served.ask(call("fast") + "?key=wrong", BODY).status == 401
    assert served.ask(f"{call('fast')}?key={SECRET}", BODY).status == 200
    assert served.ask(call("fast"), BODY, headers={"x-goog-api-key": SECRET}).status == 200
    assert served.ask(f"/v1beta/models?key={SECRET}").status == 200
    assert SECRET not in repr(served.sink.wait_requests(6))


# -- the list ----------------------------------------------------------------------------------


def test_the_list_in_its_shape(served: Gateway) -> None:
    found = served.ask("/v1beta/models").json
    assert [model["name"] for model in found["models"]] == [f"models/{name}" for name in NAMES]
    assert "nextPageToken" not in found
    one = served.ask("/v1beta/models/org/deep:v2").json
    assert (one["name"], one["displayName"]) == ("models/org/deep:v2", "org/deep:v2")
    assert one["supportedGenerationMethods"] == [
        "generateContent",
        "streamGenerateContent",
        "countTokens",
    ]
    assert served.ask("/v1beta/models/echo/one").json["inputTokenLimit"] == 9000
    assert served.ask("/v1beta/models/nope").error["status"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-goog-api-key": "k"}, ""),
        ({"x-goog-api-client": "google-genai-sdk/3.4.0"}, ""),
        ({}, "?key=k"),
    ],
)
def test_T90_the_shared_path_in_googles_shape(
    served: Gateway, headers: dict[str, str], query: str
) -> None:
    """google-genai 3.x lists ``/v1/models`` (models-embeddings.md §1)."""
    listed = served.ask(f"/v1/models{query}", headers=headers).json
    assert [model["name"] for model in listed["models"]] == [f"models/{name}" for name in NAMES]
    one = served.ask(f"/v1/models/fast{query}", headers=headers).json
    assert one["name"] == "models/fast"
    assert "data" in served.ask("/v1/models", headers={"authorization": "Bearer k"}).json


def test_pages_of_the_list(served: Gateway) -> None:
    page = served.ask("/v1beta/models?pageSize=3").json
    assert [model["name"] for model in page["models"]] == [f"models/{n}" for n in NAMES[:3]]
    rest = served.ask(f"/v1beta/models?pageSize=3&pageToken={page['nextPageToken']}").json
    assert [model["name"] for model in rest["models"]] == [f"models/{n}" for n in NAMES[3:]]
    assert "nextPageToken" not in rest
    for query in ("pageSize=0", "pageSize=x", "pageToken=nope"):
        assert served.ask(f"/v1beta/models?{query}").error["status"] == "INVALID_ARGUMENT"
