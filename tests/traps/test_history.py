"""reference/traps.md, B: history, reasoning, signatures, ids (T21 to T33)."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from plexus.transformers.proofs import open_envelope
from tests.faults.server import FaultServer, Peer
from tests.gateway import conftest as gateways
from tests.gateway import wire_responses
from tests.gateway.conftest import Serve, two
from tests.traps.compiled import (
    CHAT,
    CLIENTS,
    CONVERSE,
    GEMINI,
    MESSAGES,
    PNG,
    PROVIDERS,
    REBUILT,
    RESPONSES,
    Json,
    answered,
    ask,
    attempt,
    block,
    call_item,
    chat_answer,
    chat_sse,
    converse_answer,
    delta,
    gemini_answer,
    lost,
    message_answer,
    message_sse,
    piece,
    reasoning_item,
    relayed,
    response_answer,
    sent,
    stream,
    text_item,
    tools,
)

SIGNED, OTHER = "c2lnbmVk", "b3RoZXI="
"""Two proofs, base64 as Anthropic's and Google's are."""


def thought(text: str, proof: str = SIGNED) -> Json:
    return {"type": "thinking", "thinking": text, "signature": proof}


def said(text: str) -> Json:
    return {"type": "text", "text": text}


def use(call_id: str = "toolu_1", name: str = "f", **given: Any) -> Json:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def turn(*blocks: Json, results: Any = "ok") -> list[Json]:
    """A Messages conversation: a question, the model's turn, a result for each of its calls."""
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    given = [{"type": "tool_result", "tool_use_id": one, "content": results} for one in calls]
    return [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": list(blocks)},
        {"role": "user", "content": given or "go on"},
    ]


def detail(text: str, proof: str, index: int) -> Json:
    """An entry of ``reasoning_details`` with a Claude signature."""
    kind = {"type": "reasoning.text", "format": "anthropic-claude-v1"}
    return {**kind, "text": text, "signature": proof, "index": index}


def chat_call(call_id: str = "call_1", arguments: str = "{}", **members: Any) -> Json:
    function = {"name": "f", "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function, **members}


CALL: Json = {"functionCall": {"name": "f", "args": {}}}
ORDERED: dict[str, tuple[Json, str]] = {
    MESSAGES: (
        message_answer(
            thought("one"),
            thought("two", OTHER),
            said("t"),
            thought("three"),
            use(),
            stop="tool_use",
        ),
        "one two t three call",
    ),
    RESPONSES: (
        response_answer(
            reasoning_item("one"),
            reasoning_item("two", OTHER, "rs_2"),
            text_item("t"),
            reasoning_item("three", id="rs_3"),
            call_item(),
        ),
        "one two t three call",
    ),
    GEMINI: (
        gemini_answer(
            {"text": "one", "thought": True}, {"text": "t"}, {"text": "two", "thought": True}, CALL
        ),
        "one t two call",
    ),
    CHAT: (
        chat_answer(
            {
                "content": "t",
                "reasoning_details": [detail("one", SIGNED, 0), detail("two", OTHER, 1)],
                "tool_calls": [chat_call()],
            },
            "tool_calls",
        ),
        "one two t call",
    ),
    CONVERSE: (
        converse_answer(
            {"reasoningContent": {"reasoningText": {"text": "one", "signature": SIGNED}}},
            {"reasoningContent": {"reasoningText": {"text": "two", "signature": OTHER}}},
            {"text": "t"},
            {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {}}},
            stop="tool_use",
        ),
        "one two t call",
    ),
}


