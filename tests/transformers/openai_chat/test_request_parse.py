"""A chat client's request, member by member (openai-chat.md §1-3)."""

import base64
import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import openai_chat as chat
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    CustomTool,
    FunctionTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    ServerTool,
    StreamOptions,
    ToolChoice,
)
from tests.transformers.openai_chat.support import ASK, call, parse, parse_message

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()
PDF = base64.b64encode(b"%PDF-1.7 test").decode()

PLAIN: list[tuple[str, Any, str, Any]] = [
    ("max_tokens", 5, "max_tokens", 5),
    ("max_completion_tokens", 0, "max_tokens", 0),
    ("temperature", 0, "temperature", 0.0),
    ("top_p", 0.5, "top_p", 0.5),
    ("top_k", 0, "top_k", 0),
    ("min_p", 0.1, "min_p", 0.1),
    ("repetition_penalty", 1.1, "repetition_penalty", 1.1),
    ("frequency_penalty", -2, "frequency_penalty", -2.0),
    ("presence_penalty", 2, "presence_penalty", 2.0),
    ("seed", 0, "seed", 0),
    ("n", 2, "n", 2),
    ("stop", "x", "stop", ("x",)),
    ("stop", ["x", ""], "stop", ("x", "")),
    ("logit_bias", {"1": -100}, "logit_bias", Raw(b'{"1": -100}')),
    ("logprobs", False, "logprobs", False),
    ("top_logprobs", 0, "top_logprobs", 0),
    ("parallel_tool_calls", False, "parallel_tool_calls", False),
    ("verbosity", "low", "verbosity", "low"),
    ("modalities", ["text", "audio"], "modalities", ("text", "audio")),
    ("audio", {"voice": "a"}, "audio", Raw(b'{"voice": "a"}')),
    ("prediction", {"type": "content"}, "prediction", Raw(b'{"type": "content"}')),
    ("moderation", {"model": "o"}, "moderation", Raw(b'{"model": "o"}')),
    ("web_search_options", {}, "web_search", Raw(b"{}")),
    ("user", "u", "user", "u"),
    ("safety_identifier", "s", "safety_identifier", "s"),
    ("metadata", {"a": "b"}, "metadata", {"a": "b"}),
    ("store", False, "store", False),
    ("service_tier", "default", "service_tier", "standard"),
    ("service_tier", "flex", "service_tier", "flex"),
    ("service_tier", "on_demand", "service_tier", "on_demand"),
    ("service_tier", "fast", "speed", "fast"),
    ("prompt_cache_key", "k", "prompt_cache", PromptCache(key="k")),
    ("prompt_cache_retention", "24h", "prompt_cache", PromptCache(retention="24h")),
    (
        "prompt_cache_options",
        {"mode": "explicit", "ttl": "30m"},
        "prompt_cache",
        PromptCache(mode="explicit", ttl="30m"),
    ),
    (
        "stream_options",
        {"include_usage": True},
        "stream_options",
        StreamOptions(include_usage=True),
    ),
    ("response_format", {"type": "text"}, "response_format", ResponseFormat(type="text")),
    (
        "response_format",
        {"type": "json_object"},
        "response_format",
        ResponseFormat(type="json_object"),
    ),
    (
        "response_format",
        {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
        "response_format",
        ResponseFormat(type="json_schema", name="n", schema=Raw(b"{}"), strict=True),
    ),
]


@pytest.mark.parametrize(("member", "value", "field", "expected"), PLAIN)
def test_member(member: str, value: Any, field: str, expected: Any) -> None:
    assert getattr(parse(**{member: value}), field) == expected


@pytest.mark.parametrize("member", sorted({row[0] for row in PLAIN}))
def test_null_is_silence(member: str) -> None:
    assert parse(**{member: None}) == parse()


def test_the_newer_limit_wins() -> None:
    assert parse(max_tokens=1, max_completion_tokens=2).max_tokens == 2


def test_unknown_members_are_kept_for_chat() -> None:
    request = parse(provider={"order": ["a"]}, chat_template_kwargs={"x": 1.0})
    assert request.extra == {
        "openai-chat": {
            "provider": Raw(b'{"order": ["a"]}'),
            "chat_template_kwargs": Raw(b'{"x": 1.0}'),
        }
    }


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"reasoning_effort": "xhigh"}, Reasoning(effort="xhigh")),
        ({"reasoning_effort": "none"}, Reasoning(effort="none", mode="off")),
        ({"reasoning": {"effort": "low"}}, Reasoning(effort="low")),
        ({"reasoning": {"max_tokens": 9}}, Reasoning(max_tokens=9, mode="budget")),
        ({"reasoning": {"enabled": True}}, Reasoning(enabled=True)),
        ({"reasoning": {"exclude": True}}, Reasoning(include=False)),
        ({"reasoning": {"summary": "auto"}}, Reasoning(summary="auto")),
        ({"thinking": {"type": "enabled"}}, Reasoning(enabled=True)),
        ({"thinking": {"type": "brand-new"}}, Reasoning(enabled=True)),
        ({"thinking": {"type": "adaptive"}}, Reasoning(enabled=True, mode="adaptive")),
        ({"thinking": {"type": "disabled"}}, Reasoning(enabled=False, mode="off")),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 5}},
            Reasoning(enabled=True, max_tokens=5, mode="budget"),
        ),
        ({"enable_thinking": False}, Reasoning(enabled=False, mode="off")),
        ({"reasoning_effort": "default"}, Reasoning()),
    ],
)
def test_reasoning(members: dict[str, Any], expected: Reasoning) -> None:
    found = parse(**members).reasoning
    assert found is not None
    assert {**_fields(found), "ext": {}} == _fields(expected)


