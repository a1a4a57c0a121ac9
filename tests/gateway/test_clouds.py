"""Providers on clouds through a served gateway: addresses, envelopes, keys, streams, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from plexus.transformers import anthropic_messages
from tests.faults.server import FaultServer, Peer
from tests.gateway import clouds, wire
from tests.gateway.clouds import ARN, CLAUDE, KEY, SECRETS, SIGNED, amazon, served, vendor
from tests.gateway.conftest import Serve
from tests.gateway.harness import CHAT, ENVIRONMENT, MESSAGES, SAY, Gateway
from tests.gateway.sigv4 import Signed

PATHS = {"openai-chat": CHAT, "anthropic-messages": MESSAGES}
CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "others"
INVOKED = sorted(CORPUS.glob("bedrock-invoke-anthropic-*"))
BETAS = "interleaved-thinking-2025-05-14, oauth-2025-04-20"


def text_of(path: str, body: bytes) -> str:
    """The text in an answer of either kind and dialect."""
    if body.startswith(b"{"):
        data = json.loads(body)
        if path == CHAT:
            return str(data["choices"][0]["message"]["content"])
        return str(data["content"][0]["text"])
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    if path == CHAT:
        return "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])
    return "".join(event.get("delta", {}).get("text", "") for event in events)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("path", PATHS.values())
def test_converse(serve: Serve, first: FaultServer, path: str, stream: bool) -> None:
    first.script = amazon()
    gateway = serve(served(first, model=ARN, type="bedrock-converse", api_key=KEY))
    answer = gateway.ask(path, model="m", stream=stream)
    assert answer.status == 200
    assert text_of(path, answer.body) == "hello"
    (request,) = first.requests
    operation = "converse-stream" if stream else "converse"
    assert request.path == f"/model/{ARN.replace('/', '%2F')}/{operation}"
    assert request.headers["authorization"] == f"Bearer {ENVIRONMENT['UPSTREAM_KEY']}"
    assert json.loads(request.body)["messages"] == [
        {"role": "user", "content": [{"text": "say something"}]}
    ]
    (line,) = gateway.sink.wait_requests(1)
    assert (line["status"], line["tokens_in"], line["tokens_out"]) == (200, 3, 2)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("path", PATHS.values())
def test_claude_on_bedrock(serve: Serve, first: FaultServer, path: str, stream: bool) -> None:
    first.script = amazon()
    config = served(first, type="anthropic-messages", platform="bedrock", credential=SIGNED)
    gateway = serve(config, environment=SECRETS)
    headers = {"anthropic-beta": BETAS, "anthropic-version": "2023-06-01"}
    answer = gateway.ask(path, model="m", stream=stream, headers=headers)
    assert answer.status == 200
    assert text_of(path, answer.body) == "hello"
    assert b"invocationMetrics" not in answer.body
    (request,) = first.requests
    operation = "invoke-with-response-stream" if stream else "invoke"
    assert request.path == f"/model/{CLAUDE}/{operation}"
    body = json.loads(request.body)
    assert body["anthropic_version"] == "bedrock-2023-05-31"
    assert body["max_tokens"] and not {"model", "stream"} & body.keys()
    assert not [name for name in request.headers if name.startswith("anthropic-")]
    if path == MESSAGES:
        assert body["anthropic_beta"] == ["interleaved-thinking-2025-05-14"]
        assert "betas" in answer.headers["x-plexus-warnings"]
    signed = Signed(request)
    assert (signed.id, signed.region, signed.service) == (SECRETS["ID"], "eu-west-3", "bedrock")
    assert signed.by(SECRETS["SECRET"])
    assert not signed.by("another secret")


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("claude", [False, True], ids=["converse", "invoke"])
def test_responses_clients(serve: Serve, first: FaultServer, claude: bool, stream: bool) -> None:
    first.script = amazon()
    kind = {"type": "anthropic-messages", "platform": "bedrock"} if claude else {}
    gateway = serve(served(first, **{"type": "bedrock-converse", "api_key": KEY, **kind}))
    answer = gateway.ask("/v1/responses", {"model": "m", "input": "say", "stream": stream})
    assert answer.status == 200
    found = answer.json if not stream else None
    if stream:
        events = [
            json.loads(line[6:]) for line in answer.body.splitlines() if line[:6] == b"data: "
        ]
        assert events[-1]["type"] == "response.completed"
        found = events[-1]["response"]
    assert [part["text"] for item in found["output"] for part in item["content"]] == ["hello"]
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"]) == (3, 2)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_claude_on_bedrock_is_passed_through(
    serve: Serve, first: FaultServer, stream: bool
) -> None:
    """An Anthropic client reads the very events that are inside Amazon's frames."""
    first.script = amazon()
    config = served(first, type="anthropic-messages", platform="bedrock", api_key=KEY)
    answer = serve(config).ask(MESSAGES, model="m", stream=stream)
    assert answer.body == (b"".join(wire.message_stream()) if stream else wire.message())
    kind = answer.headers["content-type"]
    assert kind == ("text/event-stream; charset=utf-8" if stream else "application/json")


