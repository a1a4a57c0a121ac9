"""A unified request as a chat provider gets it (mappings.md §2-10)."""

import hashlib
import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import openai_chat as chat
from plexus.transformers.capabilities import TargetModel
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    CompactionContent,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    Origin,
    Proof,
    RefusalContent,
    SearchResultContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    ClientBuiltinTool,
    CustomTool,
    FunctionTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    ServerTool,
    Source,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)
from tests.transformers.openai_chat.support import ASK, asked, call, parse, target, wire

HI = UnifiedMessage(role="user", content=(TextContent(text="hi"),))
IMAGE = ImageContent(source=MediaSource("base64", data="AAAA", media_type="image/png"))

EVERYTHING: dict[str, Any] = {
    "model": "m-1",
    "messages": [
        {"role": "developer", "content": "d", "name": "boss"},
        {
            "role": "system",
            "content": [
                {"type": "text", "text": "s", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            ],
        },
        {
            "role": "user",
            "name": "u",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "https://e.x/i.png", "detail": "high"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                },
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "video_url", "video_url": {"url": "https://e.x/v.mp4"}},
                {"type": "brand_new", "x": [1.0]},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": 1.0}'},
                },
                {"id": "c2", "type": "custom", "custom": {"name": "c", "input": "x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "r"},
        {
            "role": "tool",
            "tool_call_id": "c2",
            "content": [{"type": "text", "text": "r1"}, {"type": "text", "text": "r2"}],
        },
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "assistant", "content": None, "audio": {"id": "a1"}},
        {"role": "user", "content": ""},
    ],
    "max_completion_tokens": 9,
    "temperature": 0.0,
    "top_p": 1.0,
    "top_k": 3,
    "min_p": 0.1,
    "repetition_penalty": 1.5,
    "n": 2,
    "stop": ["a", "b"],
    "frequency_penalty": -2.0,
    "presence_penalty": 2.0,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 0,
    "seed": 0,
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "d",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
        },
        {"type": "custom", "custom": {"name": "c", "description": "d", "format": {"type": "text"}}},
        {"type": "openrouter:web_search", "parameters": {"max_uses": 1}},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [
                {"type": "function", "function": {"name": "f"}},
                {"type": "custom", "custom": {"name": "c"}},
            ],
        },
    },
    "parallel_tool_calls": False,
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "n",
            "description": "d",
            "schema": {"type": "object"},
            "strict": False,
        },
    },
    "reasoning_effort": "minimal",
    "verbosity": "high",
    "modalities": ["text", "audio"],
    "audio": {"format": "wav", "voice": {"id": "v"}},
    "prediction": {"type": "content", "content": "p"},
    "web_search_options": {"search_context_size": "low"},
    "service_tier": "default",
    "store": False,
    "metadata": {"a": "b"},
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit", "ttl": "30m"},
    "prompt_cache_retention": "24h",
    "moderation": {"model": "omni"},
    "user": "u",
    "provider": {"order": ["x"], "ratio": 1.0},
}


def test_every_field_of_the_reference_survives_a_step_chain() -> None:
    body = wire(chat.parse_request(call(EVERYTHING)))
    assert body == EVERYTHING
    assert chat.format_request(chat.parse_request(call(EVERYTHING)), target()).warnings == ()


def test_same_input_same_bytes() -> None:
    first = chat.format_request(chat.parse_request(call(EVERYTHING)), target()).body
    again = chat.format_request(chat.parse_request(call(EVERYTHING)), target()).body
    assert first == again


@pytest.mark.parametrize(
    "members",
    [
        {"reasoning": {"effort": "low", "exclude": True}},
        {"thinking": {"type": "enabled", "budget_tokens": 5}},
        {"enable_thinking": False},
        {"reasoning_effort": "default"},
        {"service_tier": "on_demand"},
        {"service_tier": "fast"},
        {"response_format": {"type": "regex", "pattern": "a+"}},
    ],
)
def test_vendors_forms_go_back_as_written(members: dict[str, Any]) -> None:
    body = wire(parse(**members))
    assert {name: body[name] for name in members} == members


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": "data:text/csv;base64,YSxi", "filename": "a.csv"}},
        {"type": "document_url", "document_url": "https://e.x/a.pdf", "document_name": "a"},
        {"type": "input_audio", "input_audio": "https://e.x/a.mp3"},
    ],
)
def test_vendors_parts_go_back_as_written(part: dict[str, Any]) -> None:
    assert wire(parse(messages=[{"role": "user", "content": [part]}]))["messages"] == [
        {"role": "user", "content": [part]}
    ]