def _fields(reasoning: Reasoning) -> dict[str, Any]:
    return {name: getattr(reasoning, name) for name in reasoning.__struct_fields__}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"thinking_budget": 0}, Reasoning(enabled=False, mode="off")),
        ({"thinking_budget": -1}, Reasoning(mode="adaptive")),
        ({"thinking_budget": 7}, Reasoning(max_tokens=7, mode="budget")),
        (
            {"thinking_level": "HIGH", "include_thoughts": False},
            Reasoning(effort="high", include=False),
        ),
    ],
)
def test_reasoning_of_gemini_clients(config: dict[str, Any], expected: Reasoning) -> None:
    request = parse(extra_body={"google": {"thinking_config": config}})
    assert request.reasoning == expected
    assert "extra_body" in request.extra["openai-chat"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ("any", ToolChoice(mode="required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice(mode="function", name="f")),
        ({"type": "function", "name": "f"}, ToolChoice(mode="function", name="f")),
        ({"type": "custom", "custom": {"name": "c"}}, ToolChoice(mode="custom", name="c")),
        ({"type": "web_search"}, ToolChoice(mode="server", name="web_search")),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "custom", "custom": {"name": "c"}},
                    ],
                },
            },
            ToolChoice(mode="allowed", names=("f", "c"), forced=True),
        ),
    ],
)
def test_tool_choice(choice: Any, expected: ToolChoice) -> None:
    assert parse(tool_choice=choice).tool_choice == expected


def test_tools() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    tools = parse(
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "d",
                    "parameters": schema,
                    "strict": False,
                    "examples": [1],
                },
                "cache_control": {"type": "ephemeral"},
            },
            {"function": {"name": "typeless"}},
            {"type": "function", "name": "flat"},
            {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
            {"type": "openrouter:web_search", "parameters": {}},
        ]
    ).tools
    assert tools == (
        FunctionTool(
            name="f",
            description="d",
            parameters=Raw(json.dumps(schema).encode()),
            strict=False,
            cache_control=CacheControl(),
            ext={"openai-chat": {"examples": Raw(b"[1]")}},
        ),
        FunctionTool(name="typeless"),
        FunctionTool(name="flat"),
        CustomTool(name="c", format=Raw(b'{"type": "text"}')),
        ServerTool(
            kind="web_search",
            dialect="openai-chat",
            raw=Raw(b'{"type": "openrouter:web_search", "parameters": {}}'),
            name="openrouter:web_search",
        ),
    )


def test_deprecated_functions() -> None:
    request = parse(
        functions=[{"name": "f"}],
        function_call={"name": "f"},
        messages=[
            ASK,
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "f", "arguments": "{}"},
            },
            {"role": "function", "name": "f", "content": "r"},
        ],
    )
    assert request.source.legacy_functions
    assert request.tools == (FunctionTool(name="f"),)
    assert request.tool_choice == ToolChoice(mode="function", name="f")
    made, result = request.messages[1].content[0], request.messages[2].content[0]
    assert isinstance(made, ToolCallContent)
    assert isinstance(result, ToolResultContent)
    assert result.tool_call_id == made.id