def read(client: str, body: Json) -> list[str]:
    """An answer's thinking, texts and calls in the order a client reads them."""
    match client:
        case "openai-chat":
            message = body["choices"][0]["message"]
            found = [
                entry.get("text") or entry["summary"]
                for entry in message["reasoning_details"]
                if "data" not in entry
            ]
            return [*found, message["content"], *("call" for _ in message["tool_calls"])]
        case "openai-responses":
            items = {
                "reasoning": lambda item: "".join(part["text"] for part in item["summary"]),
                "message": lambda item: item["content"][0]["text"],
                "function_call": lambda item: "call",
            }
            return [items[item["type"]](item) for item in body["output"]]
        case "anthropic-messages":
            return [
                "call" if block["type"] == "tool_use" else block.get("thinking") or block["text"]
                for block in body["content"]
            ]
        case _:
            parts = body["candidates"][0]["content"]["parts"]
            return ["call" if "functionCall" in part else part["text"] for part in parts]


@pytest.mark.parametrize(("client", "to"), [(c, p) for c in CLIENTS for p in PROVIDERS if c != p])
def test_T21_thinking_stays_apart_and_in_order(client: str, to: str) -> None:
    answer, order = ORDERED[to]
    found = read(client, answered(attempt(client, to, ask(client, tools=tools(client))), answer))
    wanted = order.split()
    if client == CHAT:
        # Chat keeps reasoning, text and calls in three members; inside each the order holds.
        wanted = [word for word in wanted if word not in ("t", "call")] + ["t", "call"]
    assert found == wanted


@pytest.mark.parametrize("to", [MESSAGES, CONVERSE])
def test_T21_history_keeps_the_order(to: str) -> None:
    blocks = [thought("one"), said("t"), thought("two", OTHER), use()]
    more = REBUILT if to == MESSAGES else {}
    content = sent(attempt(MESSAGES, to, ask(MESSAGES, messages=turn(*blocks)), **more))["messages"]
    if to == MESSAGES:
        assert content[1]["content"] == blocks
        return
    kinds = [next(iter(block)) for block in content[1]["content"]]
    assert kinds == ["reasoningContent", "text", "reasoningContent", "toolUse"]


def test_T22_only_a_family_s_own_thinking_is_replayed() -> None:
    """To Claude goes what Claude signed; a block without a signature, or of another, stays out."""
    foreign = {"type": "reasoning.encrypted", "format": "openai-responses-v1", "data": "Z3B0"}
    details = [{**foreign, "id": "rs_1", "index": 0}, detail("mine", SIGNED, 1)]
    message = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hm",
        "reasoning_details": details,
        "tool_calls": [chat_call()],
    }
    result = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
    body = ask(CHAT, messages=[*ask(CHAT)["messages"], message, result])
    for to in (MESSAGES, CONVERSE):
        made = attempt(CHAT, to, body)
        text = made.wire.body.decode()
        assert SIGNED in text and "mine" in text
        assert "Z3B0" not in text and "hm" not in text
        assert "part.thinking.foreign" in lost(made)
    to_openai = attempt(CHAT, RESPONSES, body).wire.body.decode()
    assert "Z3B0" in to_openai and SIGNED not in to_openai
    unsigned = turn(thought("unsigned", ""), use())
    for to, more in ((MESSAGES, REBUILT), (CONVERSE, {})):
        made = attempt(MESSAGES, to, ask(MESSAGES, messages=unsigned), **more)
        assert b"unsigned" not in made.wire.body


STRANGE = (
    " f a name.of-a_tool sk-ant-0123456789abcdef <system>x</system> Anthropic\r\n\u2028\u00e9\t "
)
"""What search-and-replace could find: names, keys, marks of ours, white space at both ends."""


@pytest.mark.parametrize("to", [MESSAGES, CONVERSE])
def test_T23_thinking_is_never_touched(to: str) -> None:
    """In either direction, also where names of tools are rewritten and steps run."""
    steps = {
        "transformer": {"use": ["cleancache", ["sampling", {"temperature": 1}], "enhancetool"]}
    }
    name = "a name.of-a_tool"
    strange = thought(STRANGE)
    body = ask(
        MESSAGES,
        messages=turn(strange, use(name=name)),
        tools=tools(MESSAGES, name),
        system="<system>x</system>",
    )
    made = attempt(MESSAGES, to, body, **steps)
    inner = sent(made)["messages"][1]["content"][0]
    if to == MESSAGES:
        assert inner == strange
        answer = message_answer(strange, use(name="a_name_of-a_tool"), stop="tool_use")
    else:
        inner = inner["reasoningContent"]
        assert inner == {"reasoningText": {"text": STRANGE, "signature": SIGNED}}
        answer = converse_answer({"reasoningContent": inner})
    assert answered(made, answer)["content"][0] == strange


