"""Which of the client's headers a provider sees (canonical.md §8): a list, and nothing else."""

from __future__ import annotations

import json

import pytest

from tests.faults.server import FaultServer, Peer
from tests.gateway import wire, wire_responses
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, MESSAGES, SAY, post, read_all

DIALECTS = {
    "openai-chat": CHAT,
    "anthropic-messages": MESSAGES,
    "openai-responses": "/v1/responses",
}
TRACING = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
OWN = {
    "openai-chat": {"openai-beta": "some=v1", "idempotency-key": "k1"},
    "openai-responses": {"openai-beta": "some=v1", "idempotency-key": "k1"},
    "anthropic-messages": {
        "anthropic-beta": "files-api-2025-04-14",
        "anthropic-version": "2023-06-01",
        "idempotency-key": "k1",
    },
}
NEVER = {
    "authorization": "Bearer client-secret",
    "x-api-key": "client-secret",
    "cookie": "a=b",
    "x-forwarded-for": "192.0.2.1",
    "x-claude-code-session-id": "s1",
}


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_headers_that_reach_the_provider(
    serve: Serve, first: FaultServer, second: FaultServer, client: str, upstream: str
) -> None:
    async def script(peer: Peer) -> None:
        whole = {
            "openai-chat": wire.chat,
            "anthropic-messages": wire.message,
            "openai-responses": wire_responses.response,
        }
        await peer.answer(200, whole[upstream]())

    first.script = script
    served = serve(two(provider(first, upstream), provider(second)))
    sent = {**OWN[client], **TRACING, **NEVER}
    said = {"input": "hi"} if client == "openai-responses" else {"messages": SAY, "max_tokens": 9}
    body = {"model": "one", **said}
    assert served.ask(DIALECTS[client], body, headers=sent).status == 200
    seen = first.requests[0].headers
    expected = {**TRACING, **(OWN[client] if client == upstream else {})}
    assert {name: seen.get(name) for name in expected} == expected
    assert "client-secret" not in repr(seen)
    gone = NEVER.keys() - {"authorization", "x-api-key"} | OWN[client].keys() - expected.keys()
    if upstream == "anthropic-messages":
        gone -= {"anthropic-version"}
    assert not gone & seen.keys()


def test_one_claude_code_session_is_one_cache_key(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    """traps.md T19; the header itself stays here."""

    async def script(peer: Peer) -> None:
        await peer.answer(200, wire.chat())

    first.script = script
    models = {"m": {"capabilities": {"cache_breakpoints": True}}}
    served = serve(two(provider(first, models=models), provider(second)))
    headers = {"x-claude-code-session-id": "s1"}
    assert served.ask(MESSAGES, model="one", headers=headers).status == 200
    assert json.loads(first.requests[0].body)["prompt_cache_key"] == "s1"
    assert "x-claude-code-session-id" not in first.requests[0].headers


def test_a_list_header_on_two_lines_is_forwarded_whole(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(200, wire.message())

    first.script = script
    served = serve(two(provider(first, "anthropic-messages"), provider(second)))
    body = json.dumps({"model": "one", "max_tokens": 9, "messages": SAY}).encode()
    lines = ("anthropic-beta: a-1", "anthropic-beta: b-2", "connection: close")
    with served.raw(post(MESSAGES, body, *lines)) as sock:
        assert read_all(sock).startswith(b"HTTP/1.1 200")
    assert first.requests[0].headers["anthropic-beta"] == "a-1, b-2"
