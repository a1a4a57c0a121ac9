"""Bugs of musistudio/llms that no single step has (lineage §2.1, §2.3 rows 1, 2, 14, 21, 22).

One test a bug, named after it; those of the other rows stand beside their steps
(``steps/test_*.py``: ``test_bug_…``), those of configuration in ``tests/compiler/test_parents.py``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.steps.cleancache import CleanCache
from plexus.transformers.steps.customparams import CustomParams
from plexus.transformers.steps.reasoning import Reasoning
from tests.transformers.steps.support import (
    ASK,
    DIALECTS,
    Json,
    call_delta,
    choice_deltas,
    delta,
    edited,
    events,
    prepared,
    said,
    sent,
    split_everywhere,
    sse,
    streamed,
)

MESSAGES: Json = {**ASK, "max_tokens": 99}
STREAM: Json = {**MESSAGES, "stream": True}
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 4,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
}


def asked(**fields: Any) -> Json:
    """What a chat provider gets for a messages request with these members."""
    return sent(prepared(anthropic_messages, openai_chat, {**MESSAGES, **fields}))


def answered(message: Json, **fields: Any) -> Json:
    """What a messages client gets for a chat provider's JSON answer."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    body = {"id": "chatcmpl-7", "model": "m", "choices": [choice], **fields}
    attempt = prepared(anthropic_messages, openai_chat, MESSAGES)
    found: Json = json.loads(attempt.answer(json.dumps(body).encode(), "application/json").body)
    return found


def shown(*chunks: Json) -> list[Json]:
    """The events that a messages client gets for a chat provider's stream."""
    attempt = prepared(anthropic_messages, openai_chat, STREAM)
    return events(split_everywhere(attempt, sse(*chunks)))


def starts(found: list[Json]) -> list[tuple[int, str]]:
    blocks = [event for event in found if event["type"] == "content_block_start"]
    return [(event["index"], event["content_block"]["type"]) for event in blocks]


# Row 1, requests.


@pytest.mark.parametrize(
    ("given", "sees"),
    [
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"stop_sequences": ["x"]}, {"stop": ["x"]}),
        ({"metadata": {"user_id": "u"}}, {"safety_identifier": "u"}),
    ],
)
def test_bug_parameters_were_dropped(given: Json, sees: Json) -> None:
    body = asked(**given)
    assert {name: body.get(name) for name in sees} == sees


def test_bug_top_k_was_dropped_in_silence() -> None:
    """OpenAI has none: it is reported; vendors get it."""
    attempt = prepared(anthropic_messages, openai_chat, {**MESSAGES, "top_k": 3})
    assert [warning.path for warning in attempt.wire.warnings] == ["top_k"]


def test_bug_tool_choice_any_and_disable_parallel_tool_use_were_not_translated() -> None:
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    choice = {"type": "any", "disable_parallel_tool_use": True}
    body = asked(tools=tools, tool_choice=choice)
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)


def results(*content: Json, **fields: Any) -> list[Json]:
    """A conversation with one call, and a result with this content."""
    use = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": list(content), **fields}
    return [
        *ASK["messages"],
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]


def test_bug_is_error_and_parts_of_results_were_lost() -> None:
    """Arrays became JSON text, images in them too (CCR#1293)."""
    text = {"type": "text", "text": "gone"}
    *_, result = asked(messages=results(text, is_error=True))["messages"]
    assert result == {"role": "tool", "tool_call_id": "c", "content": "Error: gone"}
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    image = {"type": "image", "source": source}
    *_, result, picture = asked(messages=results(text, image))["messages"]
    assert [part["text"] for part in result["content"]] == [
        "gone",
        "[image 1 of tool result c below]",
    ]
    assert picture["content"][0]["image_url"]["url"] == "data:image/png;base64,AAAA"


def test_bug_documents_were_dropped() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    document = {"type": "document", "source": source, "title": "a.pdf"}
    (message,) = asked(messages=[{"role": "user", "content": [document]}])["messages"]
    assert message["content"][0]["file"]["file_data"].endswith("base64,AAAA")


