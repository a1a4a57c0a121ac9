"""The requests that 22 real clients sent, replayed at a gateway whose ``*`` takes every model.

Long strings in the recordings are cut, so that the shape is replayed and not the meaning: nothing
that is served may get a 4xx or a 5xx, and what is not served gets its 404.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.clients import gemini_provider
from tests.clients.conftest import ALIASES, MODELS
from tests.clients.processes import DEADLINE, ROOT, Gateway, Upstream

FOLDER = ROOT.parent / "shared" / "clients"
SERVED = {
    "/v1/chat/completions": "openai-chat",
    "/chat/completions": "openai-chat",
    "/openai/deployments/dep/chat/completions": "openai-chat",
    "/v1/messages": "anthropic-messages",
    "/v1/responses": "openai-responses",
}
WHOLE = {
    "openai-chat": "choices",
    "anthropic-messages": "content",
    "openai-responses": "output",
    "gemini": "candidates",
}
"""The member of a JSON answer that holds what was said."""
LAST_EVENT = {
    "openai-chat": b"data: [DONE]\n\n",
    "anthropic-messages": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
}
GEMINI = re.compile(r"(?:/v1(?:beta)?)?/models/.+:(generate|streamGenerate)Content")
NONCE = "dGhlIHNhbXBsZSBub25jZQ=="
"""Of RFC 6455; the recordings have none."""
DIALECTS = {alias: dialect for dialect, alias in ALIASES.items()}


@dataclass(frozen=True)
class Record:
    """One request of a client; ``body`` is its JSON."""

    name: str
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: Any

    @property
    def upgrade(self) -> bool:
        return any(name.lower() == "upgrade" for name, _ in self.headers)

    @property
    def dialect(self) -> str | None:
        """Of a call that is served."""
        if self.method != "POST":
            return None
        return "gemini" if GEMINI.fullmatch(self.path) else SERVED.get(self.path)

    @property
    def served(self) -> bool:
        return self.dialect is not None

    @property
    def stream(self) -> bool:
        found = GEMINI.fullmatch(self.path)
        return found[1] == "streamGenerate" if found else bool(self.body.get("stream"))

    @property
    def stateful(self) -> bool:
        """It names a conversation that only a provider of its own dialect can have."""
        return isinstance(self.body, dict) and "previous_response_id" in self.body


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def load() -> list[Record]:
    """Every HTTP request in the folder; frames of a WebSocket are no requests."""
    found = []
    for file in sorted(FOLDER.glob("*/*.json")):
        for number, raw in enumerate(json.loads(file.read_text(encoding="utf-8"))):
            if raw["method"] != "WS-FRAME":
                found.append(
                    Record(
                        f"{file.parent.name}-{file.stem}-{number}",
                        raw["method"],
                        raw["path"],
                        raw["query"],
                        [(name, value) for name, value in raw["headers"]],
                        raw.get("body"),
                    )
                )
    return found


RECORDS = load()
NO_RECORDS = pytest.param(
    None, marks=pytest.mark.skip(reason=f"*** SKIPPED: no recorded requests in {FOLDER} ***")
)


def which(keep: Callable[[Record], bool]) -> pytest.MarkDecorator:
    """The records of one kind, or a loud skip when there are no recordings at all."""
    chosen = [pytest.param(record, id=record.name) for record in RECORDS if keep(record)]
    assert chosen or not RECORDS
    return pytest.mark.parametrize("record", chosen or [NO_RECORDS])


def send(gateway: Gateway, record: Record) -> Answer:
    """The request with its headers as they were, host and length apart."""
    body = None
    if record.body is not None:
        text = json.dumps(record.body, ensure_ascii=False, separators=(",", ":"))
        body = text.encode()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=DEADLINE)
    target = record.path + (f"?{record.query}" if record.query else "")
    connection.putrequest(record.method, target, skip_accept_encoding=True)
    for name, value in record.headers:
        if name.lower() not in ("host", "content-length"):
            connection.putheader(name, value)
    if body is not None:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    answer = Answer(response.status, headers, response.read())
    connection.close()
    return answer


def check_answer(record: Record, answer: Answer) -> None:
    """A finished success in the client's dialect, uncompressed, as it asked: whole or stream."""
    dialect = record.dialect
    assert dialect is not None
    assert answer.status == 200, answer.body
    assert "content-encoding" not in answer.headers
    if not record.stream:
        assert answer.headers["content-type"].startswith("application/json")
        assert json.loads(answer.body)[WHOLE[dialect]]
        return
    assert answer.headers["content-type"].startswith("text/event-stream")
    if dialect == "gemini":
        # Google ends its lines as it likes, and pass-through leaves them so.
        body = answer.body.replace(b"\r\n", b"\n").removesuffix(b"\n\n")
        last = json.loads(body.rpartition(b"\n\ndata: ")[2])
        assert last["candidates"][0]["finishReason"]
    elif dialect == "openai-responses":
        last = answer.body.removesuffix(b"\n\n").rpartition(b"\n\n")[2]
        assert last.startswith(b"event: response.completed\ndata: ")
    else:
        assert answer.body.replace(b'": "', b'":"').endswith(LAST_EVENT[dialect])


@pytest.mark.parametrize("target", ["chat", "messages"])
@which(lambda record: record.served and record.stateful)
def test_stored_conversations(
    record: Record, target: str, gateways: Callable[[str], Gateway]
) -> None:
    answer = send(gateways(target), record)
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["param"] == "previous_response_id"


