"""Profiles of vendors at work: what a provider behind a served gateway gets."""

from __future__ import annotations

import json

import pytest

from plexus.compiler.profiles import profiles
from tests.faults.server import FaultServer, Peer
from tests.gateway import wire
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, MESSAGES, SAY

TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
CALLED = [
    {"role": "user", "content": "call f"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "tool_use", "id": "toolu_01", "name": "f", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": "done"}],
    },
]


async def good(peer: Peer) -> None:
    if json.loads(peer.request.body).get("stream"):
        await peer.stream(*wire.chat_stream())
    else:
        await peer.answer(200, wire.chat())


@pytest.mark.parametrize("name", sorted(profiles()))
def test_a_tool_round_through_every_profile(serve: Serve, first: FaultServer, name: str) -> None:
    first.script = good
    served = serve(two(provider(first, profile=name), provider(first)))
    known = profiles()[name].of("m")
    for stream in (False, True):
        answer = served.ask(
            MESSAGES, model="one", system="be brief", messages=CALLED, tools=[TOOL], stream=stream
        )
        assert answer.status == 200, answer.body
        assert b"hello" in answer.body or stream
        request = first.requests[-1]
        body = json.loads(request.body)
        field = known.get("max_tokens_field", "max_completion_tokens")
        assert body[field] == 100
        system, _, assistant, result = body["messages"]
        assert system["role"] == "system"
        assert assistant["tool_calls"][0]["id"] == result["tool_call_id"]
        for header, value in profiles()[name].headers.items():
            assert request.headers[header] == value
    # The control: without a profile nothing is known.
    served.ask(MESSAGES, model="other", messages=CALLED, tools=[TOOL])
    plain = json.loads(first.requests[-1].body)
    assert plain["max_completion_tokens"] == 100
    assert not set(profiles()[name].headers) & set(first.requests[-1].headers)


@pytest.mark.parametrize("name", sorted(profiles()))
def test_a_chat_client_s_bytes_stay_its_own(serve: Serve, first: FaultServer, name: str) -> None:
    first.script = good
    served = serve(two(provider(first, profile=name), provider(first)))
    raw = b'{ "model":"one", "messages":[{"role":"developer","content":"x","odd":1.0}],"seed":1e0 }'
    assert served.ask(CHAT, raw).status == 200
    assert first.requests[0].body == raw.replace(b'"one"', b'"m"')


def test_the_config_s_header_wins(serve: Serve, first: FaultServer) -> None:
    first.script = good
    mine = provider(first, profile="openrouter", headers={"X-Title": "Mine"})
    served = serve(two(mine, provider(first)))
    assert served.ask(CHAT, {"model": "one", "messages": SAY}).status == 200
    assert first.requests[0].headers["x-title"] == "Mine"
