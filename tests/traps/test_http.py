"""Traps T89 to T100: HTTP, keys, lists, one test a trap (``reference/traps.md`` F)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest

from tests.faults.server import FaultServer, Peer
from tests.gateway.conftest import Serve, first, second, serve
from tests.gateway.harness import ENVIRONMENT, Answer, Gateway, gateway
from tests.traps.dialects import (
    CHAT,
    CLIENTS,
    CONVERSE,
    GEMINI,
    MESSAGES,
    PAIRS,
    PROVIDERS,
    RESPONSES,
    Json,
    Text,
    answer,
    chunk,
    data,
    events,
    frame,
    named,
    stream,
    whole,
)
from tests.traps.serving import (
    EVENT_STREAM,
    Served,
    begin,
    body_of,
    config,
    everything,
    hello,
    path_of,
    says,
    spoken,
    streams,
)

__all__ = ["first", "second", "serve"]

SECRET = "sk-client-0123456789abcdef"
MODELS: Json = {"one": {"context_window": 9000}, "org/two:v1": {}, "org/v1/three": {}}
ECHO: Json = {
    "direct": True,
    "keys": {"me": {"secret": {"env": "CLIENT_KEY"}}},
    "providers": {"echo": {"type": "echo", "models": MODELS}},
    "aliases": {
        "fast": {
            "targets": ["echo/one"],
            "description": "Quick",
            "additional_aliases": ["claude-fast", "anthropic/fast:v2"],
        },
        "org/deep:v2:beta": {"targets": ["echo/one"]},
    },
}


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server with a client key; every alias is answered in process."""
    secrets = {**ENVIRONMENT, "CLIENT_KEY": SECRET}
    with gateway(ECHO, tmp_path_factory.mktemp("echo"), environment=secrets) as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with everything(tmp_path_factory.mktemp("served")) as found:
        yield found


def error_dialect(body: bytes) -> str:
    """The dialect an error body is in; chat and Responses share theirs."""
    found = json.loads(body)
    if found.get("type") == "error":
        return MESSAGES
    return GEMINI if "status" in found["error"] else CHAT


KEYS = {
    "bearer": {"authorization": f"Bearer {SECRET}"},
    "x-api-key": {"x-api-key": SECRET},
    "x-goog-api-key": {"x-goog-api-key": SECRET},
    "api-key": {"api-key": SECRET},
}


@pytest.mark.parametrize("client", CLIENTS)
def test_T89_a_key_in_any_header_and_the_dialect_by_its_path(echo: Gateway, client: str) -> None:
    """Anthropic's SDK sends Bearer, others send Anthropic's header to OpenAI's paths."""
    body = body_of(client, "fast", hello(client), False)
    path = path_of(client, "fast", False)
    for headers in KEYS.values():
        found = echo.ask(path, body, headers=headers)
        assert found.status == 200, found.body
        assert whole(client, found.body).text
        wrong = {name: value.replace("sk-client", "sk-other") for name, value in headers.items()}
        for refused in (echo.ask(path, body, headers=wrong), echo.ask(path, body)):
            assert refused.status == 401
            assert error_dialect(refused.body) == (CHAT if client == RESPONSES else client)
    if client == GEMINI:
        assert echo.ask(f"{path}?key={SECRET}", body).status == 200


LISTS = {
    "anthropic-version": ("/v1/models?limit=1000", {"anthropic-version": "2023-06-01"}, MESSAGES),
    "x-api-key": ("/v1/models?limit=1000", {"x-api-key": SECRET}, MESSAGES),
    "bearer": ("/v1/models", {}, CHAT),
    "goog": ("/v1/models", {"x-goog-api-key": SECRET}, GEMINI),
    "goog-client": ("/v1/models", {"x-goog-api-client": "google-genai-sdk/3.4.0"}, GEMINI),
    "v1beta": ("/v1beta/models", {}, GEMINI),
}


