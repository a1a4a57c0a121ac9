"""``GET /v1/responses`` as a WebSocket: handshake, frames, conversations, limits, endings."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from plexus.gateway.limits import Limits
from tests.faults.server import DEADLINE, FaultServer, Peer, Script
from tests.gateway import wire, wire_responses
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import Gateway, Json, post, read_all, read_until
from tests.gateway.processes import built, plexus, write_config
from tests.gateway.test_responses import DIALECT, ECHO, RESPONSES, good

FOLDER = Path(__file__).parents[3] / "shared" / "clients" / "codex"
KEY = {"authorization": "Bearer sk-client-1234567890"}
ENDS = ("response.completed", "response.failed", "response.incomplete", "error")
DIALECTS = pytest.mark.parametrize("upstream", [DIALECT, "openai-chat", "anthropic-messages"])


class Socket:
    """A client's connection; ``say`` sends a ``response.create``, ``turn`` waits for its end."""

    def __init__(self, connection: ClientConnection, model: str) -> None:
        self.connection = connection
        self._model = model

    def say(self, **fields: Any) -> None:
        self.send({"type": "response.create", "model": self._model, **fields})

    def send(self, frame: Json | str | bytes) -> None:
        self.connection.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    def event(self) -> Json:
        found: Json = json.loads(self.connection.recv(timeout=DEADLINE))
        return found

    def events(self) -> list[Json]:
        """The events of one response, to its end."""
        found = [self.event()]
        while found[-1]["type"] not in ENDS:
            found.append(self.event())
        return found

    def turn(self, **fields: Any) -> Json:
        self.say(**fields)
        return self.events()[-1]

    def closed(self) -> int:
        """The code that the server closes with."""
        with pytest.raises(ConnectionClosed) as caught:
            self.connection.recv(timeout=DEADLINE)
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code


@contextmanager
def opened(
    served: Gateway, model: str = "one", path: str = RESPONSES, **headers: str
) -> Iterator[Socket]:
    url = f"ws://127.0.0.1:{served.port}{path}"
    with connect(url, additional_headers=headers, open_timeout=DEADLINE) as connection:
        yield Socket(connection, model)


def denied(served: Gateway, path: str = RESPONSES, **headers: str) -> tuple[int, Json]:
    """Status and body of a handshake that is refused over HTTP."""
    with pytest.raises(InvalidStatus) as caught, opened(served, path=path, **headers):
        pass
    response = caught.value.response
    return response.status_code, json.loads(response.body)


def text_of(response: Json) -> str:
    return "".join(part["text"] for item in response["output"] for part in item["content"])


def sent(server: FaultServer, number: int = -1) -> Json:
    found: Json = json.loads(server.requests[number].body)
    return found


def one(server: FaultServer, dialect: str = DIALECT, **more: Any) -> Json:
    """A config whose alias ``one`` is at a fault server, with nothing after it."""
    return two(provider(server, dialect), provider(server), **more)


# -- the handshake -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [RESPONSES, "/responses", f"/aliases/fast{RESPONSES}", f"/targets/echo/one{RESPONSES}"]
)
def test_every_address_answers(serve: Serve, path: str) -> None:
    model = "fast" if "/a" not in path and "/t" not in path else "whatever"
    with opened(serve(ECHO), model, path) as client:
        assert "x-request-id" in client.connection.response.headers
        client.say(input="say it")
        events = client.events()
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert text_of(events[-1]["response"]) == "say it"


def keyed(server: FaultServer, **more: Any) -> Json:
    secret = {"env": "CLIENT_KEY"}
    return {**one(server), "keys": {"tests": {"secret": secret, "aliases": ["one"], **more}}}


ENVIRONMENT = {"UPSTREAM_KEY": "sk-upstream-51c0ffee", "CLIENT_KEY": KEY["authorization"][7:]}