@pytest.mark.parametrize("target", DIALECTS)
@which(lambda record: record.served and not record.stateful)
def test_served_requests(
    record: Record, target: str, gateways: Callable[[str], Gateway], upstream: Upstream
) -> None:
    upstream.take()
    check_answer(record, send(gateways(target), record))

    [reached] = upstream.take()
    body = reached["body"]
    assert body["model"] == MODELS[DIALECTS[target]]
    if target == "gemini" and record.dialect == "gemini":
        own = {"model": body["model"], "stream": record.stream}
        assert body == {**gemini_provider.spelled(record.body), **own}
    elif DIALECTS[target] == record.dialect:
        # Pass-through: all that was sent, and a usage chunk asked for.
        asked = {"stream_options": body["stream_options"]} if "stream_options" in body else {}
        assert body == {**record.body, **asked, "model": body["model"]}
        assert list(body)[: len(record.body)] == list(record.body)
        kept = [name for name in ("anthropic-version", "anthropic-beta") if target == "messages"]
        sent = {name.lower(): value for name, value in record.headers}
        assert [reached["headers"].get(name) for name in kept] == [sent.get(name) for name in kept]
    else:
        # Translated: nothing that a strict provider would refuse.
        assert reached["refused"] == []


@which(lambda record: record.served)
def test_served_requests_at_echo(record: Record, gateways: Callable[[str], Gateway]) -> None:
    check_answer(record, send(gateways("echo"), record))


@which(lambda record: record.method == "HEAD")
def test_probe_of_claude_code(record: Record, gateways: Callable[[str], Gateway]) -> None:
    assert record.path == "/api/hello"
    answer = send(gateways("echo"), record)
    assert (answer.status, answer.body) == (200, b"")


@which(lambda record: record.path.endswith("/models") and record.method == "GET")
def test_model_lists(record: Record, gateways: Callable[[str], Gateway]) -> None:
    """Anthropic's shape for who sends its version header, Google's for its SDK, else OpenAI's."""
    answer = send(gateways("echo"), record)
    assert answer.status == 200, answer.body
    listed = json.loads(answer.body)
    names = {name.lower() for name, _ in record.headers}
    if "x-goog-api-client" in names:
        assert {"models/chat", "models/messages"} <= {model["name"] for model in listed["models"]}
        return
    kind = ("has_more", False) if "anthropic-version" in names else ("object", "list")
    assert listed[kind[0]] == kind[1]
    assert {"chat", "messages"} <= {model["id"] for model in listed["data"]}


@which(lambda record: record.path.startswith("/v1/v1/"))
def test_base_url_with_v1(record: Record, gateways: Callable[[str], Gateway]) -> None:
    error = check_refusal(record, send(gateways("echo"), record))
    assert "/v1" in error["message"]
    assert "base" in error["message"].lower()


def other_endpoint(record: Record) -> bool:
    ends = ("/v1/embeddings", "/v1/completions", ":batchEmbedContents")
    return record.method == "POST" and record.path.endswith(ends)


@which(other_endpoint)
def test_other_endpoints_at_echo(record: Record, gateways: Callable[[str], Gateway]) -> None:
    """Echo answers embeddings; legacy completions are passed on, and it has none."""
    answer = send(gateways("echo"), record)
    body = json.loads(answer.body)
    if "mbed" in record.path:
        assert answer.status == 200, answer.body
        assert body["embeddings" if "Contents" in record.path else "data"]
    else:
        assert 400 <= answer.status < 500
        assert body["error"]["message"]


def counts(record: Record) -> bool:
    return record.path.endswith(("/count_tokens", ":countTokens"))


@pytest.mark.parametrize("target", ["echo", "chat"])
@which(counts)
def test_counts(record: Record, target: str, gateways: Callable[[str], Gateway]) -> None:
    """Of echo by its words; where nobody counts an estimate that says it is one."""
    answer = send(gateways(target), record)
    assert answer.status == 200, answer.body
    [tokens] = json.loads(answer.body).values()
    assert tokens >= 1
    assert answer.headers.get("x-plexus-estimated") == ("true" if target == "chat" else None)


def not_served(record: Record) -> bool:
    models = record.path.startswith(("/v1/models", "/v1beta/models")) and record.method == "GET"
    v1_twice = record.path.startswith("/v1/v1/")
    other = other_endpoint(record) or counts(record) or models or v1_twice or record.upgrade
    return not (record.served or other or record.method == "HEAD")


@which(not_served)
def test_what_is_not_served(record: Record, gateways: Callable[[str], Gateway]) -> None:
    """Batches, the Interactions API."""
    check_refusal(record, send(gateways("echo"), record))


def check_refusal(record: Record, answer: Answer) -> Any:
    """A 404 in the dialect of the path's prefix, which nobody should try again."""
    assert answer.status == 404, answer.body
    assert answer.headers["x-should-retry"] == "false"
    body = json.loads(answer.body)
    if "/messages" in record.path:
        assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
        assert body["request_id"] == answer.headers["request-id"]
    elif record.path.startswith(("/v1beta/", "/v1/interactions")) or ":" in record.path:
        assert (body["error"]["code"], body["error"]["status"]) == (404, "NOT_FOUND")
    else:
        assert body["error"].keys() == {"message", "type", "param", "code"}
    assert len(body["error"]["message"]) > 20
    return body["error"]


@which(lambda record: record.upgrade)
def test_handshakes_of_websockets(record: Record, gateways: Callable[[str], Gateway]) -> None:
    """Codex asks for Responses; its frames are replayed in tests/gateway/test_websocket.py."""
    headers = [(n, NONCE if n.lower() == "sec-websocket-key" else v) for n, v in record.headers]
    answer = send(gateways("echo"), replace(record, headers=headers))
    if not any(name.lower() == "authorization" for name, _ in record.headers):
        # Two were recorded without a key.
        assert answer.status == 401
        return
    assert (answer.status, answer.headers["upgrade"]) == (101, "websocket")
    assert "sec-websocket-extensions" not in answer.headers
