"""Token counting: asked of the target, translated, or estimated (models-embeddings.md §3; T95)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.faults.server import FaultServer, Peer, Script
from tests.gateway.clouds import ARN, CLAUDE, KEY, served
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import Answer, Gateway, Json

COUNT = "/v1/messages/count_tokens"
INPUT = "/v1/responses/input_tokens"
COMPACT = "/v1/responses/compact"
GEMINI = "/v1beta/models/m:countTokens"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ASKED: dict[str, Json] = {
    COUNT: {
        "model": "m",
        "system": "Be terse.",
        "messages": [{"role": "user", "content": "How warm is it in Rome?"}],
        "tools": [{"name": "weather", "description": "The weather", "input_schema": SCHEMA}],
    },
    INPUT: {
        "model": "m",
        "instructions": "Be terse.",
        "input": "How warm is it in Rome?",
        "tools": [
            {
                "type": "function",
                "name": "weather",
                "description": "The weather",
                "parameters": SCHEMA,
                "strict": False,
            }
        ],
    },
    GEMINI: {
        "generateContentRequest": {
            "model": "models/m",
            "systemInstruction": {"parts": [{"text": "Be terse."}]},
            "contents": [{"role": "user", "parts": [{"text": "How warm is it in Rome?"}]}],
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "weather",
                            "description": "The weather",
                            "parametersJsonSchema": SCHEMA,
                        }
                    ]
                }
            ],
        }
    },
}
ANSWERS: dict[str, Json] = {
    COUNT: {"input_tokens": 41},
    INPUT: {"object": "response.input_tokens", "input_tokens": 41},
    GEMINI: {"totalTokens": 41},
}
UPSTREAM = {
    "anthropic-messages": (COUNT, COUNT),
    "openai-responses": (INPUT, INPUT),
    "gemini": (GEMINI, "/v1/models/m:countTokens"),
}
"""Dialect → the client path of it, and where its provider is asked."""


def answers(*, status: int = 200, **fields: Any) -> Script:
    async def script(peer: Peer) -> None:
        await peer.answer(status, json.dumps(fields).encode())

    return script


def alone(serve: Serve, server: FaultServer, dialect: str, **more: Any) -> Gateway:
    config = {
        "providers": {"p": provider(server, dialect, **more)},
        "aliases": {"m": {"targets": ["p/m"]}},
    }
    return serve(config)


def count(answer: Answer, path: str) -> int:
    """The figure of an estimate, whose form is that of any other count."""
    name = "totalTokens" if path == GEMINI else "input_tokens"
    assert answer.headers["x-plexus-estimated"] == "true"
    assert answer.json == {**ANSWERS[path], name: answer.json[name]}
    return int(answer.json[name])


@pytest.mark.parametrize("dialect", UPSTREAM)
def test_the_same_dialect_is_passed_through(serve: Serve, first: FaultServer, dialect: str) -> None:
    """The client's bytes, the provider's bytes."""
    path, upstream = UPSTREAM[dialect]
    said = {**ANSWERS[path], "future": {"x": 1.0}}
    first.script = answers(**said)
    body = json.dumps({**ASKED[path], "future_field": 1.50}, indent=1).encode()
    gateway = alone(serve, first, dialect)
    answer = gateway.ask(path, body)
    assert (answer.status, answer.body) == (200, json.dumps(said).encode())
    assert "x-plexus-estimated" not in answer.headers
    assert answer.headers["x-plexus-provider"] == "p"
    (request,) = first.requests
    assert (request.path, request.body) == (upstream, body)
    (line,) = gateway.sink.wait_requests(1)
    assert "tokens_in" not in line, "a count is no usage"


@pytest.mark.parametrize("dialect", UPSTREAM)
@pytest.mark.parametrize("path", ASKED)
def test_every_client_is_counted_by_every_counter(
    serve: Serve, first: FaultServer, path: str, dialect: str
) -> None:
    own, upstream = UPSTREAM[dialect]
    first.script = answers(**ANSWERS[own])
    answer = alone(serve, first, dialect).ask(f"{path}?beta=true", ASKED[path])
    assert (answer.status, answer.json) == (200, ANSWERS[path]), answer.body
    assert "x-plexus-estimated" not in answer.headers
    (request,) = first.requests
    assert request.path == upstream
    body = json.loads(request.body)
    if dialect == "gemini":
        assert body.keys() == {"generateContentRequest"}
        body = body["generateContentRequest"]
        assert body["model"] == "models/m"
    assert "Be terse." in request.body.decode()
    assert "weather" in request.body.decode()
    allowed = {
        "anthropic-messages": {"model", "system", "messages", "tools", "tool_choice", "thinking"},
        "openai-responses": {"model", "instructions", "input", "tools", "tool_choice"},
        "gemini": {"model", "systemInstruction", "contents", "tools", "generationConfig"},
    }[dialect]
    assert body.keys() <= allowed


@pytest.mark.parametrize("verb", [f"/{v}/models/a/b:c:countTokens" for v in ("v1", "v1beta")])
def test_gemini_contents_alone(serve: Serve, first: FaultServer, verb: str) -> None:
    """As Google's SDK sends them."""
    first.script = answers(totalTokens=3, promptTokensDetails=[])
    config = {
        "providers": {"p": provider(first, "gemini")},
        "aliases": {"a/b:c": {"targets": ["p/m"]}},
    }
    body = b'{"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}'
    answer = serve(config).ask(verb, body)
    assert answer.json == {"totalTokens": 3, "promptTokensDetails": []}
    assert first.requests[0].body == body


