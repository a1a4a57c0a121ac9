"""A second turn with thinking and parallel tools, on every pair of client and provider dialect.

The proof that a provider gave with its first answer comes back to it, unchanged and in its place,
from a client that echoes the turn as it got it; a provider of another family never sees it.
"""

import json
from typing import Any

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, openai_chat, openai_responses
from plexus.transformers.base import ClientCall, Dialect
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.translation import Translate, collect
from plexus.unified.request import Source

DIALECTS: dict[str, Dialect] = {
    dialect.NAME: dialect for dialect in (openai_chat, openai_responses, anthropic_messages)
}
PAIRS = [(c, p) for c in DIALECTS for p in DIALECTS if c != p or c != "openai-chat"]
PROOF = "c2lnbmVkIHRob3VnaHQ="
THOUGHT = "They want the weather."
CALLS = (("call_1", '{"city":"Oslo"}'), ("call_2", '{"city":"Bergen"}'))
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}

TARGETS = {
    "openai-chat": TargetModel(
        provider="p",
        model="m",
        family="openrouter",
        capabilities=Capabilities(reasoning_field="reasoning_content"),
    ),
    "openai-responses": TargetModel(provider="p", model="m", family="openai"),
    "anthropic-messages": TargetModel(provider="p", model="m", family="anthropic"),
}


def first_request(client: str) -> dict[str, Any]:
    if client == "openai-responses":
        tool = {"type": "function", "name": "weather", "parameters": SCHEMA}
        reasoning = {"effort": "high", "summary": "auto"}
        return {
            "input": [{"role": "user", "content": "hi"}],
            "tools": [tool],
            "reasoning": reasoning,
        }
    messages = [{"role": "user", "content": "hi"}]
    if client == "openai-chat":
        inner = {"name": "weather", "parameters": SCHEMA}
        tools: list[Any] = [{"type": "function", "function": inner}]
        return {"messages": messages, "tools": tools, "reasoning_effort": "high"}
    tools = [{"name": "weather", "input_schema": SCHEMA}]
    thinking = {"type": "adaptive"}
    return {"messages": messages, "tools": tools, "thinking": thinking, "max_tokens": 5000}