def test_the_key_of_a_handshake(serve: Serve, first: FaultServer) -> None:
    first.script = good(DIALECT)
    served = serve(keyed(first), environment=ENVIRONMENT)
    for headers in ({}, {"authorization": "Bearer sk-wrong"}):
        status, body = denied(served, **headers)
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    for headers in (KEY, {"x-api-key": KEY["authorization"][7:]}):
        with opened(served, **headers) as client:
            assert client.turn(input="hi")["type"] == "response.completed"
            # Another alias is none of this key's.
            refused = client.turn(input="hi", model="other")
            assert (refused["status"], refused["error"]["code"]) == (404, "model_not_found")
    status, body = denied(served, f"/aliases/other{RESPONSES}", **KEY)
    assert (status, body["error"]["code"]) == (404, "model_not_found")
    assert {line["status"] for line in served.sink.requests()} >= {401, 404, 200}


def test_a_key_may_expire_while_it_is_open(serve: Serve, first: FaultServer) -> None:
    first.script = good(DIALECT)
    now = [1_700_000_000.0]
    config = keyed(first, expires="2023-11-15")
    served = serve(config, environment=ENVIRONMENT, clock=lambda: now[0])
    with opened(served, **KEY) as client:
        assert client.turn(input="hi")["type"] == "response.completed"
        now[0] += 7 * 86_400
        refused = client.turn(input="hi")
        assert (refused["status"], refused["error"]["code"]) == (401, "invalid_api_key")


def test_pages_of_other_origins_are_refused(serve: Serve) -> None:
    status, body = denied(serve(ECHO), origin="https://evil.example")
    assert status == 403
    assert "cors" in body["error"]["message"]
    friendly = serve({**ECHO, "server": {"cors": ["https://app.example"]}})
    assert denied(friendly, origin="https://evil.example")[0] == 403
    with opened(friendly, "fast", origin="https://app.example") as client:
        assert text_of(client.turn(input="hi")["response"]) == "hi"


UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


HANDSHAKE = "\r\n".join(
    [
        f"GET {RESPONSES} HTTP/1.1",
        "host: plexus",
        *(f"{name}: {value}" for name, value in UPGRADE.items()),
        "\r\n",
    ]
).encode()


@contextmanager
def raw_socket(served: Gateway) -> Iterator[socket.socket]:
    """A WebSocket of whose frames nothing has been read."""
    with served.raw(HANDSHAKE) as sock:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield sock


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (426, {"sec-websocket-version": "12"}),
        (426, {"sec-websocket-version": ""}),
        (400, {"sec-websocket-key": "short"}),
        (400, {"content-length": "3"}),
        (431, {"x-long": "x" * 9_000}),
        (431, {f"x-{number}": "x" for number in range(100)}),
        (431, {f"x-{number}": "x" for number in range(130)}),
    ],
)
def test_a_broken_handshake_is_answered_over_http(
    serve: Serve, status: int, change: dict[str, str]
) -> None:
    answer = serve(ECHO).ask(RESPONSES, None, "GET", {**UPGRADE, **change})
    assert answer.status == status, answer.body
    assert answer.error["message"]
    assert answer.headers.get("sec-websocket-version", "13") == "13"


def test_an_address_too_long_for_a_handshake(serve: Serve) -> None:
    answer = serve(ECHO).ask(f"{RESPONSES}?{'x' * 9_000}", None, "GET", UPGRADE)
    assert answer.status == 431, answer.body


def test_a_websocket_waits_for_no_answer_before_it(serve: Serve, first: FaultServer) -> None:
    """A handshake that is pipelined behind a request would mix its frames into the answer."""
    upstream = Waiting(first)
    served = serve(one(first))
    body = json.dumps({"model": "one", "input": "hi", "stream": True}).encode()
    with served.raw(post(RESPONSES, body) + HANDSHAKE) as sock:
        first.wait(lambda: len(first.requests) == 1, "the call")
        upstream.let()
        said = read_all(sock)
    assert said.count(b"event: response.completed") == 1
    assert said.endswith(b"}") and b"HTTP/1.1 426" in said


@pytest.mark.parametrize("path", ["/v1/foo/responses", "/aliases/fast/v1/x/responses"])
def test_elsewhere_it_is_426(serve: Serve, path: str) -> None:
    status, body = denied(serve(ECHO), path)
    assert (status, "/v1/responses" in body["error"]["message"]) == (426, True)