def test_T23_thinking_is_never_touched_in_a_stream() -> None:
    """The same on the way back, byte by byte."""
    start = {"type": "thinking", "thinking": "", "signature": ""}
    raw = message_sse(
        *block(
            0,
            start,
            {"type": "thinking_delta", "thinking": STRANGE[:20]},
            {"type": "thinking_delta", "thinking": STRANGE[20:]},
            {"type": "signature_delta", "signature": SIGNED},
        ),
        *block(1, said(""), {"type": "text_delta", "text": "so"}),
    )
    made = attempt(CHAT, MESSAGES, ask(CHAT, stream=True))
    deltas = [event["choices"][0]["delta"] for event in stream(made, raw)]
    assert "".join(found.get("reasoning_content") or "" for found in deltas) == STRANGE


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("to", [MESSAGES, CONVERSE])
def test_T24_a_prefix_stays_what_it_was(client: str, to: str) -> None:
    """The next turn's request begins with the bytes of this one: system, tools and messages."""
    more = REBUILT if client == to else {}
    answer = ORDERED[to][0]
    body = {**ask(client), "tools": tools(client, "f", "a name.that-is_rewritten")}
    made = attempt(client, to, body, **more)
    before = sent(made)
    after = sent(attempt(client, to, {**body, **continued(client, answered(made, answer))}, **more))
    assert list(before) == list(after)
    size = len(before["messages"])
    assert after["messages"][:size] == before["messages"]
    assert len(after["messages"]) == size + 2
    kept = {name for name in before if name != "messages"}
    assert json.dumps({n: before[n] for n in kept}) == json.dumps({n: after[n] for n in kept})


@pytest.mark.parametrize("client", CLIENTS)
def test_T24_thinking_behind_another_prefix_may_be_dropped(client: str) -> None:
    """Of models whose thinking is bound to it; only where some is replayed."""
    bound = {"thinking_binding": True}
    more = REBUILT if client == MESSAGES else {}
    beta = "thinking-binding-controls-2026-08-01"
    body = {**ask(client), "tools": tools(client)}
    made = attempt(client, MESSAGES, body, caps=bound, **more)
    assert "thinking" not in sent(made)
    assert "anthropic-beta" not in dict(made.wire.headers)
    again = {**body, **continued(client, answered(made, SIGNED_ANSWERS[MESSAGES]))}
    headers = {"anthropic-beta": "one-of-the-client-s-own"} if client == MESSAGES else None
    made = attempt(client, MESSAGES, again, headers, caps=bound, **more)
    assert sent(made)["thinking"] == {
        "type": "adaptive",
        "block_binding": {"prefix_mismatch_behavior": "drop_block"},
    }
    betas = dict(made.wire.headers)["anthropic-beta"].split(",")
    assert betas[-1] == beta and len(betas) == (2 if client == MESSAGES else 1)
    # A model of which that is not known is sent no word of it.
    other = attempt(client, MESSAGES, again, **more)
    assert "thinking" not in sent(other) and "anthropic-beta" not in dict(other.wire.headers)


