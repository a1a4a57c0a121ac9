"""Every route and every refusal, in the dialect of the caller."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.harness import CHAT, MESSAGES, SAY, Gateway, Json, gateway

CONFIG = {
    "server": {"cors": ["https://app.example"]},
    "direct": True,
    "providers": {
        "echo": {
            "type": "echo",
            "display_name": "Echo",
            "models": {"one": {"context_window": 9000, "max_output_tokens": 700}, "two": {}},
        }
    },
    "aliases": {
        "fast": {
            "description": "The fast one",
            "targets": ["echo/one"],
            "additional_aliases": ["claude-fast"],
        },
        "org/deep": {"targets": ["echo/two"]},
    },
}
NAMES = ["claude-fast", "echo/one", "echo/two", "fast", "org/deep"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(CONFIG, tmp_path_factory.mktemp("routes")) as found:
        yield found


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("path", [CHAT, "/chat/completions", MESSAGES, "/v1/messages?beta=true"])
def test_a_model_answers_on_every_call_route(served: Gateway, path: str, model: str) -> None:
    body = {"model": model, "messages": SAY, "max_tokens": 50}
    answer = served.ask(path, body)
    assert answer.status == 200, answer.body
    assert "say something" in answer.body.decode()
    assert answer.headers["x-plexus-provider"] == "echo"
    assert answer.headers["x-plexus-attempts"] == "1"
    assert answer.headers["x-request-id"] == answer.headers["request-id"]


def test_echo_stops_at_the_limit_of_tokens(served: Gateway) -> None:
    """So that a test in CI can see what its client makes of a cut answer."""
    said = [{"role": "user", "content": "one two three"}]
    for limit, text, reasons in ((2, "one two", ("length", "max_tokens")), (3, None, None)):
        body = {"model": "fast", "messages": said, "max_tokens": limit}
        chat, message = served.ask(CHAT, body).json, served.ask(MESSAGES, body).json
        choice = chat["choices"][0]
        assert choice["message"]["content"] == message["content"][0]["text"]
        assert choice["message"]["content"] == (text or "one two three")
        ends = (choice["finish_reason"], message["stop_reason"])
        assert ends == (reasons or ("stop", "end_turn"))


@pytest.mark.parametrize("prefix", ["/aliases/fast", "/targets/echo/one"])
def test_pinned_addresses_ignore_the_model_of_the_body(served: Gateway, prefix: str) -> None:
    for path in (CHAT, MESSAGES):
        body = {"model": "whatever", "messages": SAY, "max_tokens": 50}
        assert served.ask(prefix + path, body).status == 200
    nameless = served.ask(f"{prefix}{CHAT}", {"messages": SAY})
    assert nameless.status == 200
    listed = served.ask(f"{prefix}/v1/models").json
    assert [model["id"] for model in listed["data"]] == [prefix.partition("s/")[2]]
    own = {"anthropic-version": "2023-06-01"}
    for headers in ({}, own):
        found = served.ask(f"{prefix}/v1/models/a/b:c", headers=headers)
        assert (found.status, found.json["id"]) == (200, "a/b:c")
    missing = served.ask(f"{prefix}/v1/responses/resp_1/cancel", {"model": "x"})
    assert (missing.status, "stored responses" in missing.error["message"]) == (404, True)


@pytest.mark.parametrize(
    "path",
    [
        CHAT,
        MESSAGES,
        "/messages",
        "/aliases/fast/v1/messages",
        "/v1/messages/count_tokens",
        "/openai/deployments/fast/chat/completions",
        "/v1/models",
        "/models",
        "/openai/models",
        "/v1/models/fast:generateContent",
        "/models/fast:countTokens",
        "/aliases/fast/v1beta/models/x:generateContent",
    ],
)
def test_T98_slashes_at_the_end_and_queries_mean_nothing(served: Gateway, path: str) -> None:
    body: Json | None = {"model": "fast", "messages": SAY, "max_tokens": 50}
    if ":" in path:
        body = {"contents": [{"parts": [{"text": "hi"}]}]}
    elif path.endswith("/models"):
        body = None
    for end in ("", "/", "?beta=true", "/?beta=true&api-version=2024-10-21"):
        assert served.ask(path + end, body).status == 200, end


DEPLOYMENTS = "/openai/deployments"
ANSWERS = {
    "/chat/completions": {"messages": SAY},
    "/responses": {"input": "say something"},
    "/embeddings": {"input": "say something"},
}


@pytest.mark.parametrize("path", ANSWERS)
@pytest.mark.parametrize("model", NAMES)
def test_addresses_of_azure(served: Gateway, path: str, model: str) -> None:
    """The deployment is the model, whatever the body says; newer addresses have none."""
    version = "?api-version=2024-10-21"
    for body in (ANSWERS[path], {**ANSWERS[path], "model": "gpt-4o"}):
        answer = served.ask(f"{DEPLOYMENTS}/{model}{path}{version}", body)
        assert answer.status == 200, answer.body
        assert answer.headers["x-plexus-provider"] == "echo"
    for base in ("/openai/v1", "/openai"):
        answer = served.ask(f"{base}{path}", {**ANSWERS[path], "model": model})
        assert answer.status == 200, answer.body


def test_addresses_that_azure_has_and_plexus_has_not(served: Gateway) -> None:
    unknown = served.ask(f"{DEPLOYMENTS}/fats/chat/completions", {"messages": SAY})
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")
    for path in (f"{DEPLOYMENTS}/fast/nothing", f"{DEPLOYMENTS}/chat/completions", DEPLOYMENTS):
        answer = served.ask(path, {"messages": SAY})
        assert (answer.status, answer.headers["x-should-retry"]) == (404, "false")
    for path in ("//chat/completions", "//completions"):
        answer = served.ask(f"{DEPLOYMENTS}{path}", {"messages": SAY})
        assert (answer.status, answer.error["code"]) == (404, "plexus_no_route")


def test_azures_key(tmp_path: Path) -> None:
    config = {**CONFIG, "keys": {"k": {"secret": {"env": "K"}, "aliases": ["fast"]}}}
    with gateway(config, tmp_path, environment={"K": "key-k"}) as own:
        path = f"{DEPLOYMENTS}/fast/chat/completions"
        assert own.ask(path, {"messages": SAY}, headers={"api-key": "key-k"}).status == 200
        assert own.ask(path, {"messages": SAY}, headers={"api-key": "key-j"}).status == 401
        other = path.replace("fast", "org/deep")
        assert own.ask(other, {"messages": SAY}, headers={"api-key": "key-k"}).status == 404


@pytest.mark.parametrize(
    "path", [CHAT, "/aliases/fast/v1/chat/completions", f"{DEPLOYMENTS}/fast/chat/completions"]
)
def test_a_responses_body_on_the_chat_route(served: Gateway, path: str) -> None:
    """What Cursor sends; the hint is better than what a provider makes of it."""
    answer = served.ask(path, {"model": "fast", "input": [{"role": "user", "content": "hi"}]})
    assert (answer.status, answer.error["param"]) == (400, "messages")
    assert "/v1/responses" in answer.error["message"]
    both = {"model": "fast", "messages": SAY, "input": "x"}
    assert served.ask(path, both).status == 200


def test_errors_of_our_own_carry_the_counters(served: Gateway) -> None:
    for answer in (
        served.ask(model="nope"),
        served.ask("/nowhere"),
        served.ask(CHAT, b"{"),
        served.ask(CHAT, None, "PUT"),
        served.ask("/v1/models"),
    ):
        assert answer.headers["x-plexus-attempts"] == "0"
        assert float(answer.headers["x-plexus-overhead-ms"]) >= 0


@pytest.mark.parametrize(
    "path",
    [
        "/aliases/nope/v1/messages",
        "/targets/echo/nope/v1/messages",
        "/aliases/org/deep/v1/messages",
    ],
)
def test_unknown_pinned_addresses(served: Gateway, path: str) -> None:
    answer = served.ask(path, {"messages": SAY, "max_tokens": 5})
    assert answer.status == 404
    assert answer.json["type"] == "error"
    assert answer.error["type"] == "not_found_error"


def test_models_in_both_shapes(served: Gateway) -> None:
    openai = served.ask("/v1/models").json
    assert openai["object"] == "list"
    assert [model["id"] for model in openai["data"]] == NAMES
    anthropic = served.ask("/v1/models", headers={"anthropic-version": "2023-06-01"}).json
    assert [model["id"] for model in anthropic["data"]] == NAMES
    assert (anthropic["first_id"], anthropic["last_id"]) == (NAMES[0], NAMES[-1])
    assert anthropic["has_more"] is False
    window = {"max_input_tokens": 9000, "max_tokens": 700}
    # The fields of OpenAI stand beside these (trap T90).
    assert (
        anthropic["data"][1].items()
        >= {
            "type": "model",
            "id": "echo/one",
            "display_name": "Echo: one",
            "created_at": "1970-01-01T00:00:00Z",
            "lifecycle": "active",
            "deprecated_at": None,
            "retires_at": None,
            "line": None,
            **window,
            "capabilities": None,
        }.items()
    )


def test_model_pages(served: Gateway) -> None:
    own = {"anthropic-version": "2023-06-01"}
    page = served.ask("/v1/models?limit=2", headers=own).json
    assert [model["id"] for model in page["data"]] == NAMES[:2]
    assert page["has_more"] is True
    rest = served.ask(f"/v1/models?limit=1000&after_id={page['last_id']}", headers=own).json
    assert [model["id"] for model in rest["data"]] == NAMES[2:]
    assert rest["has_more"] is False
    back = served.ask(f"/v1/models?limit=1&before_id={NAMES[2]}", headers=own).json
    assert [model["id"] for model in back["data"]] == [NAMES[1]]
    for bad in ("x", "0", "1001", "-1"):
        assert served.ask(f"/v1/models?limit={bad}", headers=own).status == 400
    for state, count in (("active", 5), ("deprecated", 0), ("retired&lifecycle[]=active", 5)):
        found = served.ask(f"/v1/models?lifecycle[]={state}", headers=own).json
        assert len(found["data"]) == count
    assert served.ask("/v1/models?lifecycle[]=retired", headers=own).json == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


def test_T96_model_discovery_of_claude_code(served: Gateway) -> None:
    """All in one page, no redirect, and the name that its picker shows."""
    own = {"anthropic-version": "2023-06-01", "authorization": "Bearer k"}
    for path in ("/v1/models?limit=1000", "/v1/models/?limit=1000"):
        answer = served.ask(path, headers=own)
        assert (answer.status, answer.json["has_more"]) == (200, False)
        shown = [m for m in answer.json["data"] if m["id"].startswith(("claude", "anthropic"))]
        assert [(m["id"], m["display_name"]) for m in shown] == [("claude-fast", "The fast one")]


@pytest.mark.parametrize("name", NAMES)
def test_one_model(served: Gateway, name: str) -> None:
    assert served.ask(f"/v1/models/{name}").json["id"] == name
    own = {"x-api-key": "any"}
    assert served.ask(f"/v1/models/{name}", headers=own).json["type"] == "model"


def test_unknown_models(served: Gateway) -> None:
    chat = served.ask(model="fats")
    assert (chat.status, chat.error["code"]) == (404, "model_not_found")
    assert "did you mean 'fast'" in chat.error["message"].lower()
    assert chat.headers["x-should-retry"] == "false"
    messages = served.ask(MESSAGES, model="fats")
    assert (messages.status, messages.error["type"]) == (404, "not_found_error")
    assert served.ask("/v1/models/fats").error["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("method", "path", "dialect"),
    [
        ("GET", "/v1/responses/resp_1", "openai"),
        ("GET", "/nothing/here", "openai"),
        ("POST", "/v1/messages/batches", "anthropic"),
        ("POST", "/v1/v1/messages", "anthropic"),
        ("POST", "/aliases/fast/v1/messages/batches", "anthropic"),
        ("GET", "/v1beta/files", "gemini"),
        ("POST", "/v1/interactions", "gemini"),
        ("POST", "/v1beta/interactions", "gemini"),
        ("POST", "/models/m:predict", "gemini"),
        ("POST", "/messages/batches", "anthropic"),
        ("GET", "/openai/files", "openai"),
        ("POST", "/v1/models/m:predict", "gemini"),
        ("POST", "/aliases/fast/v1beta/models/m:asyncBatchEmbedContent", "gemini"),
    ],
)
def test_what_is_not_served(served: Gateway, method: str, path: str, dialect: str) -> None:
    answer = served.ask(path, b"{}" if method == "POST" else None, method)
    assert answer.status == 404
    assert answer.headers["x-should-retry"] == "false"
    match dialect:
        case "openai":
            assert answer.error.keys() == {"message", "type", "param", "code"}
        case "anthropic":
            assert answer.json["request_id"] == answer.headers["request-id"]
            assert answer.error["type"] == "not_found_error"
        case _:
            assert (answer.error["code"], answer.error["status"]) == (404, "NOT_FOUND")
    assert "Plexus serves" in answer.error["message"]


def test_v1_twice_says_what_is_wrong(served: Gateway) -> None:
    answer = served.ask("/v1/v1/messages", b"{}")
    assert "/v1 twice" in answer.error["message"]


def test_interactions_say_what_they_are(served: Gateway) -> None:
    answer = served.ask("/v1/interactions", {"model": "fast", "input": "hi"})
    assert "the Interactions API is not served" in answer.error["message"]


def test_wrong_methods(served: Gateway) -> None:
    for path, kind in ((CHAT, "invalid_request_error"), (MESSAGES, "invalid_request_error")):
        answer = served.ask(path, None, "DELETE")
        assert (answer.status, answer.error["type"]) == (405, kind)
        assert "POST" in answer.headers["allow"]
    assert served.ask(CHAT, None, "OPTIONS").headers["allow"] == "POST"
    for path, opens in ((CHAT, False), ("/v1/responses", True)):
        answer = served.ask(path, None, "GET")
        assert (answer.status, "WebSocket" in answer.error["message"]) == (405, opens)


def test_probes(served: Gateway) -> None:
    for path in ("/livez", "/readyz"):
        answer = served.ask(path)
        assert (answer.status, answer.body) == (200, b"")
    for path in ("/", "/api/hello"):
        assert served.ask(path, None, "HEAD").status == 200
    health = served.ask("/health").json
    assert (health["status"], health["models"]) == ("ok", len(NAMES))


@pytest.mark.parametrize("path", ["/v1/embeddings", CHAT, MESSAGES, "/v1/live"])
def test_a_websocket_upgrade_gets_426(served: Gateway, path: str) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    answer = served.ask(path, None, "GET", {**upgrade, "sec-websocket-key": "x" * 24})
    assert answer.status == 426
    assert answer.headers["connection"].startswith("close")
    assert "error" in answer.json


def test_an_upgrade_to_http2_is_ignored(served: Gateway) -> None:
    """Java offers it with every request on a plain connection."""
    own = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABk"}
    assert served.ask("/v1/models", headers=own).status == 200
    with_body = served.ask(model="fast", headers=own)
    assert with_body.status == 400
    assert "Upgrade" in with_body.error["message"]


def test_request_ids(served: Gateway) -> None:
    for name in ("x-request-id", "x-client-request-id"):
        assert served.ask("/livez", headers={name: "my-id:1"}).headers["x-request-id"] == "my-id:1"
    for bad in ("a b", "x" * 200, 'a"b', ""):
        own = served.ask("/livez", headers={"x-request-id": bad}).headers["x-request-id"]
        assert own.startswith("req_") and len(own) == 28


def test_cors(served: Gateway) -> None:
    origin = {"origin": "https://app.example"}
    asked = {**origin, "access-control-request-method": "POST"}
    preflight = served.ask(CHAT, None, "OPTIONS", asked)
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    answer = served.ask(model="fast", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "x-plexus-model" in answer.headers["access-control-expose-headers"]
    stranger = served.ask(model="fast", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in stranger.headers
    error = served.ask(model="nope", headers=origin)
    assert error.headers["access-control-allow-origin"] == "https://app.example"


def test_one_log_line_a_request(tmp_path: Path) -> None:
    with gateway(CONFIG, tmp_path) as own:
        own.ask(model="fast")
        own.ask("/nothing")
        own.ask(MESSAGES, model="org/deep", stream=True)
        lines = own.sink.wait_requests(3)
    assert [line["status"] for line in lines] == [200, 404, 200]
    first = lines[0]
    assert (first["alias"], first["target"]) == ("fast", "echo/one")
    assert (first["tokens_in"], first["tokens_out"], first["finish"]) == (2, 2, "stop")
    assert lines[2]["stream"] is True
    assert all("say something" not in repr(line) for line in lines)