def test_the_library_is_imported_for_the_first_websocket() -> None:
    code = "import sys, plexus.gateway.server; print('websockets' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=DEADLINE
    )
    assert found.stdout.strip() == "False"


# -- frames --------------------------------------------------------------------------------------


def test_the_same_events_as_over_http(serve: Serve, first: FaultServer) -> None:
    first.script = good(DIALECT, "héllo")
    served = serve(one(first))
    lines = served.ask(RESPONSES, {"model": "one", "input": "hi", "stream": True}).body
    over_http = [line[6:] for line in lines.decode().split("\n") if line.startswith("data: ")]
    with opened(served, **{"openai-beta": "responses_websockets=2026-02-06, other=1"}) as client:
        client.say(input="hi", stream_id=None, x_new=1)
        over_socket = [client.connection.recv(timeout=DEADLINE) for _ in over_http]
    assert over_socket == over_http
    assert sent(first) == {"model": "m", "input": "hi", "stream": True, "x_new": 1}
    headers = first.requests[-1].headers
    assert headers["openai-beta"] == "other=1"
    assert "upgrade" not in headers
    assert not [name for name in headers if name.startswith("sec-websocket")]


def test_a_binary_frame_is_read_too(serve: Serve) -> None:
    with opened(serve(ECHO), "fast") as client:
        client.send(b'{"type":"response.create","model":"fast","input":"hi"}')
        assert text_of(client.events()[-1]["response"]) == "hi"


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        ("{", None),
        ("[]", None),
        (b"\xff{}", None),
        ('{"type":"response.create","model":"fast","model":"b"}', "model"),
        ({"type": "response.cancel", "response_id": "resp_1"}, "type"),
        ({"model": "fast", "input": "hi"}, "type"),
        ({"type": "response.create", "input": "hi"}, "model"),
        ({"type": "response.create", "model": "fast", "background": True}, "background"),
        ({"type": "response.create", "model": "fast", "generate": 1}, "generate"),
        ({"type": "response.create", "model": "fast", "stream_id": ""}, "stream_id"),
        (
            {"type": "response.create", "model": "fast", "previous_response_id": 1},
            "previous_response_id",
        ),
        (
            {"type": "response.create", "model": "fast", "previous_response_id": "r", "input": 1},
            "input",
        ),
        ({"type": "response.create", "model": "fast", "input": 7}, "input"),
    ],
)
def test_a_bad_frame_gets_an_error_and_the_connection_lives(
    serve: Serve, frame: Any, param: str | None
) -> None:
    with opened(serve(chat_echo()), "fast") as client:
        client.send(frame)
        event = client.event()
        assert (event["type"], event["status"]) == ("error", 400), event
        assert event["error"]["type"] == "invalid_request_error"
        assert event["error"]["param"] == param
        assert event["headers"].items() <= event["error"]["headers"].items()
        assert text_of(client.turn(input="hi")["response"]) == "hi"


def chat_echo() -> Json:
    """Echo with a step that ends pass-through, so that requests are read."""
    use = {"use": ["sampling"]}
    return {
        "providers": {"echo": {"type": "echo", "models": ["one"], "transformer": use}},
        "aliases": ECHO["aliases"],
    }


def test_steering_is_refused_with_the_input(serve: Serve) -> None:
    with opened(serve(ECHO), "fast") as client:
        client.send({"type": "response.steer", "previous_response_id": "resp_1", "input": "more"})
        event = client.event()
        assert event["type"] == "response.steer.failed"
        assert event["steer"] == {"previous_response_id": "resp_1", "input": "more"}
        assert event["error"]["code"] == "steering_not_supported"
        assert text_of(client.turn(input="hi")["response"]) == "hi"


def test_lanes_are_served_one_after_the_other(serve: Serve) -> None:
    with opened(serve(ECHO), "fast") as client:
        client.say(input="one", stream_id="a")
        client.say(input="two", stream_id="b")
        client.say(input="no", stream_id="c", background=True)
        for lane, text in (("a", "one"), ("b", "two")):
            events = client.events()
            assert {event["stream_id"] for event in events} == {lane}
            assert text_of(events[-1]["response"]) == text
        refused = client.event()
        assert (refused["type"], refused["stream_id"]) == ("error", "c")