# -- messages --------------------------------------------------------------------------------------


def message(role: Any, *content: Content, **fields: Any) -> UnifiedMessage:
    return UnifiedMessage(role=role, content=content, **fields)


def messages(*given: UnifiedMessage, to: Any = None, **fields: Any) -> list[Any]:
    found: list[Any] = wire(asked(*given, **fields), to or target())["messages"]
    return found


@pytest.mark.parametrize(
    ("role", "wanted", "expected"),
    [
        ("system", None, "system"),
        ("developer", None, "developer"),
        ("system", "developer", "developer"),
        ("developer", "system", "system"),
    ],
)
def test_the_profile_names_the_system_role(role: str, wanted: Any, expected: str) -> None:
    found = messages(message(role, TextContent(text="s")), HI, to=target(system_role=wanted))
    assert found[0] == {"role": expected, "content": "s"}


def test_the_attribution_block_goes_only_to_claude() -> None:
    block = TextContent(text="x-anthropic-billing-header: cc_version=1; cc_entrypoint=cli;")
    system = message("system", block, TextContent(text="You are"))
    assert messages(system, HI)[0] == {"role": "system", "content": "You are"}
    assert messages(message("system", block), HI) == [{"role": "user", "content": "hi"}]
    kept = messages(system, HI, to=target("anthropic"))[0]["content"]
    assert len(kept) == 2


def test_documents() -> None:
    pdf = MediaSource("base64", data="AAAA", media_type="application/pdf")
    text = MediaSource("text", data="body", media_type="text/plain")
    encoded = MediaSource("base64", data="Ym9keQ==", media_type="text/plain")
    found = messages(
        message(
            "user",
            DocumentContent(source=pdf, title="Report"),
            DocumentContent(source=pdf, filename="x.pdf"),
            DocumentContent(source=pdf),
            DocumentContent(source=text, title="Notes", context="from Tuesday"),
            DocumentContent(source=encoded),
            DocumentContent(blocks=(TextContent(text="a"), TextContent(text="b")), title="Blocks"),
        )
    )[0]["content"]
    data = "data:application/pdf;base64,AAAA"
    assert found == [
        {"type": "file", "file": {"filename": "Report.pdf", "file_data": data}},
        {"type": "file", "file": {"filename": "x.pdf", "file_data": data}},
        {"type": "file", "file": {"filename": "document.pdf", "file_data": data}},
        {"type": "text", "text": "Notes\nfrom Tuesday\n\nbody"},
        {"type": "text", "text": "body"},
        {"type": "text", "text": "Blocks\n\na\nb"},
    ]


def test_parts_without_a_form_in_chat_are_told_in_words() -> None:
    found = messages(
        message(
            "user",
            SearchResultContent(source="https://e.x", title="T", blocks=(TextContent(text="b"),)),
        ),
        message(
            "assistant",
            ServerToolCallContent(
                id="s1",
                tool="web_search",
                name="web_search",
                dialect="anthropic-messages",
                raw=Raw(b'{"input":{"query":"otters"}}'),
            ),
            ServerToolResultContent(
                tool_call_id="s1",
                tool="web_search",
                dialect="anthropic-messages",
                raw=Raw(b'{"content":[{"url":"https://o.x","title":"O"},{"type":"other"}]}'),
            ),
            CompactionContent(dialect="anthropic-messages", raw=Raw(b"{}"), summary="so far"),
            TextContent(text="found"),
        ),
        HI,
    )
    assert found[0]["content"] == "T\nhttps://e.x\n\nb"
    assert [part["text"] for part in found[1]["content"]] == [
        "[web search: otters]",
        "[results: O (https://o.x)]",
        "so far",
        "found",
    ]