@pytest.mark.parametrize("how", LISTS)
def test_T90_the_list_of_models_in_the_caller_s_shape(echo: Gateway, how: str) -> None:
    """Three dialects share the path; entries have OpenAI's and Anthropic's fields at once."""
    path, headers, dialect = LISTS[how]
    found = echo.ask(path, headers={**KEYS["bearer"], **headers}).json
    if dialect == GEMINI:
        assert {"models/fast", "models/org/deep:v2:beta"} <= {m["name"] for m in found["models"]}
        return
    assert ("has_more" in found) == (dialect == MESSAGES)
    assert ("object" in found) == (dialect == CHAT)
    entries = {entry["id"]: entry for entry in found["data"]}
    assert {"fast", "claude-fast", "org/deep:v2:beta", "echo/one"} <= entries.keys()
    for entry in entries.values():
        assert (entry["object"], entry["type"]) == ("model", "model")
        assert isinstance(entry["created"], int) and isinstance(entry["owned_by"], str)
        assert entry["created_at"].endswith("Z") and entry["display_name"]
        assert entry["max_input_tokens"] in (9000, None)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@pytest.mark.parametrize(
    "model",
    ["fast", "org/deep:v2:beta", "anthropic/fast:v2", "echo/org/two:v1", "echo/org/v1/three"],
)
def test_T91_colons_and_slashes_in_names(echo: Gateway, model: str, version: str) -> None:
    """The verb is behind the last colon; the name is all before it."""
    body = hello(GEMINI)
    headers = KEYS["x-goog-api-key"]
    for name in (model, model.replace("/", "%2F").replace(":", "%3A")):
        found = echo.ask(f"/{version}/models/{name}:generateContent", body, headers=headers)
        assert found.status == 200, found.body
        assert whole(GEMINI, found.body).text == "hi"
    one = echo.ask(f"/{version}/models/{model}", headers=headers).json
    assert one["name"] == f"models/{model}"
    if model.startswith(("org", "anthropic")):  # Without an address of their own.
        return
    pinned = f"/targets/{model}" if model.startswith("echo/") else "/aliases/fast"
    found = echo.ask(
        f"{pinned}/v1/chat/completions", hello(CHAT, model="x"), headers=KEYS["bearer"]
    )
    assert found.status == 200, found.body


UPSTREAM_SECRET = ENVIRONMENT["UPSTREAM_KEY"]


def refusing(provider: str, status: int, message: str) -> bytes:
    """An error body of the provider's dialect."""
    match provider:
        case "anthropic-messages":
            error = {"type": "authentication_error", "message": message}
            return json.dumps({"type": "error", "error": error}).encode()
        case "gemini":
            error_ = {"code": status, "message": message, "status": "UNAUTHENTICATED"}
            return json.dumps({"error": error_}).encode()
        case "bedrock-converse":
            return json.dumps({"message": message}).encode()
        case _:
            inner = {"message": message, "type": "invalid_request_error", "code": "invalid_api_key"}
            return json.dumps({"error": {**inner, "param": None}}).encode()


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@pytest.mark.parametrize("status", [401, 403])
def test_T92_our_credential_is_not_the_client_s_trouble(
    served: Served, client: str, provider: str, status: int
) -> None:
    """With a 401 Claude Code would log in again."""

    async def script(peer: Peer) -> None:
        said = f"Incorrect API key provided: {UPSTREAM_SECRET}."
        await peer.answer(status, refusing(spoken(peer), status, said))

    served.server.script = script
    before = len(served.gateway.sink.lines)
    found = served.ask(client, provider, hello(client))
    assert found.status == 502
    lines = served.gateway.sink.lines[before:]
    assert any(level in ("warn", "error") for level, _, _ in lines), lines
    assert UPSTREAM_SECRET.encode() not in found.body
    assert found.headers["x-should-retry"] == "false"