def failing(status: int, body: bytes, **headers: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.answer(status, body, **headers)

    return script


@DIALECTS
def test_a_providers_error(serve: Serve, first: FaultServer, upstream: str) -> None:
    served = serve(one(first, upstream))
    body = wire.message_error if upstream == "anthropic-messages" else wire.chat_error
    with opened(served) as client:
        first.script = failing(429, body("slow down", "rate_limit_error"), retry_after="7")
        event = client.turn(input="hi")
        assert (event["type"], event["status"]) == ("error", 429)
        assert "slow down" in event["error"]["message"]
        assert event["headers"]["retry-after"] == "7"
        assert event["error"]["headers"]["x-plexus-attempts"] == "1"
        assert event["headers"].keys() == {"retry-after", "x-request-id"}
        first.script = good(upstream)
        assert client.turn(input="hi")["type"] == "response.completed"
    assert [line["status"] for line in served.sink.requests()][:2] == [429, 200]


@DIALECTS
def test_an_answer_that_breaks_off_fails(serve: Serve, first: FaultServer, upstream: str) -> None:
    pieces = {
        DIALECT: wire_responses.stream,
        "openai-chat": wire.chat_stream,
        "anthropic-messages": wire.message_stream,
    }[upstream]

    async def script(peer: Peer) -> None:
        await peer.stream(*pieces("hello")[:5], end=False)
        peer.reset()

    first.script = script
    with opened(serve(one(first, upstream))) as client:
        client.say(input="hi")
        events = client.events()
        assert events[-1]["type"] == "response.failed"
        assert events[-1]["response"]["status"] == "failed"
        first.script = good(upstream)
        # What failed is no conversation.
        failed = events[-1]["response"]["id"]
        again = client.turn(input="hi", previous_response_id=failed, store=False)
        assert again["error"]["code"] == "previous_response_not_found"
        assert client.turn(input="hi")["type"] == "response.completed"


def test_the_next_target_answers(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    first.script = failing(503, b"{}")
    second.script = good("anthropic-messages", "second")
    served = serve(two(provider(first), provider(second, "anthropic-messages")))
    with opened(served, "m") as client:
        assert text_of(client.turn(input="hi")["response"]) == "second"
    (line,) = served.sink.wait_requests(1)
    assert (line["route"], line["attempts"]) == ("WS /v1/responses", 2)


def test_a_provider_that_does_not_stream(serve: Serve, first: FaultServer) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(200, wire_responses.response("whole"))

    first.script = script
    with opened(serve(one(first))) as client:
        assert text_of(client.turn(input="hi")["response"]) == "whole"


def test_hidden_names_stay_hidden(serve: Serve, first: FaultServer) -> None:
    config = one(first)
    config["aliases"]["one"]["reveal_model"] = False
    with opened(serve(config)) as client:
        first.script = good(DIALECT)
        client.say(input="hi")
        for event in client.events():
            assert event.get("response", {}).get("model", "one") == "one"
        first.script = failing(500, wire.chat_error("first is sad about m"))
        event = client.turn(input="hi")
        assert not {"x-plexus-provider", "x-plexus-model"} & event["error"]["headers"].keys()
        assert "first" not in event["error"]["message"]


# -- conversations -------------------------------------------------------------------------------


def test_a_warm_up_costs_no_call(serve: Serve, first: FaultServer) -> None:
    first.script = good(DIALECT)
    tools = [{"type": "function", "name": "f", "parameters": {}, "strict": False}]
    with opened(serve(one(first))) as client:
        client.say(input="know this", generate=False, store=False, tools=tools, temperature=0.5)
        created, completed = client.events()
        assert (created["type"], created["response"]["status"]) == (
            "response.created",
            "in_progress",
        )
        assert (completed["sequence_number"], completed["response"]["status"]) == (1, "completed")
        warm = completed["response"]
        assert (warm["output"], warm["model"], warm["tools"]) == ([], "one", tools)
        assert (warm["store"], warm["temperature"], warm["usage"]["total_tokens"]) == (
            False,
            0.5,
            0,
        )
        assert not first.requests
        client.turn(input="and this", previous_response_id=warm["id"], store=False)
        said = [item["content"] for item in sent(first)["input"]]
        assert said == ["know this", "and this"]
        assert sent(first).keys() == {"model", "input", "store", "stream"}
        again = client.turn(input="x", generate=False)
        assert again["response"]["id"] != warm["id"]
        unknown = client.turn(input="x", generate=False, model="nobody")
        assert (unknown["status"], unknown["error"]["code"]) == (404, "model_not_found")
    assert len(first.requests) == 1


CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"a":1}',
    "status": "completed",
}