def provider_answer(provider: str) -> bytes:
    if provider == "openai-responses":
        summary = [{"type": "summary_text", "text": THOUGHT}]
        output: list[Any] = [
            {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": PROOF},
            *(
                {
                    "type": "function_call",
                    "id": f"fc_{call_id}",
                    "call_id": call_id,
                    "name": "weather",
                    "arguments": arguments,
                    "status": "completed",
                }
                for call_id, arguments in CALLS
            ),
        ]
        return json.dumps(
            {
                "id": "resp_1",
                "object": "response",
                "status": "completed",
                "model": "m",
                "output": output,
            }
        ).encode()
    if provider == "openai-chat":
        detail = {
            "type": "reasoning.text",
            "text": THOUGHT,
            "signature": PROOF,
            "format": "unknown",
            "index": 0,
        }
        calls = [
            {"id": i, "type": "function", "function": {"name": "weather", "arguments": a}}
            for i, a in CALLS
        ]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        message |= {"reasoning_details": [detail]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        return json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode()
    content = [
        {"type": "thinking", "thinking": THOUGHT, "signature": PROOF},
        *(
            {"type": "tool_use", "id": i, "name": "weather", "input": json.loads(a)}
            for i, a in CALLS
        ),
    ]
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    usage = {"input_tokens": 1, "output_tokens": 1}
    return json.dumps(
        {**head, "content": content, "stop_reason": "tool_use", "usage": usage}
    ).encode()


def second_request(client: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The first request with the answer as it came, and the results."""
    body = first_request(client)
    if client == "openai-responses":
        results = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "rain"}
            for item in answer["output"]
            if item["type"] == "function_call"
        ]
        body["input"] += [*answer["output"], *results]
    elif client == "openai-chat":
        message = answer["choices"][0]["message"]
        body["messages"] += [
            message,
            *(
                {"role": "tool", "tool_call_id": call["id"], "content": "rain"}
                for call in message["tool_calls"]
            ),
        ]
    else:
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "rain"}
            for block in answer["content"]
            if block["type"] == "tool_use"
        ]
        body["messages"] += [
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": results},
        ]
    return body


def call(client: str, body: dict[str, Any], stream: bool) -> ClientCall:
    raw = json.dumps({"model": "a", **body, "stream": stream}).encode()
    source = Source(dialect=client, request_id="req_1", received=1)
    return ClientCall(model="a", stream=stream, body=JsonBody.parse(raw), source=source)


def answered(client: str, provider: str, stream: bool) -> dict[str, Any]:
    """The first answer as the client keeps it."""
    mine = DIALECTS[client]
    translate = Translate(mine, DIALECTS[provider], TARGETS[provider])
    asked = call(client, first_request(client), stream)
    answer = translate.prepare(asked).answer(provider_answer(provider), "application/json")
    body = answer.body
    if stream:
        request = mine.parse_request(asked)
        own = mine.format_request(request, TARGETS[client])
        body, _ = mine.format_response(collect(mine, own, body), request)
    found: dict[str, Any] = json.loads(body)
    return found


def sent(client: str, provider: str, answer: dict[str, Any]) -> dict[str, Any]:
    translate = Translate(DIALECTS[client], DIALECTS[provider], TARGETS[provider])
    wire = translate.prepare(call(client, second_request(client, answer), False)).wire
    found: dict[str, Any] = json.loads(wire.body)
    return found


def turn(provider: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    """The model's turn and its results as (kind, what matters of it)."""
    found: list[tuple[str, str]] = []
    if provider == "openai-responses":
        for item in body["input"][1:]:
            kind = {
                "reasoning": "thinking",
                "function_call": "call",
                "function_call_output": "result",
            }[item["type"]]
            found.append((kind, str(item.get("encrypted_content") or item.get("call_id"))))
        return found
    for message in body["messages"][1:]:
        if provider == "openai-chat":
            for detail in message.get("reasoning_details", ()):
                if "signature" in detail or "data" in detail:
                    found.append(("thinking", detail.get("signature") or detail["data"]))
            found += [("call", made["id"]) for made in message.get("tool_calls", ())]
            if message["role"] == "tool":
                found.append(("result", message["tool_call_id"]))
        else:
            for block in message["content"]:
                kind = {"tool_use": "call", "tool_result": "result"}.get(block["type"], "thinking")
                said = block.get("signature") or block.get("id") or block.get("tool_use_id")
                found.append((kind, str(said)))
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_the_proof_comes_back(client: str, provider: str, stream: bool) -> None:
    body = sent(client, provider, answered(client, provider, stream))
    ids = [call_id for call_id, _ in CALLS]
    assert turn(provider, body) == [
        ("thinking", PROOF),
        *(("call", call_id) for call_id in ids),
        *(("result", call_id) for call_id in ids),
    ]


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_T22_another_family_never_sees_it(client: str, stream: bool) -> None:
    """The conversation goes on with a model of another family: the turn without its proof."""
    for issuer, other in (
        ("anthropic-messages", "openai-responses"),
        ("openai-responses", "anthropic-messages"),
    ):
        if client == issuer and stream:
            continue
        body = sent(client, other, answered(client, issuer, stream))
        assert PROOF not in json.dumps(body)
        assert "plx1." not in json.dumps(body)
        kinds = [kind for kind, _ in turn(other, body)]
        assert kinds == ["call", "call", "result", "result"]


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_a_client_that_drops_thinking_still_gets_on(client: str, provider: str) -> None:
    answer = answered(client, provider, False)
    if client == "openai-responses":
        answer["output"] = [i for i in answer["output"] if i["type"] != "reasoning"]
    elif client == "openai-chat":
        message = answer["choices"][0]["message"]
        for name in [name for name in message if name.startswith("reasoning")]:
            del message[name]
    else:
        answer["content"] = [b for b in answer["content"] if b["type"] == "tool_use"]
    body = sent(client, provider, answer)
    assert [kind for kind, _ in turn(provider, body)] == ["call", "call", "result", "result"]