PARTS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "text", "text": "t"}, TextContent(text="t")),
    (
        {
            "type": "text",
            "text": "t",
            "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"},
        },
        TextContent(text="t", cache_control=CacheControl(ttl="12h")),
    ),
    (
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/jpg;base64,{PNG}", "detail": "low"},
        },
        ImageContent(source=MediaSource("base64", data=PNG, media_type="image/jpeg"), detail="low"),
    ),
    (
        {"type": "image_url", "image_url": "https://e.x/i.png"},
        ImageContent(source=MediaSource("url", url="https://e.x/i.png")),
    ),
    (
        {"type": "image_url", "image_url": {"url": f"data:;base64,{PNG}"}},
        ImageContent(source=MediaSource("base64", data=PNG, media_type="image/png")),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        AudioContent(
            source=MediaSource("base64", data="UklGRg==", media_type="audio/wav"), format="wav"
        ),
    ),
    (
        {
            "type": "file",
            "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"},
        },
        DocumentContent(
            source=MediaSource("base64", data=PDF, media_type="application/pdf"), filename="a.pdf"
        ),
    ),
    (
        {"type": "file", "file": {"file_data": PDF}},
        DocumentContent(source=MediaSource("base64", data=PDF, media_type="application/pdf")),
    ),
    (
        {"type": "file", "file": {"file_id": "file-1"}},
        DocumentContent(source=MediaSource("file_id", file_id="file-1")),
    ),
    (
        {"type": "video_url", "video_url": {"url": "https://e.x/v.mp4"}},
        VideoContent(source=MediaSource("url", url="https://e.x/v.mp4")),
    ),
    ({"type": "refusal", "refusal": "no"}, RefusalContent(text="no")),
    (
        {"type": "new_thing", "x": 1},
        OpaqueContent(dialect="openai-chat", raw=Raw(b'{"type": "new_thing", "x": 1}')),
    ),
]


@pytest.mark.parametrize(("part", "expected"), PARTS)
def test_part(part: dict[str, Any], expected: Any) -> None:
    assert parse_message({"role": "user", "content": [part]}).content == (expected,)


def test_a_text_file_is_text() -> None:
    data = base64.b64encode(b"a,b").decode()
    file = {"file_data": f"data:text/csv;base64,{data}", "filename": "t.csv"}
    found = parse_message({"role": "user", "content": [{"type": "file", "file": file}]}).content[0]
    assert isinstance(found, DocumentContent)
    assert found.source == MediaSource("text", data="a,b", media_type="text/csv")


def test_bare_strings_and_message_markers() -> None:
    message = parse_message(
        {"role": "system", "content": ["a", "b"], "cache_control": {"type": "ephemeral"}}
    )
    form = message.content[1].ext["openai-chat"]["cache_control"]
    assert bytes(form) == b'{"type": "ephemeral"}'
    assert message.content == (
        TextContent(text="a"),
        TextContent(
            text="b", cache_control=CacheControl(), ext={"openai-chat": {"cache_control": form}}
        ),
    )


def test_assistant_order_is_thinking_text_refusal_audio_calls() -> None:
    message = parse_message(
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "custom", "custom": {"name": "c", "input": "raw"}},
            ],
            "audio": {"id": "a1"},
            "refusal": "no",
            "content": "text",
            "reasoning_content": "hm",
            "name": "bot",
            "prefix": True,
        }
    )
    assert message.content == (
        ThinkingContent(text="hm", ext={"openai-chat": {"reasoning_content": Raw(b'"hm"')}}),
        TextContent(text="text"),
        RefusalContent(text="no"),
        AudioContent(id="a1"),
        ToolCallContent(id="c1", name="f", arguments="{}"),
        ToolCallContent(id="c2", name="c", arguments="raw", kind="custom"),
    )
    assert message.name == "bot"
    assert message.ext == {"openai-chat": {"prefix": Raw(b"true")}}


def test_reasoning_details_become_proofs() -> None:
    message = parse_message(
        {
            "role": "assistant",
            "content": "x",
            "reasoning_content": "ab",
            "reasoning_details": [
                {
                    "type": "reasoning.text",
                    "text": "ab",
                    "signature": "sig",
                    "format": "anthropic-claude-v1",
                    "index": 0,
                },
                {
                    "type": "reasoning.encrypted",
                    "data": "red",
                    "format": "anthropic-claude-v1",
                    "index": 1,
                },
                {
                    "type": "reasoning.summary",
                    "summary": "s1",
                    "format": "openai-responses-v1",
                    "index": 2,
                },
                {
                    "type": "reasoning.summary",
                    "summary": "s2",
                    "format": "openai-responses-v1",
                    "index": 3,
                },
                {
                    "type": "reasoning.encrypted",
                    "data": "enc",
                    "format": "openai-responses-v1",
                    "index": 4,
                },
                {
                    "type": "reasoning.encrypted",
                    "data": "gem",
                    "id": "c1",
                    "format": "google-gemini-v1",
                },
            ],
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f"}}],
        }
    )
    assert message.content == (
        ThinkingContent(text="ab", proof=Proof("sig", "signature", Origin("anthropic"))),
        ThinkingContent(redacted=True, proof=Proof("red", "encrypted", Origin("anthropic"))),
        ThinkingContent(summary=("s1", "s2"), proof=Proof("enc", "encrypted", Origin("openai"))),
        TextContent(text="x"),
        ToolCallContent(id="c1", name="f", proof=Proof("gem", "signature", Origin("gemini"))),
    )