@pytest.mark.parametrize("folder", INVOKED, ids=lambda folder: folder.name)
def test_recorded_claude_on_bedrock(serve: Serve, first: FaultServer, folder: Path) -> None:
    """Real InvokeModel answers, for a client of each dialect."""
    stream = (folder / "response.eventstream").exists()
    kind = "eventstream" if stream else "json"
    raw = (folder / f"response.{kind}").read_bytes()

    async def script(peer: Peer) -> None:
        content_type = clouds.EVENT_STREAM if stream else "application/json"
        await peer.answer(200, raw, content_type)

    first.script = script
    config = served(first, type="anthropic-messages", platform="bedrock", api_key=KEY)
    gateway = serve(config)
    for path in PATHS.values():
        answer = gateway.ask(path, model="m", stream=stream)
        assert answer.status == 200
        if path == MESSAGES and not stream:
            assert answer.body == raw
        if path == MESSAGES and stream:
            decoder, observer = anthropic_messages.decoder(), anthropic_messages.stream_observer()
            seen = [observer.observe(frame) for frame in decoder.feed(answer.body)]
            assert seen[-1].terminal and not any(look.error for look in seen)
            assert b"amazon-bedrock" not in answer.body
    usage = [(line["tokens_in"], line["tokens_out"]) for line in gateway.sink.wait_requests(2)]
    assert usage[0] == usage[1] and min(usage[0]) > 0


def test_the_recordings_are_here() -> None:
    if not CORPUS.is_dir():
        pytest.skip("SKIPPED: ../shared/corpus with the recorded traffic is not here")
    assert len(INVOKED) == 6


def test_the_signature_is_the_one_botocore_makes(serve: Serve, first: FaultServer) -> None:
    first.script = amazon()
    credential = {**SIGNED, "session_token": {"env": "TOKEN"}}
    config = served(first, model=ARN, type="bedrock-converse", credential=credential)
    gateway = serve(config, environment=SECRETS)
    assert gateway.ask(model="m").status == 200
    (request,) = first.requests
    assert request.headers["x-amz-security-token"] == SECRETS["TOKEN"]
    assert request.headers["host"] == f"127.0.0.1:{first.port}"
    assert Signed(request).by(SECRETS["SECRET"])
    # The same request signed by botocore alone, at the same second.
    again = AWSRequest("POST", f"http://127.0.0.1:{first.port}{request.path}", data=request.body)
    again.context["timestamp"] = request.headers["x-amz-date"]
    for name in Signed(request).names:
        again.headers[name] = request.headers[name]
    keys = Credentials(SECRETS["ID"], SECRETS["SECRET"], SECRETS["TOKEN"])
    auth = SigV4Auth(keys, "bedrock", "eu-west-3")
    text = auth.string_to_sign(again, auth.canonical_request(again))
    assert auth.signature(text, again) == Signed(request).signature


