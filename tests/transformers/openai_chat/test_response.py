"""Whole chat answers, read and written (openai-chat.md §4; mappings.md §13-15)."""

import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import openai_chat as chat
from plexus.unified.content import (
    AudioContent,
    Citation,
    ImageContent,
    MediaSource,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.fold import fold, unfold
from plexus.unified.response import Finish, UnifiedUsage
from tests.transformers.openai_chat.support import (
    RECEIVED,
    answer,
    answered,
    completion,
    formatted,
    parse,
    parts,
    request_to,
)

FULL = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": RECEIVED,
    "model": "gpt",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "text",
                "refusal": None,
                "reasoning_content": "hm",
                "reasoning_details": [
                    {
                        "type": "reasoning.text",
                        "text": "hm",
                        "format": "anthropic-claude-v1",
                        "signature": "s",
                        "index": 0,
                    }
                ],
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a": 1.0}'},
                    },
                    {"id": "c2", "type": "custom", "custom": {"name": "n", "input": "x"}},
                ],
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {
                            "start_index": 0,
                            "end_index": 4,
                            "url": "https://e.x",
                            "title": "E",
                        },
                    }
                ],
                "audio": {"id": "a1", "data": "AAAA", "expires_at": 7, "transcript": "t"},
                "images": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
                ],
                "vendor_note": [1.0],
            },
            "logprobs": {"content": [{"token": "t", "logprob": -9999.0}], "refusal": None},
            "finish_reason": "tool_calls",
            "native_finish_reason": "tool_use",
        },
        {
            "index": 1,
            "message": {"role": "assistant", "content": None, "refusal": "no"},
            "logprobs": None,
            "finish_reason": "stop",
        },
    ],
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "total_tokens": 18,
        "prompt_tokens_details": {
            "cached_tokens": 4,
            "cache_write_tokens": 3,
            "audio_tokens": 1,
            "image_tokens": 0,
            "text_tokens": 9,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 5,
            "audio_tokens": 1,
            "text_tokens": 2,
            "accepted_prediction_tokens": 1,
            "rejected_prediction_tokens": 0,
        },
        "cost": 0.5,
    },
    "service_tier": "default",
    "system_fingerprint": "fp",
    "moderation": {"flagged": False},
}


def test_every_field_of_the_reference_survives_a_step_chain() -> None:
    response = answer(json.dumps(FULL).encode())
    assert formatted(response) == FULL
    assert fold(unfold(response)) == response


def test_the_parts_of_a_full_answer() -> None:
    response = answer(json.dumps(FULL).encode())
    thinking, text, first, second, audio, image = sorted(
        parts(response), key=lambda part: _ORDER.index(type(part))
    )
    assert thinking.proof == Proof("s", "signature", Origin("anthropic", "upstream", "m-1"))
    assert (text.text, text.citations[0].url) == ("text", "https://e.x")
    assert (first.arguments, second.kind) == ('{"a": 1.0}', "custom")
    assert audio.transcript == "t"
    assert image.source.media_type == "image/png"
    assert response.usage == UnifiedUsage(
        prompt_tokens=10,
        completion_tokens=8,
        total_tokens=18,
        cache_read_tokens=4,
        cache_write_tokens=3,
        reasoning_tokens=5,
        input_audio=1,
        input_image=0,
        input_text=9,
        output_audio=1,
        output_text=2,
        accepted_prediction=1,
        rejected_prediction=0,
        ext={"openai-chat": {"cost": Raw(b"0.5")}},
    )


_ORDER = [ThinkingContent, TextContent, ToolCallContent, AudioContent, ImageContent]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error":{"message":"m","code":429}}', "rate_limit"),
        (b'{"error":"words","code":"x"}', "upstream"),
        (b'{"object":"error","message":"m","code":400}', "invalid_request"),
        (b'{"detail":[{"loc":["body","x"],"msg":"bad","type":"t"}]}', "upstream"),
        (b'{"id":"x","object":"chat.completion","choices":[]}', "upstream"),
        (b'{"id":"x","object":"chat.completion","choices":null}', "upstream"),
        (b'{"choices":[{"index":0,"message":null}]}', "upstream"),
        (b'{"choices":[{"index":0,"message":{},"finish_reason":"error"}]}', "upstream"),
        (b"{}", "upstream"),
        (b"[]", "upstream"),
        (b"<html>captive portal</html>", "upstream"),
        (b"", "upstream"),
        (b'{"choices":"x"}', "upstream"),
    ],
)
def test_T100_a_200_that_is_no_answer(body: bytes, kind: str) -> None:
    with pytest.raises(PlexusError) as caught:
        answer(body)
    assert caught.value.error.kind == kind
    assert "portal" not in caught.value.error.message
    observed = chat.observe_response(body)
    assert observed.error is not None
    assert observed.error.kind == kind


@pytest.mark.parametrize(
    "body",
    [
        completion({"role": "assistant", "content": ""}),
        completion({"role": "assistant", "content": None}, "content_filter"),
        completion({"role": "assistant", "content": None, "refusal": "no"}),
        completion({"role": "assistant", "content": "x"}, None),
    ],
)
def test_short_answers_are_answers(body: bytes) -> None:
    assert answer(body).choices
    assert chat.observe_response(body).error is None


def test_whole_calls_without_ids_or_indexes() -> None:
    calls = [{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}] * 2
    first, second = parts(answer(completion({"content": "", "tool_calls": calls}, "stop")))
    assert (first.name, first.arguments) == ("f", '{"a": 1}')
    assert first.id != second.id