def test_mistral_thinking_chunks() -> None:
    message = parse_message(
        {
            "role": "assistant",
            "content": [
                {
                    "type": "thinking",
                    "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                },
                {"type": "text", "text": "c"},
            ],
        }
    )
    assert message.content == (ThinkingContent(text="ab"), TextContent(text="c"))


def test_tool_results() -> None:
    message = parse_message(
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        }
    )
    assert message.content == (
        ToolResultContent(
            tool_call_id="c1", content=(TextContent(text="a"), TextContent(text="b"))
        ),
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": "secret"}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": ["secret"]}, "messages[0]"),
    ({"messages": [{"content": "secret"}]}, "messages[0].role"),
    ({"messages": [{"role": "secret", "content": ""}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
    (
        {"messages": [{"role": "user", "content": [{"text": "secret"}]}]},
        "messages[0].content[0].type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
    ),
    (
        {
            "messages": [
                ASK,
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": 5}}]},
            ]
        },
        "messages[1].content[0].image_url.url",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "secret"}}]}
            ]
        },
        "messages[0].content[0].image_url.url",
    ),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
                    ],
                }
            ]
        },
        "messages[0].content[0].image_url.url",
    ),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,!!"}}
                    ],
                }
            ]
        },
        "messages[0].content[0].image_url.url",
    ),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "AA"}}],
                }
            ]
        },
        "messages[0].content[0].input_audio.format",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
        "messages[0].content[0].file.file_data",
    ),
    ({"messages": [{"role": "tool", "content": "secret"}]}, "messages[0].tool_call_id"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"type": "secret"}]}]},
        "messages[0].tool_calls[0].type",
    ),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]},
        "messages[0].tool_calls[0].function",
    ),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": 5}}]}]},
        "messages[0].tool_calls[0].function.name",
    ),
    (
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 5}}]}
            ]
        },
        "messages[0].tool_calls[0].function.arguments",
    ),
    (
        {"messages": [{"role": "assistant", "reasoning_details": "secret"}]},
        "messages[0].reasoning_details",
    ),
    ({"tools": {}}, "tools"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": "secret"}}]},
        "tools[0].function.parameters",
    ),
    ({"tool_choice": "secret"}, "tool_choice"),
    ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
    ({"response_format": "secret"}, "response_format"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"temperature": "secret"}, "temperature"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"n": 0}, "n"),
    ({"stop": [5]}, "stop"),
    ({"verbosity": "secret"}, "verbosity"),
    ({"metadata": {"a": 5}}, "metadata"),
    ({"logit_bias": []}, "logit_bias"),
    ({"stream_options": []}, "stream_options"),
    ({"reasoning_effort": 5}, "reasoning_effort"),
    ({"reasoning": "secret"}, "reasoning"),
    ({"thinking": {"type": 5}}, "thinking.type"),
    ({"prompt_cache_options": {"ttl": 5}}, "prompt_cache_options.ttl"),
]


@pytest.mark.parametrize(("members", "param"), WRONG)
def test_wrong_types_name_the_place_and_never_the_value(
    members: dict[str, Any], param: str
) -> None:
    with pytest.raises(PlexusError) as caught:
        parse(**members)
    error = caught.value.error
    assert (error.kind, error.http_status, error.param) == ("invalid_request", 400, param)
    assert "secret" not in error.message


@pytest.mark.parametrize("member", [b'"temperature":1e999', b'"n":1e400'])
def test_values_no_decoder_takes_are_the_clients_mistake(member: bytes) -> None:
    body = b'{"messages":[{"role":"user","content":"x"}],%b}' % member
    with pytest.raises(PlexusError) as caught:
        chat.parse_request(call(body))
    assert caught.value.error.http_status == 400