def continued(client: str, body: Json) -> Json:
    """The conversation with an answer as it came, and results of its calls."""
    match client:
        case "openai-chat":
            message = body["choices"][0]["message"]
            calls = message["tool_calls"]
            results = [{"role": "tool", "tool_call_id": c["id"], "content": "r"} for c in calls]
            return {"messages": [*ask(CHAT)["messages"], message, *results]}
        case "openai-responses":
            output = body["output"]
            results = [
                {"type": "function_call_output", "call_id": item["call_id"], "output": "r"}
                for item in output
                if item["type"] == "function_call"
            ]
            return {"input": [*ask(RESPONSES)["input"], *output, *results]}
        case "anthropic-messages":
            messages = turn(*body["content"], results="r")
            return {"messages": messages}
        case _:
            content = body["candidates"][0]["content"]
            given = [
                {"functionResponse": {**_named(part["functionCall"]), "response": {"output": "r"}}}
                for part in content["parts"]
                if "functionCall" in part
            ]
            return {
                "contents": [*ask(GEMINI)["contents"], content, {"role": "user", "parts": given}]
            }


def _named(call: Json) -> Json:
    return {name: call[name] for name in ("id", "name") if name in call}


SIGNED_ANSWERS: dict[str, Json] = {
    MESSAGES: message_answer(thought("t"), use(), stop="tool_use"),
    RESPONSES: response_answer(reasoning_item("t", SIGNED), call_item()),
    GEMINI: gemini_answer({**CALL, "thoughtSignature": SIGNED}, CALL),
    CONVERSE: converse_answer(
        {"reasoningContent": {"reasoningText": {"text": "t", "signature": SIGNED}}},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {}}},
        stop="tool_use",
    ),
}


@pytest.mark.parametrize(
    ("client", "to"), [(c, p) for c in CLIENTS for p in SIGNED_ANSWERS if c != p]
)
def test_T25_no_proof_is_hidden_in_an_id(client: str, to: str) -> None:
    body = ask(client, tools=tools(client))
    if client == RESPONSES:
        body["include"] = ["reasoning.encrypted_content"]
    found = answered(attempt(client, to, body), SIGNED_ANSWERS[to])
    proofs = {SIGNED, SIGNED.rstrip("=")}
    ids = call_ids(client, found)
    assert ids
    for one in ids:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", one)
        assert not any(proof in one for proof in proofs)
        assert "plx1" not in one and "thought" not in one
    # It has a place of its own, and comes back from there.
    again = attempt(client, to, {**body, **continued(client, found)})
    assert SIGNED.encode() in again.wire.body


def call_ids(client: str, body: Json) -> list[str]:
    match client:
        case "openai-chat":
            return [call["id"] for call in body["choices"][0]["message"]["tool_calls"]]
        case "openai-responses":
            return [item["call_id"] for item in body["output"] if item["type"] == "function_call"]
        case "anthropic-messages":
            return [block["id"] for block in body["content"] if block["type"] == "tool_use"]
        case _:
            parts = body["candidates"][0]["content"]["parts"]
            return [part["functionCall"]["id"] for part in parts if "functionCall" in part]


def gemini_call(number: int, signature: str | None = None) -> Json:
    part: Json = {"functionCall": {"name": "f", "args": {"n": number}}}
    return part if signature is None else {**part, "thoughtSignature": signature}


def gemini_results(*numbers: int) -> Json:
    parts = [{"functionResponse": {"name": "f", "response": {"n": n}}} for n in numbers]
    return {"role": "user", "parts": parts}


STEPS: list[Json] = [
    {"role": "user", "parts": [{"text": "hi"}]},
    {
        "role": "model",
        "parts": [
            {"text": "t", "thoughtSignature": "dGV4dA=="},
            gemini_call(1, "b25l"),
            gemini_call(2),
        ],
    },
    gemini_results(1, 2),
    {"role": "model", "parts": [gemini_call(3, "dHdv")]},
    gemini_results(3),
    {"role": "model", "parts": [{"text": "done"}, {"text": "", "thoughtSignature": "ZW5k"}]},
    {"role": "user", "parts": [{"text": "more"}]},
]


def test_T26_a_signature_stays_on_its_part() -> None:
    """Of Google's own client: each on the part it came with, each step's its own."""
    assert sent(attempt(GEMINI, GEMINI, {"contents": STEPS}, **REBUILT))["contents"] == STEPS