def test_the_model_inside_is_the_providers(serve: Serve, first: FaultServer) -> None:
    first.script = answers(totalTokens=3)
    config = {
        "providers": {"p": provider(first, "gemini")},
        "aliases": {"fast": {"targets": ["p/m"]}},
    }
    body = b'{"generateContentRequest": {"model": "models/fast", "contents": [] }}'
    assert serve(config).ask("/v1beta/models/fast:countTokens", body).status == 200
    assert first.requests[0].body == body.replace(b"models/fast", b"models/m")


def test_what_steps_change_is_counted(serve: Serve, first: FaultServer) -> None:
    """A wire step that adds what no counter knows does not spoil the count."""
    first.script = answers(input_tokens=5)
    steps = {"use": [["customparams", {"temperature": 0.5, "output_config": {"effort": "low"}}]]}
    gateway = alone(serve, first, "anthropic-messages", transformer=steps)
    assert gateway.ask(COUNT, ASKED[COUNT]).json == {"input_tokens": 5}
    body = json.loads(first.requests[0].body)
    assert "temperature" not in body
    assert body["output_config"] == {"effort": "low"}


def test_another_dialect_of_the_provider_counts(serve: Serve, first: FaultServer) -> None:
    first.script = answers(input_tokens=7)
    url = f"http://127.0.0.1:{first.port}/v1"
    config = {
        "providers": {
            "p": {
                "api_base_url": {"openai-chat": url, "openai-responses": url},
                "models": ["m"],
                "transformer": {"use": ["tooluse"]},
            }
        },
        "aliases": {"m": {"targets": ["p/m"]}},
    }
    assert serve(config).ask(COUNT, ASKED[COUNT]).json == {"input_tokens": 7}
    assert first.requests[0].path == INPUT
    assert b"ExitTool" in first.requests[0].body, "with the steps of the chat"


def test_a_limit_that_no_count_has_is_no_loss(serve: Serve, first: FaultServer) -> None:
    """Of what a strict alias would refuse there is nothing in the request."""
    first.script = answers(totalTokens=5)
    models = {"m": {"max_output_tokens": 4096}}
    config = {
        "providers": {"p": provider(first, "gemini", models=models)},
        "aliases": {"m": {"targets": ["p/m"], "on_loss": "error"}},
    }
    gateway = serve(config)
    answer = gateway.ask(COUNT, ASKED[COUNT])
    assert answer.json == {"input_tokens": 5}, answer.body
    assert "x-plexus-warnings" not in answer.headers
    lossy = gateway.ask(COUNT, {**ASKED[COUNT], "service_tier": "auto", "mcp_servers": []})
    assert (lossy.status, "mcp_servers" in lossy.error["message"]) == (400, True)


# -- estimates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ASKED)
def test_without_a_counter_there_is_an_estimate(
    serve: Serve, first: FaultServer, path: str
) -> None:
    gateway = alone(serve, first, "openai-chat")
    small = count(gateway.ask(path, ASKED[path]), path)
    text = json.dumps(ASKED[path]).replace("Rome?", "Rome? " + "far away " * 1000)
    large = count(gateway.ask(path, text.encode()), path)
    assert 2571 <= large - small <= 2580, "9,000 characters more"
    assert not first.requests, "no counting costs a call"