WAITS = [
    ({"retry_after": "3600"}, "60"),
    ({"retry_after": "0"}, "1"),
    ({"retry_after": "-5"}, None),
    ({"retry_after": "soon"}, None),
    ({"retry_after_ms": "2500"}, "3"),
    ({"retry_after": "7"}, "7"),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "wait"), WAITS)
@pytest.mark.parametrize("client", CLIENTS)
def test_T93_how_long_to_wait_is_bounded(
    served: Served, client: str, headers: dict[str, str], wait: str | None
) -> None:
    """Anthropic's SDK sleeps as long as it is told; and two retries do not become nine."""

    async def limited(peer: Peer) -> None:
        await peer.answer(429, b'{"error":{"message":"slow down"}}', **headers)

    served.server.script = limited
    served.server.forget()
    found = served.ask(client, CHAT, hello(client))
    assert found.status == 429
    given = found.headers.get("retry-after")
    assert given == wait or (wait is None and given is not None and 1 <= int(given) <= 60)
    assert len(served.server.requests) == int(found.headers["x-plexus-attempts"]) <= 2

    async def spent(peer: Peer) -> None:
        error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
        await peer.answer(429, json.dumps({"error": error}).encode(), retry_after="1")

    served.server.script = spent
    quota = served.ask(client, CHAT, hello(client))
    assert quota.status == 429
    assert quota.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("form", [None, "float", "base64"])
def test_T94_embeddings_come_as_they_were_asked_for(served: Served, form: str | None) -> None:
    """Floats are floats and base64 is little-endian: nothing on the way changes either."""
    said = "AACAPwAAAMA=" if form == "base64" else [1.0, -2.0]
    entry = {"object": "embedding", "index": 0, "embedding": said}
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    body = json.dumps({"object": "list", "data": [entry], "model": "m", "usage": usage}).encode()

    async def script(peer: Peer) -> None:
        await peer.answer(200, body)

    served.server.script = script
    served.server.forget()
    asked: Json = {"model": CHAT, "input": "hi"} | (
        {} if form is None else {"encoding_format": form}
    )
    found = served.gateway.ask("/v1/embeddings", asked)
    assert found.status == 200
    assert found.json["data"][0]["embedding"] == said
    (request,) = served.server.requests
    assert json.loads(request.body).get("encoding_format") == form


@pytest.mark.parametrize("provider", [CHAT, RESPONSES, GEMINI, CONVERSE])
def test_T95_counting_tokens_of_other_models_is_never_a_fault(
    served: Served, provider: str
) -> None:
    """A 404 in Anthropic's form, or a count: after a 500 Claude Code does worse from then on."""

    async def broken(peer: Peer) -> None:
        await peer.answer(500, b"{}")

    served.server.script = broken
    found = served.gateway.ask(
        "/v1/messages/count_tokens?beta=true", {**hello(MESSAGES), "model": provider}
    )
    if found.status == 404:
        assert found.json["error"]["type"] == "not_found_error"
        assert found.headers["x-should-retry"] == "false"
    else:
        assert found.status == 200
        assert found.json["input_tokens"] > 0


def test_T96_claude_code_finds_its_models(echo: Gateway) -> None:
    """It shows only names that start with ``claude`` or ``anthropic``, and follows no redirect."""
    headers = {**KEYS["bearer"], "anthropic-version": "2023-06-01"}
    for path in ("/v1/models?limit=1000", "/v1/models/?limit=1000"):
        found = echo.ask(path, headers=headers)
        assert found.status == 200
        assert not found.json["has_more"]
        ids = [entry["id"] for entry in found.json["data"]]
        shown = [name for name in ids if name.startswith(("claude", "anthropic"))]
        assert shown == ["anthropic/fast:v2", "claude-fast"]
    for name in shown:
        asked = {**hello(MESSAGES), "model": name}
        assert echo.ask("/v1/messages", asked, headers=headers).status == 200
        assert echo.ask(f"/v1/models/{name}", headers=headers).json["id"] == name