def test_each_attempt_is_signed_anew(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    async def busy(peer: Peer) -> None:
        await peer.answer(
            429, b'{"message":"Too many requests"}', x_amzn_ErrorType="ThrottlingException"
        )

    first.script, second.script = busy, amazon()
    providers = {
        name: served(server, type="bedrock-converse", credential=SIGNED)["providers"]["cloud"]
        for name, server in (("a", first), ("b", second))
    }
    targets = [f"{name}/{CLAUDE}" for name in providers]
    aliases = {"m": {"selector": "in_order", "targets": targets}}
    gateway = serve({"providers": providers, "aliases": aliases}, environment=SECRETS)
    assert gateway.ask(model="m").status == 200
    signatures = [Signed(server.requests[0]) for server in (first, second)]
    assert all(signed.by(SECRETS["SECRET"]) for signed in signatures)
    assert signatures[0].signature != signatures[1].signature


ERRORS: dict[str, tuple[int, str, bytes, int]] = {
    "throttled": (429, "ThrottlingException", b'{"message":"slow down"}', 429),
    "invalid": (400, "ValidationException", b'{"message":"bad field"}', 400),
    "credential": (403, "UnrecognizedClientException", b'{"message":"bad token"}', 502),
    "unknown model": (
        400,
        "ValidationException",
        b'{"message":"The provided model identifier is invalid."}',
        404,
    ),
    "not ready": (429, "ModelNotReadyException", b'{"message":"warming up"}', 503),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("dialect", PATHS)
def test_errors_of_aws_speak_the_clients_dialect(
    serve: Serve, first: FaultServer, dialect: str, name: str
) -> None:
    status, kind, body, wanted = ERRORS[name]

    async def script(peer: Peer) -> None:
        await peer.answer(
            status,
            body,
            x_amzn_ErrorType=f"{kind}:http://internal.amazon.com/",
            x_amzn_RequestId="req-aws",
        )

    first.script = script
    config = served(first, type="anthropic-messages", platform="bedrock", api_key=KEY)
    answer = serve(config).ask(PATHS[dialect], model="m")
    if wanted == 503 and dialect == "anthropic-messages":
        wanted = 529
    assert answer.status == wanted
    if name != "credential":
        assert json.loads(body)["message"] in answer.error["message"]
    assert answer.headers["x-plexus-upstream-request-id"] == "req-aws"
    if dialect == "anthropic-messages":
        assert answer.json["type"] == "error"


BOUND = "messages.1.content.0: The block is bound to a different conversation"
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
DETAIL = {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "index": 0}
HISTORIES: dict[str, list[dict[str, Any]]] = {
    MESSAGES: [{"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "x"}]}],
    CHAT: [
        {
            "role": "assistant",
            "content": "x",
            "reasoning_details": [{**DETAIL, "format": "anthropic-claude-v1"}],
        }
    ],
}


@pytest.mark.parametrize("path", HISTORIES)
@pytest.mark.parametrize("platform", ["bedrock", "vertex"])
def test_thinking_that_is_bound_elsewhere_goes_whole(
    serve: Serve, first: FaultServer, platform: str, path: str
) -> None:
    """The newest models sign for one account (canonical.md §6): after the 400, once without it."""

    async def script(peer: Peer) -> None:
        if b'"signature"' in peer.request.body:
            bedrock = json.dumps({"message": BOUND}).encode()
            refusal = wire.message_error(BOUND, "invalid_request_error")
            body = bedrock if platform == "bedrock" else refusal
            await peer.answer(400, body, x_amzn_ErrorType="ValidationException")
        else:
            await peer.answer(200, wire.message())

    first.script = script
    own = {"type": "anthropic-messages", "platform": platform, "api_key": KEY}
    own |= {} if platform == "bedrock" else {"base": "/v1/projects/p/locations/global"}
    model = CLAUDE if platform == "bedrock" else "claude-sonnet-4-5"
    asking = {"messages": [*SAY, *HISTORIES[path], *SAY], "max_tokens": 100}
    mended = serve(served(first, model=model, repair="always", **own))
    answer = mended.ask(path, model="m", **asking)
    assert (answer.status, answer.headers["x-plexus-attempts"]) == (200, "2")
    assert "repaired" in answer.headers["x-plexus-attempt-log"]
    again = json.loads(first.requests[-1].body)
    assert [part["type"] for part in again["messages"][1]["content"]] == ["text"]
    # What is passed through is mended only where the config says so.
    default = serve(served(first, model=model, **own)).ask(path, model="m", **asking)
    assert default.status == (400 if path == MESSAGES else 200)
    if path == MESSAGES:
        assert BOUND in default.error["message"]


@pytest.mark.parametrize("path", PATHS.values())
@pytest.mark.parametrize("kind", ["anthropic-messages", "bedrock-converse"])
def test_an_exception_inside_a_stream(
    serve: Serve, first: FaultServer, kind: str, path: str
) -> None:
    """Before content it is a status; after content an error in the stream, and no end."""
    invoke = kind == "anthropic-messages"
    pieces = clouds.invoke_stream() if invoke else clouds.converse_stream()
    broken = clouds.frame("exception:throttlingException", {"message": "slow down"})
    cut = [0]

    async def script(peer: Peer) -> None:
        await clouds.binary(peer, [*pieces[: cut[0]], broken])

    first.script = script
    platform = {"platform": "bedrock"} if invoke else {}
    gateway = serve(served(first, type=kind, api_key=KEY, **platform))
    answer = gateway.ask(path, model="m", stream=True)
    assert answer.status == 429
    assert "slow down" in answer.error["message"]
    cut[0] = 5
    answer = gateway.ask(path, model="m", stream=True)
    assert answer.status == 200
    assert text_of(path, answer.body.partition(b'"error"')[0].rpartition(b"\n\n")[0]).startswith(
        "he"
    )
    last = [line for line in answer.body.splitlines() if line.startswith(b"data: ")][-1]
    assert "slow down" in json.loads(last[6:])["error"]["message"]
    assert b"[DONE]" not in answer.body and b"message_stop" not in answer.body


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_stream_is_an_error(serve: Serve, first: FaultServer, damage: str) -> None:
    raw = bytearray(b"".join(clouds.converse_stream()))

    async def script(peer: Peer) -> None:
        await clouds.binary(peer, [bytes(raw)])

    if damage == "cut":
        del raw[-200:]
    else:
        raw[len(raw) // 2] ^= 1
    first.script = script
    answer = serve(served(first, type="bedrock-converse", api_key=KEY)).ask(model="m", stream=True)
    assert answer.status == 200
    assert b"[DONE]" not in answer.body
    assert b'"error"' in answer.body.splitlines()[-2]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("path", PATHS.values())
def test_claude_on_vertex(serve: Serve, first: FaultServer, path: str, stream: bool) -> None:
    first.script = vendor()
    base = "/v1/projects/p-1/locations/us-east5"
    config = served(
        first,
        base,
        "claude-sonnet-4-5@20250929",
        type="anthropic-messages",
        platform="vertex",
        api_key=KEY,
    )
    answer = serve(config).ask(path, model="m", stream=stream, headers={"anthropic-beta": BETAS})
    assert text_of(path, answer.body) == "hello"
    (request,) = first.requests
    verb = "streamRawPredict" if stream else "rawPredict"
    assert request.path == f"{base}/publishers/anthropic/models/claude-sonnet-4-5@20250929:{verb}"
    body = json.loads(request.body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    assert body.get("stream", False) == stream
    assert request.headers["authorization"] == f"Bearer {ENVIRONMENT['UPSTREAM_KEY']}"
    assert "anthropic-version" not in request.headers
    if path == MESSAGES:
        assert request.headers["anthropic-beta"] == "interleaved-thinking-2025-05-14"


GOOGLES: dict[str, tuple[int, Any, int, str]] = {
    "google": (
        429,
        [{"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}],
        429,
        "Quota exceeded",
    ),
    "claude": (
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "no such tool"}},
        400,
        "no such tool",
    ),
    "claude in google": (
        400,
        {
            "error": {
                "code": 400,
                "status": "INVALID_ARGUMENT",
                "message": json.dumps(
                    {
                        "type": "error",
                        "error": {"type": "invalid_request_error", "message": "prompt is too long"},
                    }
                ),
            }
        },
        400,
        "prompt is too long",
    ),
}


@pytest.mark.parametrize("name", GOOGLES)
def test_errors_of_vertex(serve: Serve, first: FaultServer, name: str) -> None:
    """Google's own form is never shown to a client of another dialect."""
    status, body, wanted, message = GOOGLES[name]

    async def script(peer: Peer) -> None:
        await peer.answer(status, json.dumps(body).encode())

    first.script = script
    config = served(
        first,
        "/v1/projects/p/locations/l",
        type="anthropic-messages",
        platform="vertex",
        api_key=KEY,
    )
    answer = serve(config).ask(MESSAGES, model="m")
    assert answer.status == wanted
    assert answer.json["type"] == "error"
    assert message in answer.error["message"]


def test_openai_compatible_models_on_vertex(serve: Serve, first: FaultServer) -> None:
    first.script = vendor()
    base = "/v1/projects/p/locations/l"
    config = served(
        first, base, "google/gemini-2.5-flash", type="openai-chat", platform="vertex", api_key=KEY
    )
    assert text_of(CHAT, serve(config).ask(model="m").body) == "hello"
    (request,) = first.requests
    assert request.path == f"{base}/endpoints/openapi/chat/completions"
    assert json.loads(request.body)["model"] == "google/gemini-2.5-flash"


AZURES = {
    "v1": ("/openai/v1", {}, "/openai/v1/chat/completions"),
    "preview": (
        "/openai/v1",
        {"api_version": "preview"},
        "/openai/v1/chat/completions?api-version=preview",
    ),
    "deployment": (
        "/openai",
        {"api_version": "2024-10-21"},
        "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21",
    ),
}


@pytest.mark.parametrize("name", AZURES)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_azure(serve: Serve, first: FaultServer, name: str, stream: bool) -> None:
    base, more, wanted = AZURES[name]
    first.script = vendor()
    config = served(
        first, base, "my gpt", type="openai-chat", platform="azure", api_key=KEY, **more
    )
    assert text_of(CHAT, serve(config).ask(model="m", stream=stream).body) == "hello"
    (request,) = first.requests
    assert request.path == wanted
    assert request.headers["api-key"] == ENVIRONMENT["UPSTREAM_KEY"]
    assert "authorization" not in request.headers


def test_foundry(serve: Serve, first: FaultServer) -> None:
    first.script = vendor()
    config = served(
        first, "/anthropic/v1", "claude", type="anthropic-messages", platform="azure", api_key=KEY
    )
    assert serve(config).ask(MESSAGES, model="m").body == wire.message()
    (request,) = first.requests
    assert request.path == "/anthropic/v1/messages"
    assert request.headers["api-key"] == ENVIRONMENT["UPSTREAM_KEY"]
    assert request.headers["anthropic-version"] == "2023-06-01"


def ask_claude(gateway: Gateway, **fields: Any) -> Any:
    return gateway.ask(MESSAGES, model="m", **fields)


@pytest.mark.parametrize(
    "source", [{"type": "url", "url": "https://e.x/a.png"}, {"type": "file", "file_id": "f"}]
)
@pytest.mark.parametrize("nested", [False, True])
def test_media_by_address_is_refused(
    serve: Serve, first: FaultServer, source: dict[str, str], nested: bool
) -> None:
    first.script = amazon()
    config = served(first, type="anthropic-messages", platform="bedrock", api_key=KEY)
    block: dict[str, Any] = {"type": "image", "source": source}
    if nested:
        block = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    say = [{"role": "user", "content": [{"type": "text", "text": "see"}, block]}]
    answer = ask_claude(serve(config), messages=say)
    assert answer.status == 400
    assert "messages[0].content[1]" in answer.error["message"]
    assert not first.requests


def test_fields_of_anthropics_own_api_are_left_out(serve: Serve, first: FaultServer) -> None:
    first.script = amazon()
    config = served(first, type="anthropic-messages", platform="bedrock", api_key=KEY)
    tool = {"name": "f", "input_schema": {"type": "object"}, "defer_loading": True}
    gateway = serve(config)
    answer = ask_claude(
        gateway, tools=[tool], speed="fast", mcp_servers=[], context_management={"edits": []}
    )
    assert answer.status == 200
    body = json.loads(first.requests[0].body)
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert not {"speed", "mcp_servers", "context_management"} & body.keys()
    assert "platform.fields" in answer.headers["x-plexus-warnings"]
    headers = {"anthropic-beta": "context-management-2025-06-27"}
    ask_claude(gateway, headers=headers, context_management={"edits": []})
    body = json.loads(first.requests[1].body)
    assert body["context_management"] == {"edits": []}
    assert body["anthropic_beta"] == ["context-management-2025-06-27"]


def test_a_loss_is_an_error_where_the_config_says_so(serve: Serve, first: FaultServer) -> None:
    first.script = amazon()
    config = served(first, type="anthropic-messages", platform="bedrock", api_key=KEY)
    config["on_loss"] = "error"
    answer = ask_claude(serve(config), speed="fast")
    assert answer.status == 400
    assert not first.requests


def test_an_alias_hides_its_provider(serve: Serve, first: FaultServer) -> None:
    """The alias's name stands for the model in a stream that came in Amazon's frames."""
    first.script = amazon()
    config = served(first, type="anthropic-messages", platform="bedrock", api_key=KEY)
    config["aliases"]["m"]["reveal_model"] = False
    answer = ask_claude(serve(config), stream=True)
    start = json.loads(answer.body.splitlines()[1].removeprefix(b"data: "))
    assert start["message"]["model"] == "m"