def test_a_message_beside_a_delta() -> None:
    both = {
        "index": 0,
        "delta": {"content": ""},
        "message": {"content": "pong"},
        "finish_reason": "stop",
    }
    assert parts(answer(json.dumps({"id": "x", "choices": [both]}).encode())) == (
        TextContent(text="pong"),
    )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # xAI: completion leaves reasoning out (T38).
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 22,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            (10, 12, 22, None, 7),
        ),
        # OpenAI: completion contains it.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 12,
                "total_tokens": 22,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            (10, 12, 22, None, 7),
        ),
        # DeepSeek's own names.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 1,
                "total_tokens": 11,
                "prompt_cache_hit_tokens": 8,
                "prompt_cache_miss_tokens": 2,
            },
            (10, 1, 11, 8, None),
        ),
        # xAI: more cached than prompt.
        (
            {
                "prompt_tokens": 2,
                "completion_tokens": 1,
                "total_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 8},
            },
            (10, 1, 11, 8, None),
        ),
        # Floats, nulls and "unknown".
        (
            {
                "prompt_tokens": 2.0,
                "completion_tokens": None,
                "total_tokens": None,
                "prompt_tokens_details": {"cached_tokens": -1},
                "completion_tokens_details": None,
            },
            (2, 0, 2, None, None),
        ),
    ],
)
def test_usage_of_vendors(raw: dict[str, Any], expected: tuple[Any, ...]) -> None:
    usage = answer(completion({"content": "x"}, usage=raw)).usage
    assert usage is not None
    assert (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        usage.cache_read_tokens,
        usage.reasoning_tokens,
    ) == expected


def test_reads_and_writes_are_disjoint_parts_of_the_prompt() -> None:
    details = {"cached_tokens": 9, "cache_write_tokens": 9}
    raw = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": details}
    usage = answer(completion({"content": "x"}, usage=raw)).usage
    assert usage is not None
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (9, 1)


def test_the_answer_of_another_dialect() -> None:
    response = answered(
        ThinkingContent(text="a", proof=Proof("s", "signature", Origin("anthropic"))),
        ThinkingContent(redacted=True, proof=Proof("r", "encrypted", Origin("anthropic"))),
        TextContent(text="one "),
        TextContent(text="two", citations=(Citation(kind="url", url="https://e.x", title="E"),)),
        ToolCallContent(id="toolu_1", name="f", arguments='{"a":1}'),
        finish="tool_calls",
        usage=UnifiedUsage(
            prompt_tokens=1, completion_tokens=2, total_tokens=3, cache_read_tokens=1
        ),
        service_tier="standard",
    )
    assert formatted(response) == {
        "id": "chatcmpl-msg_1",
        "object": "chat.completion",
        "created": RECEIVED,
        "model": "claude",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "one two",
                    "refusal": None,
                    "reasoning_content": "a",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "a",
                            "format": "anthropic-claude-v1",
                            "signature": "s",
                            "index": 0,
                        },
                        {
                            "type": "reasoning.encrypted",
                            "data": "r",
                            "format": "anthropic-claude-v1",
                            "index": 1,
                        },
                    ],
                    "tool_calls": [
                        {
                            "id": "toolu_1",
                            "type": "function",
                            "function": {"name": "f", "arguments": '{"a":1}'},
                        }
                    ],
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url_citation": {
                                "start_index": 4,
                                "end_index": 7,
                                "url": "https://e.x",
                                "title": "E",
                            },
                        }
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
        "service_tier": "default",
    }


@pytest.mark.parametrize(
    ("given", "content"),
    [
        ([], ""),
        ([TextContent(text="")], ""),
        ([ToolCallContent(id="c", name="f")], None),
        ([RefusalContent(text="no")], None),
        ([TextContent(text="x"), ToolCallContent(id="c", name="f")], "x"),
    ],
)
def test_content_is_null_only_beside_something_else(given: list[Any], content: Any) -> None:
    assert formatted(answered(*given))["choices"][0]["message"]["content"] == content


@pytest.mark.parametrize(
    ("response_id", "dialect", "expected"),
    [
        ("gen-1", "openai-chat", "gen-1"),
        ("chatcmpl-9", "other", "chatcmpl-9"),
        ("msg_1", "anthropic-messages", "chatcmpl-msg_1"),
    ],
)
def test_ids(response_id: str, dialect: str, expected: str) -> None:
    assert formatted(answered(id=response_id, dialect=dialect))["id"] == expected


def test_a_missing_id_and_model_are_filled() -> None:
    found = formatted(answered(id="", model="", dialect="openai-chat"))
    assert found["id"].startswith("chatcmpl-")
    assert found["model"] == "alias"


def test_names_are_mapped_back() -> None:
    calls = [{"id": "c", "function": {"name": "a_b", "arguments": "{}"}}]
    body = completion({"content": None, "tool_calls": calls}, "tool_calls")
    assert parts(answer(body, request_to(tool_names={"a_b": "a.b"})))[0].name == "a.b"


def test_the_finish_of_a_pause_is_reported() -> None:
    body, warnings = chat.format_response(answered(finish=Finish("pause")), parse())
    assert json.loads(body)["choices"][0]["finish_reason"] == "stop"
    assert [warning.loss.field for warning in warnings] == ["response.finish"]


def test_deprecated_functions_are_answered_in_kind() -> None:
    request = parse(functions=[{"name": "f"}])
    made = answered(ToolCallContent(id="c", name="f", arguments="{}"), finish="tool_calls")
    choice = formatted(made, request)["choices"][0]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"


def test_images_go_out_as_data() -> None:
    image = ImageContent(source=MediaSource("base64", data="AAAA", media_type="image/png"))
    message = formatted(answered(image))["choices"][0]["message"]
    assert message["images"][0]["image_url"]["url"] == "data:image/png;base64,AAAA"