SMUGGLED = {
    "authorization": f"Bearer {SECRET}",
    "x-api-key": SECRET,
    "cookie": "session=1",
    "accept-encoding": "gzip, br",
    "te": "trailers",
    "x-forwarded-for": "10.0.0.1",
    "proxy-authorization": "Basic eA==",
}


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@pytest.mark.parametrize("streaming", [False, True], ids=["json", "stream"])
def test_T97_headers_of_one_hop_stay_there(
    served: Served, client: str, provider: str, streaming: bool
) -> None:
    """Neither the client's to the provider nor the provider's to the client."""
    own = {
        "set_cookie": "a=b",
        "server": "upstream",
        "keep_alive": "timeout=5",
        "x_powered_by": "x",
        "content_language": "en",
    }

    async def script(peer: Peer) -> None:
        dialect = spoken(peer)
        if streams(peer):
            kind = EVENT_STREAM if dialect == CONVERSE else "text/event-stream"
            await peer.head(200, kind, transfer_encoding="chunked", **own)
            await peer.chunk(stream(dialect, Text("hello")))
            await peer.raw(b"0\r\n\r\n")
        else:
            await peer.answer(200, answer(dialect, Text("hello")), **own)

    served.server.script = script
    served.server.forget()
    path = path_of(client, provider, streaming)
    body = body_of(client, provider, hello(client), streaming)
    found = served.gateway.ask(path, body, headers=SMUGGLED)
    assert found.status == 200
    assert not {name.replace("_", "-") for name in own} - {"server"} & found.headers.keys()
    assert found.headers.get("server") != "upstream"
    assert "content-encoding" not in found.headers
    if not streaming:
        assert int(found.headers["content-length"]) == len(found.body)
    (request,) = served.server.requests
    sent = json.dumps(request.headers)
    assert SECRET not in sent and "session=1" not in sent and "10.0.0.1" not in sent
    assert not {"cookie", "te", "proxy-authorization"} & request.headers.keys()
    assert "br" not in request.headers.get("accept-encoding", "")
    assert request.headers["host"] == f"127.0.0.1:{served.server.port}"
    assert int(request.headers["content-length"]) == len(request.body)

    async def packed(peer: Peer) -> None:
        """In a coding that nobody asked for."""
        body = gzip.compress(answer(spoken(peer), Text("hello")))
        await peer.answer(200, body, content_encoding="gzip")

    if not streaming:
        served.server.script = packed
        found = served.ask(client, provider, hello(client))
        assert "content-encoding" not in found.headers
        assert found.status == 502 or whole(client, found.body).text == "hello"


@pytest.mark.parametrize("client", CLIENTS)
def test_T98_queries_slashes_and_probes_find_their_way(echo: Gateway, client: str) -> None:
    body = body_of(client, "fast", hello(client), False)
    path = path_of(client, "fast", False)
    for spelled in (f"{path}?beta=true", f"{path}?api-version=2026-10-21&x", path):
        found = echo.ask(spelled, body, headers=KEYS["bearer"])
        assert found.status == 200, found.body
    if client != GEMINI:
        for spelled in (f"{path}/", f"{path}/?beta=true"):
            assert echo.ask(spelled, body, headers=KEYS["bearer"]).status == 200
    for method in ("HEAD", "GET"):
        probe = echo.ask("/", method=method)
        assert probe.status in (200, 204)