async def _broken(peer: Peer) -> None:
    peer.reset()


async def _stalls(peer: Peer) -> None:
    await peer.stall()


@pytest.mark.parametrize(
    "script",
    [
        *(answers(status=status, error={"message": "x"}) for status in (404, 405, 429, 500, 503)),
        answers(status=401, error={"message": "bad key"}),
        answers(status=400, message="The provided model doesn't support counting tokens."),
        answers(tokens="many"),
        answers(input_tokens="many"),
        _broken,
    ],
    ids=["404", "405", "429", "500", "503", "401", "uncounted", "other", "no-number", "reset"],
)
@pytest.mark.parametrize("path", [COUNT, INPUT])
def test_T95_a_counter_that_fails_is_no_500(
    serve: Serve, first: FaultServer, path: str, script: Script
) -> None:
    first.script = script
    answer = alone(serve, first, "anthropic-messages").ask(path, ASKED[path])
    assert answer.status == 200
    assert count(answer, path) > 600
    assert answer.headers["x-plexus-attempts"] == "1"


def test_a_counter_that_says_nothing(serve: Serve, first: FaultServer) -> None:
    first.script = _stalls
    gateway = alone(serve, first, "anthropic-messages", timeouts={"first_content": 0.2})
    assert count(gateway.ask(COUNT, ASKED[COUNT]), COUNT) > 600


def test_the_next_target_may_count(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    first.script, second.script = answers(status=503), answers(input_tokens=9)
    served = serve(two(provider(first, "gemini"), provider(second, "anthropic-messages")))
    answer = served.ask(COUNT, ASKED[COUNT])
    assert (answer.json, answer.headers["x-plexus-provider"]) == ({"input_tokens": 9}, "second")
    chat = serve(two(provider(first), provider(second, "anthropic-messages")))
    assert chat.ask(COUNT, ASKED[COUNT]).json == {"input_tokens": 9}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_mistakes_of_the_client_stay_mistakes(
    serve: Serve, first: FaultServer, status: int
) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "bad block"}}
    first.script = answers(status=status, **error)
    gateway = alone(serve, first, "anthropic-messages")
    answer = gateway.ask(COUNT, ASKED[COUNT])
    assert (answer.status, answer.json) == (status, error)
    assert gateway.ask(INPUT, ASKED[INPUT]).status == 400


@pytest.mark.parametrize("dialect", ["openai-chat", "gemini"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (COUNT, {"model": "m"}),
        (COUNT, {"model": "m", "messages": 5}),
        (INPUT, {"model": "m", "input": 5}),
        (COUNT, {"messages": []}),
        (COUNT, {"model": "nobody", "messages": []}),
    ],
)
def test_a_body_that_is_none(
    serve: Serve, first: FaultServer, path: str, body: Json, dialect: str
) -> None:
    answer = alone(serve, first, dialect).ask(path, body)
    assert answer.status == (404 if body.get("model") == "nobody" else 400)
    assert not first.requests


def test_a_wrapper_that_is_none(serve: Serve, first: FaultServer) -> None:
    for dialect in ("gemini", "openai-chat"):
        gateway = alone(serve, first, dialect)
        answer = gateway.ask(GEMINI, {"generateContentRequest": [1]})
        assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")


HI = [{"parts": [{"text": "hi"}]}]


def test_estimates_can_be_off(serve: Serve, first: FaultServer) -> None:
    """Then there are counts and 404s, whatever happens to a counter."""
    first.script = answers(input_tokens=5)
    config = {
        "server": {"estimate_tokens": False},
        **two(provider(first, "anthropic-messages"), provider(first)),
    }
    gateway = serve(config)
    assert gateway.ask(COUNT, {**ASKED[COUNT], "model": "one"}).json == {"input_tokens": 5}
    first.script = answers(status=503, error={"message": "busy"})
    for model in ("one", "other"):
        answer = gateway.ask(COUNT, {**ASKED[COUNT], "model": model})
        assert (answer.status, answer.headers["x-should-retry"]) == (404, "false")
        assert "estimate_tokens" in answer.error["message"]


PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