@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
def test_T26_a_signature_comes_back_to_its_part(client: str) -> None:
    """Through a dialect that has no field for it; parallel calls: on the first alone."""
    body = ask(client, tools=tools(client))
    if client == RESPONSES:
        body["include"] = ["reasoning.encrypted_content"]
    answer = gemini_answer({"text": "t"}, gemini_call(1, SIGNED), gemini_call(2))
    made = attempt(client, GEMINI, body)
    again = sent(attempt(client, GEMINI, {**body, **continued(client, answered(made, answer))}))
    parts = again["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, SIGNED, None]
    assert [part["functionCall"]["args"] for part in parts[1:]] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
def test_T26_every_step_has_a_signature_of_its_own(client: str) -> None:
    body = ask(client, tools=tools(client))
    if client == RESPONSES:
        body["include"] = ["reasoning.encrypted_content"]
    answers = (gemini_answer(gemini_call(1, SIGNED)), gemini_answer(gemini_call(2, OTHER)))
    name = "input" if client == RESPONSES else "messages"
    for answer in answers:
        made = attempt(client, GEMINI, body)
        (_, *more) = continued(client, answered(made, answer))[name]
        body = {**body, name: [*body[name], *more]}
    contents = sent(attempt(client, GEMINI, body))["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user", "model", "user"]
    steps = [contents[number]["parts"] for number in (1, 3)]
    assert [[part.get("thoughtSignature") for part in step] for step in steps] == [
        [SIGNED],
        [OTHER],
    ]


def compatible_stream(space: str) -> bytes:
    """A call as Google's endpoint for OpenAI's clients streams it: without index, signed late."""
    late = {"extra_content": {space: {"thought_signature": SIGNED}}}
    return chat_sse(
        delta(role="assistant"),
        delta(tool_calls=[piece(None, '{"a":1}', id="c1", name="f")]),
        delta(tool_calls=[late]),
        delta("stop"),
    )


@pytest.mark.parametrize("space", ["google", "vertex"])
@pytest.mark.parametrize("client", CLIENTS)
def test_T27_extra_content_is_read_and_echoed(client: str, space: str) -> None:
    profile = {"profile": "gemini"}
    body = ask(client, stream=True, tools=tools(client))
    more = {**profile, **(REBUILT if client == CHAT else {})}
    raw = relayed(attempt(client, CHAT, body, **more), compatible_stream(space))
    history = {
        CHAT: lambda: [chat_call("c1", '{"a":1}', **signed_of(raw))],
        MESSAGES: lambda: [use("c1", a=1), thought("", envelope_in(raw))],
        RESPONSES: lambda: [
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
            {"type": "reasoning", "summary": [], "encrypted_content": envelope_in(raw)},
        ],
        GEMINI: lambda: [{**CALL, "thoughtSignature": SIGNED}],
    }[client]()
    assert SIGNED.encode() in raw or client in (MESSAGES, RESPONSES)
    match client:
        case "openai-chat":
            message = {"role": "assistant", "content": None, "tool_calls": history}
            result = {"role": "tool", "tool_call_id": "c1", "content": "r"}
            again = ask(CHAT, messages=[*ask(CHAT)["messages"], message, result])
        case "openai-responses":
            result = {"type": "function_call_output", "call_id": "c1", "output": "r"}
            again = ask(RESPONSES, input=[*ask(RESPONSES)["input"], *history, result])
        case "anthropic-messages":
            again = ask(MESSAGES, messages=turn(*history))
        case _:
            model = {"role": "model", "parts": history}
            results = gemini_results(1)
            again = {"contents": [*ask(GEMINI)["contents"], model, results]}
    made = attempt(client, CHAT, again, **more)
    (call,) = sent(made)["messages"][1]["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": SIGNED}}
    assert lost(made) == []
    # Somebody else's endpoint gets none of it.
    other = attempt(client, CHAT, again, profile="openai", **(REBUILT if client == CHAT else {}))
    assert b"extra_content" not in other.wire.body