@pytest.mark.parametrize("client", CLIENTS)
def test_T99_keys_are_in_no_log_and_no_error(echo: Gateway, served: Served, client: str) -> None:
    wrong = "sk-wrong-fedcba9876543210"
    path, body = path_of(client, "fast", False), body_of(client, "fast", hello(client), False)
    answers: list[Answer] = [
        echo.ask(f"{path}?key={SECRET}", body),
        echo.ask(f"{path}?key={wrong}", body),
        echo.ask(f"{path}x?key={SECRET}", body, headers=KEYS["x-goog-api-key"]),
        echo.ask(path, b"{", headers=KEYS["bearer"]),
    ]

    async def quoting(peer: Peer) -> None:
        said = f"key={UPSTREAM_SECRET} is bad: https://x.example/v1?key={UPSTREAM_SECRET}&a=1"
        error: Json = {"message": said, "type": "invalid_request_error"}
        if spoken(peer) == GEMINI:
            error = {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}
        await peer.answer(400, json.dumps({"error": error}).encode())

    served.server.script = quoting
    foreign = [name for name in PROVIDERS if name != client]
    answers += [served.ask(client, name, hello(client)) for name in foreign]
    for found in answers:
        for secret in (SECRET, wrong, UPSTREAM_SECRET):
            assert secret.encode() not in found.body
            assert secret not in json.dumps(found.headers)
    for gateway_ in (echo, served.gateway):
        logged = repr(gateway_.sink.lines)
        assert not any(secret in logged for secret in (SECRET, wrong, UPSTREAM_SECRET))


def disguised(provider: str, streaming: bool) -> bytes:
    """An error that comes as a success."""
    error: Json = {"code": 503, "message": "No instances available", "type": "server_error"}
    match provider:
        case "anthropic-messages":
            error = {"type": "overloaded_error", "message": "No instances available"}
            body: Json = {"type": "error", "error": error}
            return named(body) if streaming else json.dumps(body).encode()
        case "gemini":
            body = {"error": {**error, "status": "UNAVAILABLE"}}
            return data(body) if streaming else json.dumps(body).encode()
        case "openai-responses":
            full = {"id": "resp_1", "object": "response", "status": "failed", "output": []}
            full |= {"error": {"code": "server_error", "message": "No instances available"}}
            if not streaming:
                return json.dumps({**full, "model": "m"}).encode()
            return named({"type": "response.failed", "response": full, "sequence_number": 0})
        case "bedrock-converse":
            body = {"message": "No instances available"}
            if not streaming:
                return json.dumps(body).encode()
            return frame("serviceUnavailableException", body)
        case _:  # OpenRouter's, beside choices.
            if streaming:
                return data(chunk({"content": ""}, "error", error=error))
            return answer(CHAT, Text(""), error=error)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", [CHAT, RESPONSES, MESSAGES, GEMINI])
@pytest.mark.parametrize("streaming", [False, True], ids=["json", "stream"])
def test_T100_an_error_in_a_200_is_one(
    serve: Serve, first: FaultServer, client: str, provider: str, streaming: bool
) -> None:
    """It fails over, is no success in the log, and costs nothing."""

    async def script(peer: Peer) -> None:
        if spoken(peer) == CONVERSE:
            await says(Text("hello"))(peer)
        elif streams(peer):
            await begin(peer)
            await peer.chunk(disguised(spoken(peer), True))
            await peer.raw(b"0\r\n\r\n")
        else:
            await peer.answer(200, disguised(spoken(peer), False))

    first.script = script
    settings = config(first.port)
    both = {"selector": "in_order", "targets": [f"{provider}/m", f"{CONVERSE}/m"]}
    settings["aliases"] = {"alone": {"targets": [f"{provider}/m"]}, "both": both}
    served = Served(serve(settings), first)
    read = events if streaming else whole
    found = served.ask(client, "both", hello(client), streaming)
    assert found.status == 200, found.body
    assert read(client, found.body).text == "hello"
    alone = served.ask(client, "alone", hello(client), streaming)
    assert alone.status >= 500 or b"No instances available" in alone.body
    good, bad = served.gateway.sink.wait_requests(2)
    assert good["outcome"] == "ok"
    assert bad["outcome"] != "ok"
    assert not bad.get("usage") and not bad.get("prompt_tokens")