def test_bug_assistant_texts_were_joined_with_a_newline() -> None:
    texts = [{"type": "text", "text": "one"}, {"type": "text", "text": " two"}]
    messages = [*ASK["messages"], {"role": "assistant", "content": texts}, *ASK["messages"]]
    (_, turn, _) = asked(messages=messages)["messages"]
    content = turn["content"]
    joined = content if isinstance(content, str) else "".join(part["text"] for part in content)
    assert joined == "one two"


def test_bug_redacted_thinking_was_dropped() -> None:
    """It goes back to its own vendor; elsewhere the loss is said."""
    hidden = {"type": "redacted_thinking", "data": "x"}
    turn = {"role": "assistant", "content": [hidden, {"type": "text", "text": "so"}]}
    body = {**MESSAGES, "messages": [*ASK["messages"], turn, *ASK["messages"]]}
    same = prepared(anthropic_messages, anthropic_messages, body)
    assert sent(same)["messages"][1] == turn
    other = prepared(anthropic_messages, openai_chat, body)
    assert any("thinking" in warning.loss.field for warning in other.wire.warnings)


# Row 1, answers.


def test_bug_the_message_id_was_invented() -> None:
    """A time stamp; here it follows from the provider's, the same every time."""
    one, again, other = (answered({"content": "so"}, id=id_)["id"] for id_ in ("a", "a", "b"))
    assert one == again != other and one.startswith("msg_")


def test_bug_thinking_of_a_json_answer_stood_after_the_text() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    found = answered({"content": "so", "reasoning_content": "why", "tool_calls": [call]})
    assert [block["type"] for block in found["content"]] == ["thinking", "text", "tool_use"]


def test_bug_cache_creation_was_not_in_usage() -> None:
    usage = answered({"content": "so"}, usage=USAGE)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (5, 4)
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (3, 2)


def test_bug_usage_behind_the_finish_reason_was_not_read() -> None:
    """What follows ``finish_reason`` in one network read was thrown away: usage 0 (CCR#807)."""
    usage = {**delta(), "choices": [], "usage": USAGE}
    found = shown(delta(content="so"), delta("stop"), usage)
    (end,) = (event for event in found if event["type"] == "message_delta")
    assert (end["usage"]["output_tokens"], end["usage"]["input_tokens"]) == (4, 5)


def test_bug_text_after_a_call_was_sent_on_the_calls_index() -> None:
    found = shown(
        delta(tool_calls=[call_delta(0, "{}", id="c", name="f")]),
        delta(content="so"),
        delta("tool_calls"),
    )
    assert starts(found) == [(0, "tool_use"), (1, "text")]
    texts = [e["index"] for e in found if e.get("delta", {}).get("type") == "text_delta"]
    assert texts == [1]


def test_bug_thinking_after_a_signature_was_sent_on_index_minus_one() -> None:
    found = shown(
        delta(reasoning_content="a"),
        delta(content="so"),
        delta(reasoning_content="b"),
        delta(content="then"),
        delta("stop"),
    )
    indexes = [event["index"] for event in found if "index" in event]
    assert min(indexes) == 0
    assert [kind for _, kind in starts(found)] == ["thinking", "text", "thinking", "text"]


def test_bug_a_second_call_of_one_chunk_was_skipped() -> None:
    """Two entries of one index in a chunk, and two calls in one chunk."""
    both = [call_delta(0, "{", id="c", name="f"), call_delta(0, "}")]
    other = [call_delta(1, "{}", id="d", name="g")]
    found = shown(delta(tool_calls=[*both, *other]), delta("tool_calls"))
    blocks = [e["content_block"]["name"] for e in found if e["type"] == "content_block_start"]
    assert blocks == ["f", "g"]
    pieces: dict[int, str] = {}
    for event in found:
        if event.get("delta", {}).get("type") == "input_json_delta":
            index = event["index"]
            pieces[index] = pieces.get(index, "") + event["delta"]["partial_json"]
    assert pieces == {0: "{}", 1: "{}"}