def signed_of(raw: bytes) -> Json:
    """What of a chat stream's last call fragment a client keeps beside the arguments."""
    found = re.search(rb'"extra_content":(\{.*?\}\})', raw)
    assert found is not None
    return {"extra_content": json.loads(found[1])}


def envelope_in(raw: bytes) -> str:
    """The enveloped signature in a stream."""
    found = re.search(rb"plx1\.[A-Za-z0-9_-]+", raw)
    assert found is not None
    return found[0].decode()


def as_google_s_sdk_sends_it(part: Json) -> Json:
    """The field is bytes there: decoded on receipt, url-safe on the way back."""
    if "thoughtSignature" not in part:
        return part
    value = base64.b64decode(part["thoughtSignature"], validate=True)
    return {**part, "thoughtSignature": base64.urlsafe_b64encode(value).decode()}


@pytest.mark.parametrize("to", [CHAT, RESPONSES, MESSAGES, CONVERSE])
def test_T28_a_thought_signature_is_base64(to: str) -> None:
    """Also of another vendor's proof, whose own alphabet is none of ours."""
    own = "c2ln/+8=~~" if to == RESPONSES else "c2ln/+8="
    answers: dict[str, Json] = {
        MESSAGES: message_answer(thought("t", own), use(), stop="tool_use"),
        RESPONSES: response_answer(reasoning_item("t", own), call_item()),
        CHAT: chat_answer(
            {"reasoning_details": [detail("t", own, 0)], "tool_calls": [chat_call()]}, "tool_calls"
        ),
        CONVERSE: json.loads(json.dumps(SIGNED_ANSWERS[CONVERSE]).replace(SIGNED, own)),
    }
    more: Json = {"profile": "openrouter"} if to == CHAT else {}
    body = ask(GEMINI, tools=tools(GEMINI))
    found = answered(attempt(GEMINI, to, body, **more), answers[to])
    content = found["candidates"][0]["content"]
    parts = [as_google_s_sdk_sends_it(part) for part in content["parts"]]
    assert any("thoughtSignature" in part for part in parts)
    content["parts"] = parts
    again = attempt(GEMINI, to, {**body, **continued(GEMINI, found)}, **more)
    assert own in again.wire.body.decode()


@pytest.mark.parametrize("signature", ["ab+/", "ab-_", "c2lnbmVk"])
def test_T28_its_alphabet_makes_no_difference(signature: str) -> None:
    steps = [STEPS[0], {"role": "model", "parts": [gemini_call(1, signature)]}, gemini_results(1)]
    kept = sent(attempt(GEMINI, GEMINI, {"contents": steps}, **REBUILT))["contents"][1]["parts"][0]
    assert base64.urlsafe_b64decode(kept["thoughtSignature"].translate(URL_SAFE)) == (
        base64.urlsafe_b64decode(signature.translate(URL_SAFE))
    )


URL_SAFE = str.maketrans("+/", "-_")
LONG = "x" * 80


@pytest.mark.parametrize("client", [CHAT, MESSAGES, GEMINI])
def test_T29_items_have_no_foreign_ids(client: str) -> None:
    """A Responses item has an ``id`` only of its own kind, and no id is longer than 64."""
    history: dict[str, Json] = {
        CHAT: {
            "messages": [
                *ask(CHAT)["messages"],
                {"role": "assistant", "content": None, "tool_calls": [chat_call(LONG)]},
                {"role": "tool", "tool_call_id": LONG, "content": "r"},
            ]
        },
        MESSAGES: {"messages": turn(said("t"), use(LONG))},
        GEMINI: {
            "contents": [
                STEPS[0],
                {"role": "model", "parts": [{"functionCall": {"id": LONG, "name": "f"}}]},
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"id": LONG, "name": "f", "response": {}}}],
                },
            ]
        },
    }
    items = sent(attempt(client, RESPONSES, {**ask(client), **history[client]}))["input"]
    assert not any("id" in item for item in items)
    call, output = items[-2:]
    assert call["call_id"] == output["call_id"]
    assert len(call["call_id"]) <= 64


