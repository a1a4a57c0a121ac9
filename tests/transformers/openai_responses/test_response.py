"""Whole answers for a Responses client (openai-responses.md §4; mappings.md §12-§15)."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from plexus.transformers import openai_responses as responses
from plexus.transformers.proofs import PREFIX, open_envelope, seal
from plexus.unified.content import (
    AudioContent,
    Citation,
    ImageContent,
    MediaSource,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.response import Finish, UnifiedUsage
from tests.transformers.openai_responses.support import (
    RECEIVED,
    answer,
    answered,
    formatted,
    function_call,
    message,
    parse,
    parts,
)

CALL = ToolCallContent(id="call_1", name="f", arguments='{"a": 1.0}')
SIGNED = Proof("sig", "signature", Origin("anthropic"))


def raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def output(*given: Any, **fields: Any) -> list[Any]:
    found: list[Any] = formatted(answered(*given, **fields))["output"]
    return found


def test_everything_the_sdk_requires_is_there() -> None:
    found = formatted(answered(TextContent(text="hi")))
    assert found["id"].startswith("resp_") and len(found["id"]) > 32
    (item,) = found.pop("output")
    assert item.pop("id").startswith("msg_")
    assert item == {
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}],
    }
    assert found.pop("usage").keys() == {
        "input_tokens",
        "input_tokens_details",
        "output_tokens",
        "output_tokens_details",
        "total_tokens",
    }
    del found["id"]
    assert found == {
        "object": "response",
        "created_at": RECEIVED,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": "claude",
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": None,
        "truncation": "disabled",
        "user": None,
        "metadata": {},
    }


def test_the_request_is_echoed() -> None:
    tools = [
        {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
        {
            "type": "namespace",
            "name": "n",
            "description": "d",
            "tools": [{"type": "custom", "name": "c"}],
        },
    ]
    text = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}
    asked = parse(
        instructions="Be brief.",
        tools=tools,
        tool_choice={"type": "function", "name": "f"},
        text=text,
        temperature=0,
        reasoning={"effort": "low", "summary": "auto"},
        parallel_tool_calls=False,
        metadata={"a": "b"},
        store=True,
    )
    found = formatted(answered(TextContent(text="hi")), asked)
    assert found["instructions"] == "Be brief."
    assert found["tools"] == tools
    assert found["tool_choice"] == {"type": "function", "name": "f"}
    assert found["text"] == text
    assert (found["temperature"], found["parallel_tool_calls"]) == (0, False)
    assert found["reasoning"] == {"effort": "low", "summary": "auto"}
    assert (found["metadata"], found["store"]) == ({"a": "b"}, False)


def test_T21_the_order_of_parts_is_the_order_of_items() -> None:
    found = output(
        ThinkingContent(text="hm", proof=SIGNED),
        TextContent(text="a"),
        TextContent(text="b"),
        CALL,
        TextContent(text="c"),
        finish="tool_calls",
    )
    assert [item["type"] for item in found] == [
        "reasoning",
        "message",
        "function_call",
        "message",
    ]
    assert [part["text"] for part in found[1]["content"]] == ["a", "b"]


def test_T71_a_call() -> None:
    (found,) = output(CALL, finish="tool_calls")
    assert found.pop("id").startswith("fc_")
    assert found == {
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "f",
        "arguments": '{"a": 1.0}',
    }
    (empty,) = output(ToolCallContent(id="c", name="f"))
    assert empty["arguments"] == "{}"
    (custom,) = output(ToolCallContent(id="c", name="sh", arguments="ls", kind="custom"))
    assert custom.pop("id").startswith("ctc_")
    assert (custom["type"], custom["input"]) == ("custom_tool_call", "ls")


def test_a_tool_in_a_namespace_is_called_by_its_own_name() -> None:
    tool = {"type": "namespace", "name": "mail", "tools": [{"type": "function", "name": "send"}]}
    asked = parse(tools=[tool])
    (found,) = formatted(answered(ToolCallContent(id="c", name="mail__send")), asked)["output"]
    assert (found["name"], found["namespace"]) == ("send", "mail")


def test_a_foreign_proof_travels_in_an_envelope() -> None:
    (found,) = output(ThinkingContent(text="hm", proof=SIGNED))
    assert found["id"].startswith("rs_")
    assert found["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert open_envelope(found["encrypted_content"]) == SIGNED
    (back,) = parse(found).messages
    assert back.content == (ThinkingContent(text="hm", proof=SIGNED),)


def test_thinking_without_a_proof_is_known_when_it_comes_back() -> None:
    (found,) = output(ThinkingContent(text="hm"))
    assert found["encrypted_content"].startswith(PREFIX)
    (back,) = parse(found).messages
    assert back.content == (ThinkingContent(text="hm"),)
    assert output(ThinkingContent()) == []


def test_an_own_proof_is_its_own() -> None:
    proof = Proof("gAAA", "encrypted", Origin("openai"))
    (found,) = output(ThinkingContent(summary=("a", "b"), proof=proof, id="rs_9"))
    assert found["encrypted_content"] == "gAAA"
    assert [part["text"] for part in found["summary"]] == ["a", "b"]


def test_redacted_thinking_is_a_proof_alone() -> None:
    redacted = Proof("red", "encrypted", Origin("anthropic"))
    (found,) = output(ThinkingContent(redacted=True, proof=redacted))
    assert (found["summary"], found["encrypted_content"]) == ([], seal(redacted))


def test_T26_a_proof_of_a_call_or_text_stands_beside_it() -> None:
    proof = Proof("AA==", "signature", Origin("gemini"))
    found = output(
        ToolCallContent(id="c", name="f", proof=proof), TextContent(text="x", proof=proof)
    )
    assert [item["type"] for item in found] == [
        "reasoning",
        "function_call",
        "message",
        "reasoning",
    ]
    assert found[0]["encrypted_content"] == found[3]["encrypted_content"] == seal(proof)


def test_readable_thinking_can_be_unwanted() -> None:
    asked = parse(reasoning={"effort": "low"})
    hidden = msgspec.structs.replace(
        asked, reasoning=msgspec.structs.replace(asked.reasoning, include=False)
    )
    found = formatted(answered(ThinkingContent(text="hm", proof=SIGNED)), hidden)["output"]
    assert found[0]["summary"] == []
    assert open_envelope(found[0]["encrypted_content"]) == SIGNED


def test_refusals() -> None:
    found = formatted(answered(RefusalContent(text="No."), finish="refusal"))
    assert found["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert found["status"] == "completed"
    silent = formatted(answered(TextContent(text="x"), finish="refusal"))
    assert silent["incomplete_details"] == {"reason": "content_filter"}


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("stop_sequence", "completed", None),
        ("tool_calls", "completed", None),
        ("pause", "completed", None),
        ("other", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("context_window", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_T81_finish(finish: str, status: str, reason: str | None) -> None:
    found = formatted(answered(TextContent(text="x"), finish=finish))
    assert found["status"] == status
    details = found["incomplete_details"]
    assert details == (None if reason is None else {"reason": reason})
    assert found["output"][-1]["status"] == status


@pytest.mark.parametrize("finish", ["error", "malformed_tool_call"])
def test_an_answer_that_ended_in_an_error(finish: str) -> None:
    with pytest.raises(PlexusError):
        formatted(answered(TextContent(text="x"), finish=finish))


def test_T35_usage() -> None:
    usage = UnifiedUsage(
        prompt_tokens=10,
        completion_tokens=7,
        total_tokens=17,
        cache_read_tokens=4,
        cache_write_tokens=3,
        cache_write_by_ttl={"5m": 1, "12h": 2},
        reasoning_tokens=2,
        input_audio=1,
    )
    assert formatted(answered(TextContent(text="x"), usage=usage))["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {
            "cached_tokens": 4,
            "cache_write_tokens": 3,
            "cache_write_tokens_details": {"ttl_30m_tokens": 0, "ttl_12h_tokens": 2},
            "audio_tokens": 1,
        },
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 17,
    }


def test_usage_is_estimated_where_nobody_counted() -> None:
    found = formatted(answered(TextContent(text="x" * 40)))["usage"]
    assert (found["input_tokens"], found["output_tokens"]) == (1, 10)


def test_citations() -> None:
    (item,) = output(
        TextContent(
            text="Hello",
            citations=(
                Citation(kind="url", url="https://e.x", title="T", start=1, end=3),
                Citation(kind="url", url="https://e.y"),
                Citation(kind="file", file_id="f", title="a.pdf"),
                Citation(kind="document_page", title="lost"),
            ),
        )
    )
    assert item["content"][0]["annotations"] == [
        {
            "type": "url_citation",
            "url": "https://e.x",
            "title": "T",
            "start_index": 1,
            "end_index": 3,
        },
        {
            "type": "url_citation",
            "url": "https://e.y",
            "title": "",
            "start_index": 0,
            "end_index": 5,
        },
        {"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 5},
    ]


def test_T74_a_web_search_of_another_provider() -> None:
    search = ServerToolCallContent(
        id="s",
        tool="web_search",
        name="web_search",
        dialect="anthropic-messages",
        raw=raw({}),
        arguments='{"query": "oslo"}',
    )
    result = ServerToolResultContent(
        tool_call_id="s", tool="web_search", dialect="anthropic-messages", raw=raw({})
    )
    item, said = output(search, result, TextContent(text="x"))
    assert item.pop("id").startswith("ws_")
    assert item == {
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "oslo"},
    }
    assert said["type"] == "message"


def test_pictures_and_sound() -> None:
    picture, said = output(
        ImageContent(source=MediaSource("base64", "AAAA", media_type="image/png")),
        AudioContent(transcript="hello", source=MediaSource("base64", "AAAA")),
    )
    assert (picture["type"], picture["result"]) == ("image_generation_call", "AAAA")
    assert said["content"][0]["text"] == "hello"


def test_log_probabilities_of_chat() -> None:
    token = {"token": "x", "bytes": [120], "logprob": -0.5, "top_logprobs": []}
    found = answered(TextContent(text="x"))
    choice = msgspec.structs.replace(
        found.choices[0], logprobs=raw({"content": [token], "refusal": None})
    )
    found = msgspec.structs.replace(found, choices=(choice,))
    assert formatted(found)["output"][0]["content"][0]["logprobs"] == [token]


@pytest.mark.parametrize(
    ("tier", "said"), [("standard", "default"), ("priority", "priority"), ("batch", "default")]
)
def test_service_tier(tier: str, said: str) -> None:
    assert formatted(answered(TextContent(text="x"), service_tier=tier))["service_tier"] == said


def test_an_answer_of_this_dialect_is_its_own() -> None:
    """Translated because of a step: what the provider said stays."""
    reasoning = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "t"}],
        "encrypted_content": "gAAA",
    }
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"a": 1}}
    picture = {"type": "image_generation_call", "id": "ig", "result": "AA==", "size": "x"}
    call = function_call(caller={"type": "direct"}, namespace="ns")
    said = message("x", phase="final_answer")
    given = (reasoning, search, said, message("y", id="msg_2"), call, picture, {"type": "program"})
    members: dict[str, Any] = {
        "metadata": {"a": "b"},
        "store": True,
        "tool_usage": {"x": 1},
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cost": 4},
        "service_tier": "ultra",
    }
    found = formatted(answer(*given, **members))
    for item in found["output"]:
        for part in item.get("content", ()):
            part.pop("logprobs", None)
    assert found["output"] == list(given)
    assert (found["id"], found["model"]) == ("resp_1", "gpt")
    assert (found["store"], found["metadata"]) == (True, {"a": "b"})
    assert (found["tool_usage"], found["service_tier"]) == ({"x": 1}, "ultra")
    assert found["usage"]["cost"] == 4


def test_a_stored_response_that_is_not_done_stays_so() -> None:
    found = answer(status="queued", background=True)
    assert formatted(found)["status"] == "queued"
    steered = answer(status="incomplete", incomplete_details={"reason": "steered"})
    assert formatted(steered)["incomplete_details"] == {"reason": "steered"}


def test_what_is_written_can_be_read_and_sent_back() -> None:
    given = answered(
        ThinkingContent(text="hm", proof=SIGNED),
        TextContent(text="a"),
        CALL,
        finish=Finish("tool_calls"),
    )
    found = formatted(given)
    again = answer(*found["output"])
    assert [type(part) for part in parts(again)] == [
        ThinkingContent,
        TextContent,
        ToolCallContent,
    ]
    result = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
    turn, results = parse(*found["output"], result).messages
    assert [type(part) for part in turn.content] == [
        ThinkingContent,
        TextContent,
        ToolCallContent,
    ]
    assert turn.content[0].proof == SIGNED
    assert results.content[0].tool_call_id == turn.tool_calls[0].id


def test_the_body_is_json() -> None:
    body, warnings = responses.format_response(answered(TextContent(text="\u2028é")), parse())
    assert msgspec.json.decode(body)["object"] == "response"
    assert warnings == ()