def test_bug_the_error_event_had_a_wrong_shape() -> None:
    """SDKs raise on ``event: error`` with ``{"type": "error", "error": {"type", "message"}}``."""
    failed = {"error": {"message": "gone", "type": "server_error", "code": None}}
    attempt = prepared(anthropic_messages, openai_chat, STREAM)
    out = streamed(attempt, sse(delta(content="so"), failed, done=False))
    assert b"event: error\n" in out
    last = events(out)[-1]
    assert last["type"] == "error" and set(last["error"]) >= {"type", "message"}


# Row 2.


def test_bug_a_chat_client_got_members_of_other_transformers() -> None:
    """``delta.thinking`` and a raised ``choices[0].index`` reached clients of chat."""
    data = sse(delta(reasoning_content="why"), delta(content="so"), delta("stop"))
    for steps in ([], [Reasoning()]):
        attempt = prepared(openai_chat, openai_chat, STREAM, steps=steps)
        out = split_everywhere(attempt, data)
        assert {choice["index"] for choice in choice_deltas(out)} == {0}
        assert not any("thinking" in choice["delta"] for choice in choice_deltas(out))
        assert (said(out, "reasoning_content"), said(out)) == ("why", "so")


# Row 14, ``reasoning``.


def test_bug_a_budget_of_undefined_was_sent() -> None:
    for body in (MESSAGES, {**MESSAGES, "thinking": {"type": "adaptive"}}):
        attempt = prepared(anthropic_messages, openai_chat, body, steps=[Reasoning()])
        assert "budget_tokens" not in sent(attempt).get("thinking", {})


def test_bug_every_chunk_was_printed(capfd: pytest.CaptureFixture[str]) -> None:
    attempt = prepared(openai_chat, openai_chat, STREAM, steps=[Reasoning()])
    streamed(attempt, sse(delta(reasoning_content="secret"), delta("stop")))
    assert "secret" not in "".join(capfd.readouterr())


def test_bug_thinking_of_a_json_answer_stood_where_no_writer_looks() -> None:
    attempt = prepared(anthropic_messages, openai_chat, MESSAGES, steps=[Reasoning()])
    message = {"role": "assistant", "content": "so", "reasoning_content": "why"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    body = json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode()
    content = json.loads(attempt.answer(body, "application/json").body)["content"]
    assert [block["type"] for block in content] == ["thinking", "text"]


# Rows 21 and 22.


def test_bug_markers_stayed_on_tools_and_nested_results() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    tools = [{"name": "f", "input_schema": {"type": "object"}, **mark}]
    messages = results({"type": "text", "text": "r", **mark})
    body = {**MESSAGES, "tools": tools, "messages": messages}
    attempt = prepared(anthropic_messages, anthropic_messages, body, steps=[CleanCache()])
    assert b"cache_control" not in attempt.wire.body


def test_bug_two_rules_of_precedence_in_one_step() -> None:
    """A scalar kept the client's value, a scalar inside an object the configured one."""
    step = CustomParams(params={"a": 1, "o": {"b": 1}})
    assert edited(step, {"a": 2, "o": {"b": 2}}) == {"a": 2, "o": {"b": 2}}


# Common to all stream code.


@pytest.mark.parametrize("client", DIALECTS, ids=lambda dialect: dialect.NAME)
@pytest.mark.parametrize(
    "rewrite",
    [
        pytest.param(lambda data: data.replace(b"data: ", b"data:"), id="no blank"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(lambda data: b": hello\n\n" + data, id="comment"),
        pytest.param(lambda data: data.replace(b"\n\n", b"\n\n: keep-alive\n\n"), id="keep-alive"),
        pytest.param(lambda data: b"event: x\nid: 1\n" + data, id="other fields"),
    ],
)
def test_bug_lines_were_split_by_hand(client: Any, rewrite: Any) -> None:
    """``data: `` with the blank only, comments passed on, bytes of one character torn apart."""
    data = sse(delta(content="sö"), delta("stop"))
    plain = split_everywhere(prepared(client, openai_chat, STREAM, steps=[Reasoning()]), data)
    attempt = prepared(client, openai_chat, STREAM, steps=[Reasoning()])
    assert split_everywhere(attempt, rewrite(data)) == plain