def test_T29_a_foreign_id_of_a_responses_client_is_left_out() -> None:
    item = {**call_item("c1"), "id": "toolu_9"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "r"}
    body = ask(RESPONSES, input=[*ask(RESPONSES)["input"], item, result])
    found = sent(attempt(RESPONSES, RESPONSES, body, **REBUILT))["input"][1]
    assert "id" not in found
    assert found["call_id"] == "c1"


def reasoned(proof: str) -> Json:
    """A conversation of a Responses client: reasoning, the call it led to, the result."""
    result = {"type": "function_call_output", "call_id": "call_1", "output": "r"}
    items = [*ask(RESPONSES)["input"], reasoning_item("t", proof), call_item(), result]
    return ask(RESPONSES, input=items)


def test_T30_a_call_and_its_reasoning_go_together() -> None:
    kept = sent(attempt(RESPONSES, RESPONSES, reasoned("gAAAA"), **REBUILT))["input"]
    assert [item.get("id") for item in kept] == [None, "rs_1", "fc_call_1", None]
    # Foreign reasoning stays out, and with it the id that would ask for it.
    envelope = answered(
        attempt(RESPONSES, MESSAGES, ask(RESPONSES, include=["reasoning.encrypted_content"])),
        message_answer(thought("t"), use(), stop="tool_use"),
    )["output"][0]["encrypted_content"]
    assert open_envelope(envelope) is not None
    items = sent(attempt(RESPONSES, RESPONSES, reasoned(envelope), **REBUILT))["input"]
    assert [item.get("type") for item in items] == [None, "function_call", "function_call_output"]
    assert not any("id" in item for item in items)


def test_T30_the_provider_s_word_about_ids_is_heeded_once(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    """A client that kept the ids and dropped the reasoning."""

    async def script(peer: Peer) -> None:
        if b"fc_call_1" not in peer.request.body:
            await peer.answer(200, wire_responses.response())
            return
        message = "Item 'fc_call_1' of type 'function_call' was provided without its required "
        error = {"message": message + "'reasoning' item: 'rs_1'.", "type": "invalid_request_error"}
        body = {"error": {**error, "param": "input", "code": None}}
        await peer.answer(400, json.dumps(body).encode())

    first.script = script
    mine = gateways.provider(first, RESPONSES, **REBUILT)
    served = serve(two(mine, gateways.provider(second)))
    body = reasoned("gAAAA")
    del body["input"][1]
    assert served.ask("/v1/responses", {**body, "model": "one"}).status == 200
    assert len(first.requests) == 2


IDS = {
    "anthropic": (MESSAGES, {}, r"[A-Za-z0-9_-]{1,64}"),
    "openai": (CHAT, {"profile": "openai"}, r".{1,64}"),
    "responses": (RESPONSES, {}, r".{1,64}"),
    "mistral": (CHAT, {"profile": "mistral"}, r"[A-Za-z0-9]{9}"),
    "bedrock": (CONVERSE, {}, r"[A-Za-z0-9_.:-]{1,64}"),
}


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("given", ["toolu_01ABC", "functions.f:0", "call_é|x y", LONG, "a"])
def test_T31_an_id_is_legal_for_the_target(given: str, name: str) -> None:
    """The same new id on the call and on its result, the same every time."""
    to, more, pattern = IDS[name]
    client = RESPONSES if to != RESPONSES else CHAT
    call, result = ids_sent(client, to, given, more)
    assert call == result
    assert re.fullmatch(pattern, call)
    assert ids_sent(client, to, given, more) == (call, result)
    assert ids_sent(client, to, given + "b", more) != (call, result)


def ids_sent(client: str, to: str, given: str, more: Json) -> tuple[str, str]:
    """The id of a call and that of its result, as the provider gets them."""
    if client == RESPONSES:
        items = [
            {"type": "function_call", "call_id": given, "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": given, "output": "r"},
        ]
        body = ask(RESPONSES, input=[*ask(RESPONSES)["input"], *items])
    else:
        call = {"role": "assistant", "content": None, "tool_calls": [chat_call(given)]}
        result = {"role": "tool", "tool_call_id": given, "content": "r"}
        body = ask(CHAT, messages=[*ask(CHAT)["messages"], call, result])
    made = sent(attempt(client, to, body, **more))
    match to:
        case "openai-responses":
            return made["input"][1]["call_id"], made["input"][2]["call_id"]
        case "openai-chat":
            _, call, result = made["messages"]
            return call["tool_calls"][0]["id"], result["tool_call_id"]
        case "anthropic-messages":
            _, call, result = made["messages"]
            return call["content"][0]["id"], result["content"][0]["tool_use_id"]
        case _:
            _, call, result = made["messages"]
            return (
                call["content"][0]["toolUse"]["toolUseId"],
                result["content"][0]["toolResult"]["toolUseId"],
            )


PICTURE: Json = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PNG},
}