def test_one_tool_message_per_result_then_the_rest() -> None:
    found = messages(
        HI,
        message(
            "assistant",
            TextContent(text="calling"),
            ToolCallContent(id="c1", name="f", arguments='{"a":1}'),
            ToolCallContent(id="c2", name="g"),
        ),
        message(
            "user",
            TextContent(text="and now?"),
            ToolResultContent(tool_call_id="c1", content=(TextContent(text="r1"),)),
            ToolResultContent(tool_call_id="c2", content=(TextContent(text="bad"),), is_error=True),
        ),
    )
    assert found[1:] == [
        {
            "role": "assistant",
            "content": "calling",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "r1"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: bad"},
        {"role": "user", "content": "and now?"},
    ]


def test_system_text_in_the_middle_stays_there() -> None:
    found = messages(HI, message("system", TextContent(text="new rule")), HI)
    assert [entry["role"] for entry in found] == ["user", "system", "user"]


@pytest.mark.parametrize(
    ("marker", "family", "breakpoints", "expected"),
    [
        (CacheControl(), "openai", None, {}),
        (CacheControl(), "openai", True, {"prompt_cache_breakpoint": {"mode": "explicit"}}),
        (CacheControl(ttl="1h"), "openai", True, {"prompt_cache_breakpoint": {"mode": "explicit"}}),
        (
            CacheControl(ttl="12h"),
            "openai",
            True,
            {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
        ),
        (
            CacheControl(ttl="1h"),
            "anthropic",
            True,
            {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ),
    ],
)
def test_cache_markers(marker: Any, family: str, breakpoints: Any, expected: Any) -> None:
    part = TextContent(text="s", cache_control=marker)
    to = target(family, cache_breakpoints=breakpoints)
    content = messages(message("system", part), HI, to=to)[0]["content"]
    assert content == ([{"type": "text", "text": "s", **expected}] if expected else "s")


SIGNED = ThinkingContent(text="hm", proof=Proof("sig", "signature", Origin("anthropic")))
PLAIN = ThinkingContent(text="hm")


@pytest.mark.parametrize(
    ("part", "family", "field", "expected"),
    [
        (PLAIN, "openai", None, {}),
        (PLAIN, "openai", "none", {}),
        (SIGNED, "openai", None, {}),
        (PLAIN, "deepseek", "reasoning_content", {"reasoning_content": "hm"}),
        (PLAIN, "vllm", "reasoning", {"reasoning": "hm"}),
        (SIGNED, "deepseek", "reasoning_content", {}),
        (
            SIGNED,
            "anthropic",
            "reasoning",
            {
                "reasoning": "hm",
                "reasoning_details": [
                    {
                        "type": "reasoning.text",
                        "text": "hm",
                        "format": "anthropic-claude-v1",
                        "signature": "sig",
                        "index": 0,
                    }
                ],
            },
        ),
    ],
)
def test_thinking_goes_only_where_it_is_taken(
    part: ThinkingContent, family: str, field: Any, expected: dict[str, Any]
) -> None:
    to = target(family, reasoning_field=field)
    found = messages(HI, message("assistant", part, TextContent(text="a")), HI, to=to)[1]
    assert found == {"role": "assistant", "content": "a", **expected}


DETAILS = [{"type": "reasoning.text", "text": "hm", "format": "unknown", "index": 0}]


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (target("vendor"), {"reasoning": "hm", "reasoning_details": DETAILS}),
        (target("vendor", reasoning_field="reasoning_content"), {"reasoning_content": "hm"}),
        (target("vendor", reasoning_field="none"), {}),
        (target("vendor", known_fields_only=True), {}),
        (target("openai"), {"reasoning": "hm", "reasoning_details": DETAILS}),
    ],
)
def test_reasoning_of_a_chat_client_goes_back_as_it_came(
    to: TargetModel, expected: dict[str, Any]
) -> None:
    """Where nothing is known of the vendor: the client has it of this vendor, as the parent has
    it too (tests/oracle)."""
    said = {"role": "assistant", "content": "a", "reasoning": "hm", "reasoning_details": DETAILS}
    made = chat.format_request(parse(messages=[ASK, said, ASK]), to)
    found = json.loads(made.body)["messages"][1]
    assert found == {"role": "assistant", "content": "a", **expected}
    lost = [] if expected else ["part.thinking"]
    assert [warning.loss.field for warning in made.warnings] == lost


def test_a_router_gets_the_proofs_of_all_vendors() -> None:
    to = target("openrouter", reasoning_field="reasoning")
    found = messages(HI, message("assistant", SIGNED, TextContent(text="a")), HI, to=to)[1]
    assert found["reasoning_details"][0]["signature"] == "sig"


# -- tools -----------------------------------------------------------------------------------------

F = FunctionTool(name="f", parameters=Raw(b'{"type":"object","properties":{}}'))


def tools_of(request: UnifiedChatRequest, **capabilities: Any) -> dict[str, Any]:
    body = wire(request, target(**capabilities))
    names = ("tools", "tool_choice", "parallel_tool_calls")
    return {name: body[name] for name in names if name in body}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(mode="auto"), "auto"),
        (ToolChoice(mode="none"), "none"),
        (ToolChoice(mode="required"), "required"),
        (ToolChoice(mode="function", name="f"), {"type": "function", "function": {"name": "f"}}),
        (ToolChoice(mode="custom", name="c"), {"type": "custom", "custom": {"name": "c"}}),
    ],
)
def test_tool_choice(choice: ToolChoice, expected: Any) -> None:
    request = asked(HI, tools=(F, CustomTool(name="c")), tool_choice=choice)
    assert tools_of(request)["tool_choice"] == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": ToolChoice(mode="function", name="gone")}, "tool_choice"),
        (
            {"tools": (F,), "tool_choice": ToolChoice(mode="server", name="web_search")},
            "tool_choice",
        ),
        (
            {
                "tools": (ServerTool(kind="web_search", dialect="other", raw=Raw(b"{}")),),
                "tool_choice": ToolChoice(mode="required"),
            },
            "tool_choice",
        ),
        ({"tools": (ClientBuiltinTool(kind="bash", dialect="other", raw=Raw(b"{}")),)}, "tools[0]"),
        ({"tools": (F, F)}, "tools[1]"),
        ({"tools": tuple(FunctionTool(name=f"f{n}") for n in range(129))}, "tools"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"server_state": {"previous_response_id": Raw(b'"r"')}}, "previous_response_id"),
        ({"response_format": ResponseFormat(type="grammar")}, "response_format"),
    ],
)
def test_what_chat_cannot_mean_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(PlexusError) as caught:
        wire(asked(HI, **fields))
    assert caught.value.error.http_status == 400
    assert caught.value.error.param == param