@pytest.mark.parametrize(
    ("path", "changes", "named"),
    [
        (
            COUNT,
            {"messages": [{"role": "user", "content": [{"type": "document", "source": PDF}]}]},
            "document",
        ),
        (COUNT, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
        (INPUT, {"previous_response_id": "resp_1"}, "previous_response_id"),
        (
            GEMINI,
            {"generateContentRequest": {"contents": HI, "cachedContent": "cachedContents/1"}},
            "cachedContent",
        ),
    ],
    ids=["pdf", "server-tool", "state", "cache"],
)
def test_no_number_is_invented(
    serve: Serve, first: FaultServer, path: str, changes: Json, named: str
) -> None:
    """A 404, at which Claude Code counts for itself (ecosystem.md finding 9)."""
    answer = alone(serve, first, "openai-chat").ask(path, {**ASKED[path], **changes})
    assert (answer.status, answer.headers["x-should-retry"]) == (404, "false")
    assert named in answer.error["message"]
    # The same where a counter failed.
    first.script = answers(status=503, error={"message": "busy"})
    dialect = "openai-responses" if path == INPUT else "anthropic-messages"
    if path != GEMINI:
        assert alone(serve, first, dialect).ask(path, {**ASKED[path], **changes}).status == 404


def png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    raw = head + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x06\0\0\0"
    return base64.b64encode(raw).decode()


def test_pictures_count_by_their_size(serve: Serve, first: FaultServer) -> None:
    gateway = alone(serve, first, "openai-chat")

    def tokens(source: Json) -> int:
        content = [{"type": "image", "source": source}]
        body = {"model": "m", "messages": [{"role": "user", "content": content}]}
        return count(gateway.ask(COUNT, body), COUNT)

    def picture(width: int, height: int) -> int:
        return tokens({"type": "base64", "media_type": "image/png", "data": png(width, height)})

    assert picture(750, 1000) - picture(1, 1) == 1000 - 260
    assert picture(9000, 9000) - picture(1, 1) == 1600 - 260
    assert tokens({"type": "url", "url": "https://example.org/a.png"}) == picture(9000, 9000)


# -- clouds ------------------------------------------------------------------------------------


def test_converse_counts(serve: Serve, first: FaultServer) -> None:
    first.script = answers(inputTokens=12)
    gateway = serve(
        served(first, model="us.amazon.nova-lite-v1:0", type="bedrock-converse", api_key=KEY)
    )
    answer = gateway.ask(COUNT, ASKED[COUNT])
    assert answer.json == {"input_tokens": 12}
    (request,) = first.requests
    assert request.path == "/model/amazon.nova-lite-v1:0/count-tokens"
    converse = json.loads(request.body)["input"]["converse"]
    assert converse.keys() == {"messages", "system", "toolConfig"}
    profile = serve(served(first, model=ARN, type="bedrock-converse", api_key=KEY))
    assert profile.ask(COUNT, ASKED[COUNT]).status == 200
    assert first.requests[1].path == f"/model/{ARN.replace('/', '%2F')}/count-tokens"


@pytest.mark.parametrize("path", [COUNT, GEMINI])
def test_claude_on_bedrock_counts(serve: Serve, first: FaultServer, path: str) -> None:
    first.script = answers(inputTokens=41)
    config = served(first, type="anthropic-messages", platform="bedrock", api_key=KEY)
    body = {**ASKED[path]}
    if path == COUNT:
        body["thinking"] = {"type": "enabled", "budget_tokens": 5000}
    answer = serve(config).ask(path, body, headers={"anthropic-version": "2023-06-01"})
    assert answer.json == ANSWERS[path]
    (request,) = first.requests
    assert request.path == f"/model/{CLAUDE.removeprefix('us.')}/count-tokens"
    inner = json.loads(base64.b64decode(json.loads(request.body)["input"]["invokeModel"]["body"]))
    assert inner["anthropic_version"] == "bedrock-2023-05-31"
    assert "model" not in inner
    assert inner["max_tokens"] > inner.get("thinking", {}).get("budget_tokens", 0)
    assert inner["system"]


LOCATION = "/v1beta1/projects/p/locations/l"


@pytest.mark.parametrize("path", [COUNT, INPUT])
def test_claude_on_vertex_counts(serve: Serve, first: FaultServer, path: str) -> None:
    first.script = answers(input_tokens=41)
    model = "claude-sonnet-4-5@20250929"
    fields = {"type": "anthropic-messages", "platform": "vertex", "api_key": KEY}
    gateway = serve(served(first, LOCATION, model, **fields))
    assert gateway.ask(path, ASKED[path]).json == ANSWERS[path]
    (request,) = first.requests
    assert request.path == f"{LOCATION}/publishers/anthropic/models/count-tokens:rawPredict"
    body = json.loads(request.body)
    assert (body["model"], body["anthropic_version"]) == (model, "vertex-2023-10-16")
    assert "max_tokens" not in body


@pytest.mark.parametrize("path", [COUNT, GEMINI])
def test_gemini_on_vertex_counts(serve: Serve, first: FaultServer, path: str) -> None:
    """Its counter takes the members of the wrapper at the top."""
    first.script = answers(totalTokens=41)
    fields = {"type": "gemini", "platform": "vertex", "api_key": KEY}
    gateway = serve(served(first, LOCATION, "gemini-2.5-flash", **fields))
    assert gateway.ask(path, ASKED[path]).json == ANSWERS[path]
    (request,) = first.requests
    assert request.path == f"{LOCATION}/publishers/google/models/gemini-2.5-flash:countTokens"
    body = json.loads(request.body)
    body.pop("generationConfig", None)
    assert body.keys() == {"contents", "systemInstruction", "tools"}


def test_claude_on_foundry_counts(serve: Serve, first: FaultServer) -> None:
    first.script = answers(input_tokens=41)
    fields = {"type": "anthropic-messages", "platform": "azure", "api_key": KEY}
    gateway = serve(served(first, "/anthropic/v1", "c", **fields))
    assert gateway.ask(COUNT, ASKED[COUNT]).json == ANSWERS[COUNT]
    assert first.requests[0].path == "/anthropic/v1/messages/count_tokens"


# -- echo, addresses, compaction ---------------------------------------------------------------

ECHO = {
    "providers": {"e": {"type": "echo", "models": ["m"]}},
    "aliases": {"m": {"targets": ["e/m"]}, "veiled": {"targets": ["e/m"], "reveal_model": False}},
}


@pytest.mark.parametrize("prefix", ["", "/aliases/m", "/targets/e/m"])
@pytest.mark.parametrize("path", ASKED)
def test_echo_counts_words(serve: Serve, path: str, prefix: str) -> None:
    answer = serve(ECHO).ask(prefix + path, ASKED[path])
    assert answer.status == 200, answer.body
    assert [value for value in answer.json.values() if isinstance(value, int)] == [8]
    assert "x-plexus-estimated" not in answer.headers


def test_echo_can_be_told_to_fail(serve: Serve) -> None:
    gateway = serve(ECHO)
    for status in (500, 404):
        said = [{"role": "user", "content": f"echo:error {status}"}]
        answer = gateway.ask(COUNT, {"model": "veiled", "messages": said})
        assert count(answer, COUNT) >= 20
        assert not {"x-plexus-model", "x-plexus-provider"} & answer.headers.keys()


@pytest.mark.parametrize("prefix", ["/v1", "", "/aliases/m/v1"])
def test_compaction_passes_through(serve: Serve, first: FaultServer, prefix: str) -> None:
    said = b'{"id": "resp_1", "object": "response.compaction", "output": [], "usage": {}}'

    async def script(peer: Peer) -> None:
        await peer.answer(200, said)

    first.script = script
    body = b'{"input": [ ], "model":"m", "x": 1.0}'
    answer = alone(serve, first, "openai-responses").ask(f"{prefix}/responses/compact", body)
    assert (answer.status, answer.body) == (200, said)
    assert (first.requests[0].path, first.requests[0].body) == (COMPACT, body)


def test_compaction_without_a_responses_target(serve: Serve, first: FaultServer) -> None:
    for dialect in ("openai-chat", "anthropic-messages"):
        answer = alone(serve, first, dialect).ask(COMPACT, {"model": "m", "input": "x"})
        assert (answer.status, answer.headers["x-should-retry"]) == (404, "false")
        assert "p/m does not serve compaction of responses" in answer.error["message"]
    assert not first.requests


def test_an_envelope_leaves_neither_a_count_nor_a_compaction(
    serve: Serve, first: FaultServer
) -> None:
    first.script = answers(object="response.input_tokens", input_tokens=1)
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "plx1.e30"},
        {"type": "message", "role": "user", "content": "hi"},
    ]
    gateway = alone(serve, first, "openai-responses")
    for path in (INPUT, COMPACT):
        assert gateway.ask(path, {"model": "m", "input": items}).status == 200
    assert [json.loads(request.body)["input"] for request in first.requests] == [items[1:]] * 2