def result_sent(to: str, content: Any) -> Any:
    """The content of a tool result that a Messages client gives, as the provider gets it."""
    more = REBUILT if to == MESSAGES else {}
    body = sent(attempt(MESSAGES, to, ask(MESSAGES, messages=turn(use(), results=content)), **more))
    match to:
        case "openai-chat":
            return body["messages"][2]["content"]
        case "openai-responses":
            return body["input"][2]["output"]
        case "anthropic-messages":
            return body["messages"][2]["content"][0].get("content")
        case "gemini":
            return body["contents"][2]["parts"][0]["functionResponse"]
        case _:
            return body["messages"][2]["content"][0]["toolResult"]["content"]


TEXT_RESULTS: dict[str, Any] = {
    CHAT: ("plain", [said("one"), said("two")], ""),
    RESPONSES: (
        "plain",
        [{"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}],
        "",
    ),
    MESSAGES: ("plain", [said("one"), said("two")], None),
    GEMINI: ({"output": "plain"}, {"output": "one\ntwo"}, {"output": ""}),
    CONVERSE: ([{"text": "plain"}], [{"text": "one"}, {"text": "two"}], [{"json": {}}]),
}


@pytest.mark.parametrize("to", PROVIDERS)
def test_T32_text_stays_text_and_parts_stay_parts(to: str) -> None:
    plain, parts, empty = TEXT_RESULTS[to]
    given = ("plain", [said("one"), said("two")], [])
    found = [result_sent(to, content) for content in given]
    if to == GEMINI:
        found = [response["response"] for response in found]
    assert found == [plain, parts, empty]


@pytest.mark.parametrize("to", PROVIDERS)
def test_T33_a_picture_in_a_result_arrives(to: str) -> None:
    """Inside the result where there is a place, else in a user message behind it, and reported."""
    found = result_sent(to, [said("see"), PICTURE])
    body = ask(MESSAGES, messages=turn(use(), results=[said("see"), PICTURE]))
    made = attempt(MESSAGES, to, body, **(REBUILT if to == MESSAGES else {}))
    if to != CHAT:
        assert PNG in json.dumps(found)
        assert lost(made) == []
        return
    label = "[image 1 of tool result toolu_1 below]"
    assert found == [said("see"), said(label)]
    *_, behind = sent(made)["messages"]
    url = {"url": f"data:image/png;base64,{PNG}"}
    assert behind == {"role": "user", "content": [{"type": "image_url", "image_url": url}]}
    assert lost(made) == ["part.tool_result.media"]


def test_T33_two_results_come_before_the_pictures() -> None:
    """OpenAI wants all results at once behind their calls."""
    messages = turn(use("a"), use("b"), results=[PICTURE])
    found = sent(attempt(MESSAGES, CHAT, ask(MESSAGES, messages=messages)))["messages"]
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "tool", "user"]
    assert len(found[-1]["content"]) == 2