@pytest.mark.parametrize(
    "part",
    [
        ImageContent(source=MediaSource("file_id", file_id="f")),
        DocumentContent(source=MediaSource("file_id", file_id="f")),
        DocumentContent(source=MediaSource("url", url="https://e.x/a.pdf")),
        AudioContent(source=MediaSource("base64", data="AA", media_type="audio/ogg")),
    ],
)
def test_media_chat_cannot_take_are_refused(part: Content) -> None:
    with pytest.raises(PlexusError) as caught:
        wire(asked(message("user", part)))
    assert caught.value.error.param == "messages[0].content[0]"


@pytest.mark.parametrize(
    ("part", "capability"),
    [
        (IMAGE, "images"),
        (DocumentContent(source=MediaSource("base64", data="AAAA")), "documents"),
        (AudioContent(source=MediaSource("base64", data="AAAA"), format="wav"), "audio"),
    ],
)
def test_media_the_model_cannot_take_are_refused(part: Content, capability: str) -> None:
    with pytest.raises(PlexusError) as caught:
        wire(asked(message("user", part)), target(**{capability: False}))
    assert caught.value.error.param == "messages[0].content[0]"


def test_an_object_without_properties_gets_some() -> None:
    request = asked(HI, tools=(FunctionTool(name="f", parameters=Raw(b'{"type":"object"}')),))
    assert tools_of(request)["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {},
    }