def tool_call(dialect: str) -> list[bytes]:
    if dialect == DIALECT:
        done = wire_responses.whole("", output=[CALL])
        return [
            wire_responses.event(0, "created", response=wire_responses.whole("")),
            wire_responses.event(1, "output_item.added", output_index=0, item=CALL),
            wire_responses.event(2, "output_item.done", output_index=0, item=CALL),
            wire_responses.event(3, "completed", response=done),
        ]
    if dialect == "openai-chat":
        function = {"name": CALL["name"], "arguments": CALL["arguments"]}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        chunks = [wire.chat_chunk({"tool_calls": [call]}), wire.chat_chunk({}, "tool_calls")]
        return [*chunks, b"data: [DONE]\n\n"]
    start, *_ = wire.message_stream("")
    block = {"type": "tool_use", "id": "call_1", "name": CALL["name"], "input": {}}
    delta = {"type": "input_json_delta", "partial_json": CALL["arguments"]}
    stop = {"stop_reason": "tool_use", "stop_sequence": None}
    return [
        start,
        wire.event({"type": "content_block_start", "index": 0, "content_block": block}),
        wire.event({"type": "content_block_delta", "index": 0, "delta": delta}),
        wire.event({"type": "content_block_stop", "index": 0}),
        wire.event({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 2}}),
        wire.event({"type": "message_stop"}),
    ]


TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]


@DIALECTS
def test_later_frames_hold_only_what_is_new(
    serve: Serve, first: FaultServer, upstream: str
) -> None:
    async def script(peer: Peer) -> None:
        if len(first.requests) == 1:
            await peer.stream(*tool_call(upstream))
        else:
            await good(upstream, "rain")(peer)

    first.script = script
    with opened(serve(one(first, upstream))) as client:
        asked: Json = {"tools": TOOLS, "store": False}
        called = client.turn(input="weather?", **asked)["response"]
        (call,) = called["output"]
        assert (call["type"], call["call_id"]) == ("function_call", "call_1")
        result = {"type": "function_call_output", "call_id": "call_1", "output": "wet"}
        told = client.turn(input=[result], previous_response_id=called["id"], **asked)["response"]
        assert text_of(told) == "rain"
        last = client.turn(input="thanks", previous_response_id=told["id"], **asked)["response"]
        assert text_of(last) == "rain"
    body = sent(first)
    assert "previous_response_id" not in body
    if upstream == DIALECT:
        user = {"type": "message", "role": "user", "content": "weather?"}
        assert body["input"][:3] == [user, CALL, result]
        assert [item.get("role") for item in body["input"][3:]] == ["assistant", "user"]
    else:
        roles = [message["role"] for message in body["messages"]]
        other = "user" if upstream == "anthropic-messages" else "tool"
        assert roles == ["user", "assistant", other, "assistant", "user"]


def test_one_response_may_be_continued_twice(serve: Serve, first: FaultServer) -> None:
    async def script(peer: Peer) -> None:
        number = len(first.requests)
        pieces = wire_responses.stream(str(number))
        await peer.stream(*(piece.replace(b"resp_1", b"resp_%d" % number) for piece in pieces))

    first.script = script
    with opened(serve(one(first))) as client:
        root = client.turn(input="a", store=False)["response"]["id"]
        client.turn(input="b", previous_response_id=root, store=False)
        client.turn(input="c", previous_response_id=root, store=False)
    left, right = sent(first, 1)["input"], sent(first, 2)["input"]
    assert left[:2] == right[:2]
    assert [turns[-1]["content"] for turns in (left, right)] == ["b", "c"]
    assert len(left) == len(right) == 3


