"""``deepseek``: reasoning there and back, turn after turn."""

import json
from typing import Any

import pytest

from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.steps.deepseek import DeepSeek
from tests.transformers.steps.support import (
    ASK,
    DIALECTS,
    Json,
    call_delta,
    choice_deltas,
    delta,
    edited,
    edited_bytes,
    events,
    prepared,
    said,
    sent,
    split_everywhere,
    sse,
)

STEP = DeepSeek()
TARGET = TargetModel(
    provider="p",
    model="deepseek-reasoner",
    family="deepseek",
    capabilities=Capabilities(
        max_tokens_field="max_tokens", reasoning_field="reasoning_content", system_role="system"
    ),
)
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "r"}
STREAM: Json = {**ASK, "stream": True, "max_tokens": 99}
THOUGHT = [delta(role="assistant", reasoning_content="wh"), delta(reasoning_content="y")]


def attempt(client: Any, body: Json) -> Any:
    return prepared(client, openai_chat, body, target=TARGET, wire_steps=[STEP])


def turn(**fields: object) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": [CALL], **fields}


@pytest.mark.parametrize(
    ("given", "reasoning"),
    [({}, ""), ({"reasoning": "why"}, "why"), ({"reasoning_content": None}, "")],
)
def test_a_turn_with_calls_gets_its_reasoning(given: Json, reasoning: str) -> None:
    body = {**ASK, "messages": [*ASK["messages"], turn(**given), RESULT]}
    assert sent(attempt(openai_chat, body))["messages"][1] == turn(
        **{**given, "reasoning_content": reasoning}
    )


def test_what_needs_nothing_keeps_its_bytes() -> None:
    for message in (
        turn(reasoning_content=""),
        turn(reasoning_content="why"),
        {"role": "assistant", "content": "so"},
        {"role": "assistant", "content": "so", "tool_calls": []},
    ):
        raw = json.dumps({"messages": [message]}, indent=1).encode()
        assert edited_bytes(STEP, raw) == raw
    off = {"messages": [turn()], "thinking": {"type": "disabled"}}
    assert edited(STEP, off) == off
    assert edited(STEP, {"messages": [turn()]}, "anthropic-messages") == {"messages": [turn()]}


def test_bug_reasoning_content_never_went_back() -> None:
    """musistudio, CCR#1050, CCR#1249: the second turn with a tool gets a 400."""
    block = {"type": "thinking", "thinking": "why", "signature": ""}
    use = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": "r"}
    for blocks, reasoning in (([block, use], "why"), ([use], "")):
        messages = [
            *ASK["messages"],
            {"role": "assistant", "content": blocks},
            {"role": "user", "content": [result]},
        ]
        body = {**ASK, "max_tokens": 9, "messages": messages}
        assert (
            sent(attempt(anthropic_messages, body))["messages"][1]["reasoning_content"] == reasoning
        )


def test_bug_max_tokens_was_capped_at_8192() -> None:
    """musistudio: hard, whatever the model; a model's ``max_output_tokens`` says its own limit."""
    for client in DIALECTS:
        assert sent(attempt(client, {**ASK, "max_tokens": 60_000}))["max_tokens"] == 60_000


def test_bug_reasoning_was_closed_on_text_only_and_repeated_with_an_invented_signature() -> None:
    """musistudio: a call leaves the reasoning open; text repeats it whole beside a time stamp."""
    calls = delta(tool_calls=[call_delta(0, "{}", id="c", name="f")])
    data = sse(*THOUGHT, calls, delta("tool_calls"))
    found = events(split_everywhere(attempt(anthropic_messages, STREAM), data))
    kinds = [e["content_block"]["type"] for e in found if e["type"] == "content_block_start"]
    assert kinds == ["thinking", "tool_use"]
    stops = [e["index"] for e in found if e["type"] == "content_block_stop"]
    assert stops == [0, 1]
    data = sse(*THOUGHT, delta(content="so"), delta("stop"))
    found = events(split_everywhere(attempt(anthropic_messages, STREAM), data))
    deltas = [e["delta"] for e in found if e["type"] == "content_block_delta"]
    assert "".join(d.get("thinking", "") for d in deltas) == "why"
    # An envelope of Plexus, which says that there is no proof.
    (signature,) = (d["signature"] for d in deltas if "signature" in d)
    assert signature.startswith("plx1.") and "why" not in signature


def test_bug_choice_index_was_raised_after_reasoning() -> None:
    data = sse(*THOUGHT, delta(content="so"), delta("stop"))
    out = split_everywhere(attempt(openai_chat, STREAM), data)
    assert {choice["index"] for choice in choice_deltas(out)} == {0}
    assert (said(out, "reasoning_content"), said(out)) == ("why", "so")


def test_bug_reasoning_of_an_unstreamed_answer_was_ignored() -> None:
    message = {"role": "assistant", "content": "so", "reasoning_content": "why"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    answer = json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode()
    done = attempt(anthropic_messages, {**ASK, "max_tokens": 9}).answer(answer, "application/json")
    assert [block["type"] for block in json.loads(done.body)["content"]] == ["thinking", "text"]