# -- the rest --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "efforts", "expected"),
    [
        (Reasoning(), None, None),
        (Reasoning(effort="high"), None, "high"),
        (Reasoning(effort="none"), None, "none"),
        (Reasoning(mode="off"), None, "none"),
        (Reasoning(mode="between_tools"), None, "none"),
        (Reasoning(enabled=False), ("low", "high"), "low"),
        (Reasoning(mode="adaptive"), None, "medium"),
        (Reasoning(enabled=True), None, "medium"),
        (Reasoning(max_tokens=1024), None, "minimal"),
        (Reasoning(max_tokens=1025), None, "low"),
        (Reasoning(max_tokens=8192), None, "medium"),
        (Reasoning(max_tokens=24576), None, "high"),
        (Reasoning(max_tokens=32768), None, "xhigh"),
        (Reasoning(max_tokens=48001), None, "max"),
        (Reasoning(effort="max"), ("low", "medium", "high"), "high"),
        (Reasoning(effort="minimal"), ("low", "medium"), "low"),
        (Reasoning(effort="medium"), ("none", "low", "high"), "low"),
    ],
)
def test_reasoning_effort(wanted: Reasoning, efforts: Any, expected: str | None) -> None:
    body = wire(asked(HI, reasoning=wanted), target(efforts=efforts))
    assert body.get("reasoning_effort") == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"n": 3}, {"n": 3}),
        ({"user": "u-1"}, {"safety_identifier": "u-1"}),
        ({"service_tier": "standard"}, {"service_tier": "default"}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"speed": "fast"}, {"service_tier": "fast"}),
        ({"prompt_cache": PromptCache(key="k")}, {"prompt_cache_key": "k"}),
        (
            {
                "response_format": ResponseFormat(
                    type="json_schema",
                    schema=Raw(
                        b'{"type":"object","properties":{"a":{"type":"string"}},'
                        b'"required":["a"],"additionalProperties":false}'
                    ),
                )
            },
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "response",
                        "schema": {
                            "type": "object",
                            "properties": {"a": {"type": "string"}},
                            "required": ["a"],
                            "additionalProperties": False,
                        },
                        "strict": True,
                    },
                }
            },
        ),
        (
            {
                "response_format": ResponseFormat(
                    type="json_schema", name="a b", schema=Raw(b'{"type":"object"}')
                )
            },
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a_b", "schema": {"type": "object"}, "strict": False},
                }
            },
        ),
    ],
)
def test_fields_of_other_dialects(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    body = wire(asked(HI, **fields))
    body.pop("model")
    body.pop("messages")
    assert body == expected


@pytest.mark.parametrize("user", ["x" * 129, "ann@example.org", "+49 30 1234567"])
def test_long_and_personal_ids_go_as_a_hash(user: str) -> None:
    found = wire(asked(HI, user=user))["safety_identifier"]
    assert found == hashlib.sha256(user.encode()).hexdigest()[:32]


def test_capabilities_name_the_limit() -> None:
    body = wire(asked(HI, max_tokens=5), target(max_tokens_field="max_tokens"))
    assert body["max_tokens"] == 5
    assert "max_completion_tokens" not in body


def test_a_schema_the_model_cannot_take_becomes_an_instruction() -> None:
    form = ResponseFormat(type="json_schema", schema=Raw(b'{"type":"object"}'))
    system = UnifiedMessage(role="system", content=(TextContent(text="s"),))
    body = wire(asked(system, HI, response_format=form), target(json_schema=False))
    assert body["response_format"] == {"type": "json_object"}
    assert [entry["role"] for entry in body["messages"]] == ["system", "system", "user"]
    assert '{"type":"object"}' in body["messages"][1]["content"]


def test_the_session_is_the_cache_key() -> None:
    headers = {"x-claude-code-session-id": "session"}
    request = asked(HI, source=Source(dialect="other", headers=headers))
    assert wire(request, target(cache_breakpoints=True))["prompt_cache_key"] == "session"
    assert "prompt_cache_key" not in wire(request)


def test_translated_streams_always_ask_for_usage() -> None:
    body = wire(parse(stream=True, stream_options={"include_usage": False}))
    assert body["stream_options"] == {"include_usage": True}
    assert "stream_options" not in wire(parse())


def test_refusals_and_audio_of_the_history() -> None:
    found = messages(
        HI, message("assistant", RefusalContent(text="no"), RefusalContent(text="pe")), HI
    )
    assert found[1] == {"role": "assistant", "content": None, "refusal": "nope"}


# -- pass-through ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected", "hidden"),
    [
        (b'{"model": "a",  "x": 1.0}', b'{"model": "m-1",  "x": 1.0}', False),
        (
            b'{"model":"a","stream":true}',
            b'{"model":"m-1","stream":true,"stream_options":{"include_usage":true}}',
            True,
        ),
        (
            b'{"model":"a","stream":true,"stream_options":null}',
            b'{"model":"m-1","stream":true,"stream_options":{"include_usage":true}}',
            True,
        ),
        (
            b'{"model":"a","stream_options":{"include_obfuscation":false},"stream":true}',
            b'{"model":"m-1","stream_options":{"include_obfuscation":false,"include_usage":true},"stream":true}',
            True,
        ),
        (
            b'{"model":"a","stream":true,"stream_options":{"include_usage": true}}',
            b'{"model":"m-1","stream":true,"stream_options":{"include_usage": true}}',
            False,
        ),
        (
            b'{"model":"a","stream":true,"stream_options":"odd"}',
            b'{"model":"m-1","stream":true,"stream_options":"odd"}',
            False,
        ),
    ],
)
def test_passthrough_edits_only_model_and_usage(body: bytes, expected: bytes, hidden: bool) -> None:
    made = chat.passthrough(call(body), target())
    assert (made.body, made.hide_usage, made.path) == (expected, hidden, "/chat/completions")


def test_deterministic_ids_and_names_survive_the_history() -> None:
    long_id, odd = "toolu_" + "x" * 80, "mcp.server/tool"
    body = wire(
        asked(
            HI,
            message("assistant", ToolCallContent(id=long_id, name=odd, arguments="{}")),
            message("tool", ToolResultContent(tool_call_id=long_id)),
            tools=(FunctionTool(name=odd),),
        )
    )
    made = body["messages"][1]["tool_calls"][0]
    assert len(made["id"]) <= 64
    assert body["messages"][2]["tool_call_id"] == made["id"]
    assert made["function"]["name"] == body["tools"][0]["function"]["name"] == "mcp_server_tool"