def test_an_unknown_response(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    first.script = good("openai-chat")
    second.script = good(DIALECT, "stored")
    served = serve(two(provider(first), provider(second, DIALECT)))
    with opened(served) as client:
        for model, store in (("one", False), ("other", False), ("one", True)):
            event = client.turn(model=model, input="hi", previous_response_id="resp_9", store=store)
            assert (event["type"], event["status"]) == ("error", 400)
            assert event["error"]["code"] == "previous_response_not_found"
            assert event["error"]["param"] == "previous_response_id"
            assert "resp_9" in event["error"]["message"]
        warm = client.turn(input="hi", previous_response_id="resp_9", generate=False)
        assert warm["error"]["code"] == "previous_response_not_found"
        assert not first.requests + second.requests
        # Who stores responses may have this one, whatever connection it came over.
        found = client.turn(model="other", input="hi", previous_response_id="resp_9")
        assert text_of(found["response"]) == "stored"
        assert sent(second)["previous_response_id"] == "resp_9"
        # What it stands for is not known here, nor is what follows it.
        followed = client.turn(
            model="one", input="hi", previous_response_id=found["response"]["id"]
        )
        assert followed["error"]["code"] == "previous_response_not_found"


def test_another_connection_knows_nothing(serve: Serve) -> None:
    served = serve(ECHO)
    with opened(served, "fast") as client, opened(served, "fast") as other:
        known = client.turn(input="hi", store=False)["response"]["id"]
        again = {"input": "you", "previous_response_id": known, "store": False}
        assert client.turn(**again)["type"] == "response.completed"
        assert other.turn(**again)["error"]["code"] == "previous_response_not_found"


def test_a_conversation_too_large_is_forgotten(serve: Serve, first: FaultServer) -> None:
    first.script = good(DIALECT, "y" * 500)
    served = serve({**one(first), "server": {"body_limit": 4096}})
    with opened(served) as client:
        kept = client.turn(input="x" * 2000, store=False)["response"]["id"]
        grown = client.turn(input="x" * 900, previous_response_id=kept, store=False)
        # With its answer it is over the limit, and so would every request be that continues it.
        assert grown["type"] == "response.completed"
        again = {"input": "x", "previous_response_id": grown["response"]["id"], "store": False}
        assert client.turn(**again)["error"]["code"] == "previous_response_not_found"
        kept = client.turn(input="x" * 2000, store=False)["response"]["id"]
        large = client.turn(input="x" * 2300, previous_response_id=kept, store=False)
        assert (large["status"], large["error"]["code"]) == (413, "plexus_body_too_large")


# -- limits and endings --------------------------------------------------------------------------


def test_a_frame_over_the_limit_ends_the_connection(serve: Serve) -> None:
    served = serve({**ECHO, "server": {"body_limit": 4096}})
    with opened(served, "fast") as client:
        client.say(input="x" * 5000)
        assert client.closed() == 1009


class Waiting:
    """An upstream whose answers begin at once and go on when they are let."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.free = False
        server.script = self._script

    async def _script(self, peer: Peer) -> None:
        pieces = wire_responses.stream("hello")
        await peer.stream(*pieces[:4], end=False)
        await self.server.until(lambda: self.free or peer.left.is_set())
        for piece in pieces[4:]:
            await peer.chunk(piece)
        await peer.raw(b"0\r\n\r\n")

    def let(self) -> None:
        self.free = True
        self.server.wake()


def until_content(client: Socket) -> None:
    while client.event()["type"] != "response.output_text.delta":
        pass


def test_too_many_frames_wait(serve: Serve, first: FaultServer) -> None:
    upstream = Waiting(first)
    with opened(serve(one(first), limits=Limits(frames=2))) as client:
        client.say(input="hi")
        until_content(client)
        for _ in range(4):
            client.say(input="hi")
        # The answer to a ping comes after all that was read before it.
        client.connection.ping().wait(DEADLINE)
        upstream.let()
        assert [client.events()[-1]["type"] for _ in range(3)] == ["response.completed"] * 3
        for _ in range(2):
            event = client.event()
            assert (event["status"], event["error"]["code"]) == (429, "plexus_too_many_frames")
        assert client.turn(input="hi")["type"] == "response.completed"
    assert len(first.requests) == 4


def test_frames_together_over_the_limit(serve: Serve, first: FaultServer) -> None:
    upstream = Waiting(first)
    with opened(serve({**one(first), "server": {"body_limit": 4096}})) as client:
        client.say(input="hi")
        until_content(client)
        for _ in range(2):
            client.say(input="x" * 3000)
        client.connection.ping().wait(DEADLINE)
        upstream.let()
        assert [client.events()[-1]["type"] for _ in range(2)] == ["response.completed"] * 2
        assert client.event()["error"]["code"] == "plexus_too_many_frames"


@pytest.mark.parametrize("how", ["close", "cut"])
def test_a_client_that_leaves_ends_the_call(serve: Serve, first: FaultServer, how: str) -> None:
    Waiting(first)
    served = serve(one(first))
    with opened(served) as client:
        client.say(input="hi")
        until_content(client)
        if how == "cut":
            client.connection.socket.shutdown(socket.SHUT_RDWR)
        else:
            client.connection.close()
        first.wait(lambda: len(first.departures) == 1, "the upstream call to be aborted")
    lines = served.sink.wait_requests(2)
    assert {line["outcome"] for line in lines} == {"client_closed", "ok"}


def test_a_client_that_does_not_read_is_hung_up_on(serve: Serve, first: FaultServer) -> None:
    async def script(peer: Peer) -> None:
        await peer.stream(*wire_responses.stream("hello")[:3], end=False)
        delta = wire_responses.event(3, "output_text.delta", item_id="msg_1", delta="x" * 60_000)
        while not peer.left.is_set():
            await peer.chunk(delta)

    first.script = script
    served = serve(one(first), limits=Limits(stalled=0.3))
    with raw_socket(served) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        body = json.dumps({"type": "response.create", "model": "one", "input": "hi"}).encode()
        sock.sendall(b"\x81" + bytes([0x80 | len(body)]) + bytes(4) + body)
        first.wait(lambda: len(first.departures) == 1, "the upstream call to be aborted")


def test_a_client_that_answers_no_ping_is_kept(serve: Serve) -> None:
    """Some answer pings only while they wait for an event, and tools take their time."""
    served = serve(ECHO, limits=Limits(ping=0.05))
    with raw_socket(served) as sock:
        for _ in range(3):
            head = sock.recv(2, socket.MSG_WAITALL)
            assert head[0] == 0x89, head
            sock.recv(head[1], socket.MSG_WAITALL)
        body = json.dumps({"type": "response.create", "model": "fast", "input": "hi"}).encode()
        sock.sendall(b"\x81" + bytes([0x80 | len(body)]) + bytes(4) + body)
        read_until(sock, b"response.completed")


@pytest.mark.parametrize("how", ["half a frame", "half a message"])
def test_a_frame_must_come_in_time(serve: Serve, how: str) -> None:
    served = serve(ECHO, limits=Limits(receive=0.2))
    with raw_socket(served) as sock:
        body = b'{"type":"response.create"}'
        head = bytes([0x81 if how == "half a frame" else 0x01, 0x80 | len(body)]) + bytes(4)
        sock.sendall(head + (body[:5] if how == "half a frame" else body))
        said = read_all(sock)
        assert (said[0], said[2:4]) == (0x88, (1008).to_bytes(2)), said
    # Who sends nothing may wait.
    with opened(served, "fast") as client, opened(served, "fast") as other:
        assert text_of(client.turn(input="echo:pace 50\none two three")["response"])
        assert text_of(other.turn(input="hi")["response"]) == "hi"


def test_sixty_minutes_are_the_limit(serve: Serve, first: FaultServer) -> None:
    """The session's length is a limit like the others; the test has it shorter."""
    assert Limits().session == 3600
    served = serve(one(first), limits=Limits(session=0.2))
    with opened(served) as client:
        event = client.event()
        assert (event["type"], event["status"]) == ("error", 400)
        assert event["error"]["code"] == "websocket_connection_limit_reached"
        assert client.closed() == 1001


def test_a_running_response_may_end_after_the_limit(serve: Serve, first: FaultServer) -> None:
    upstream = Waiting(first)
    served = serve(one(first), limits=Limits(session=0.2))
    with opened(served) as client, opened(served) as other:
        client.say(input="hi")
        until_content(client)
        client.say(input="too late")
        assert other.event()["error"]["code"] == "websocket_connection_limit_reached"
        upstream.let()
        assert client.events()[-1]["type"] == "response.completed"
        assert client.event()["error"]["code"] == "websocket_connection_limit_reached"
        assert client.closed() == 1001
    assert len(first.requests) == 1


def stop(served: Gateway) -> None:
    served.loop.call_soon_threadsafe(served.server.stop)


def test_a_server_that_stops_finishes_the_response(serve: Serve, first: FaultServer) -> None:
    upstream = Waiting(first)
    served = serve(one(first))
    with opened(served) as client, opened(served) as idle:
        client.say(input="hi")
        until_content(client)
        client.say(input="not any more")
        stop(served)
        assert idle.closed() == 1012
        upstream.let()
        assert client.events()[-1]["type"] == "response.completed"
        assert client.closed() == 1012
    assert len(first.requests) == 1


@pytest.mark.parametrize("content", [True, False])
def test_the_drain_has_a_limit(serve: Serve, first: FaultServer, content: bool) -> None:
    async def stall(peer: Peer) -> None:
        await peer.stall()

    Waiting(first)
    if not content:
        first.script = stall
    served = serve(one(first), drain=0.2)
    with opened(served) as client:
        client.say(input="hi")
        first.wait(lambda: len(first.requests) == 1, "the call")
        if content:
            until_content(client)
        stop(served)
        event = client.events()[-1]
        if content:
            assert event["type"] == "response.failed"
        else:
            assert (event["type"], event["status"]) == ("error", 503)
        assert client.closed() == 1012


def test_sigterm_to_a_process(tmp_path: Path) -> None:
    """Its WebSocket is closed, and it ends with 0."""
    write_config(tmp_path, ECHO)
    built(tmp_path)
    with plexus(tmp_path, "serve", "--generated", "generated", "--port", "0") as server:
        url = f"ws://127.0.0.1:{server.port()}{RESPONSES}"
        with connect(url, open_timeout=DEADLINE) as connection:
            client = Socket(connection, "fast")
            assert text_of(client.turn(input="hi")["response"]) == "hi"
            server.signal(signal.SIGTERM)
            assert client.closed() == 1012
        assert server.end() == 0
        assert "Traceback" not in server.said


# -- recorded clients ----------------------------------------------------------------------------


def recorded(name: str) -> list[Json]:
    found = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return [record for record in found if record["method"] in ("GET", "WS-FRAME")]


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"*** SKIPPED: no recorded frames in {FOLDER} ***")
@DIALECTS
@pytest.mark.parametrize("name", ["websocket", "websocket-tool-round"])
def test_codex(serve: Serve, first: FaultServer, upstream: str, name: str) -> None:
    """Its frames as it sent them, but for ids, which are those of our answers."""
    first.script = good(upstream, "pong")
    config = one(first, upstream)
    config["aliases"]["gpt-5.5"] = config["aliases"]["one"]
    handshake, *frames = recorded(f"{name}.json")
    headers = {
        name: value
        for name, value in handshake["headers"]
        if not name.lower().startswith(("sec-websocket", "upgrade", "connection", "host"))
    }
    with opened(serve(config), **headers) as client:
        ended: list[Json] = []
        for record in frames:
            frame = record["body"]
            if "previous_response_id" in frame:
                frame["previous_response_id"] = ended[-1]["response"]["id"]
            client.send(frame)
            ended.append(client.events()[-1])
            assert ended[-1]["type"] == "response.completed", ended[-1]
    assert len(first.requests) == len(frames) - 1
    assert [text_of(end["response"]) for end in ended[1:]] == ["pong"] * (len(frames) - 1)
    if upstream == DIALECT and name == "websocket-tool-round":
        roles = [item.get("role", item["type"]) for item in sent(first)["input"]]
        assert roles == [*["developer"] * 2, *["user"] * 2, "assistant", "function_call_output"]
