"""A client's body, field by field (anthropic-messages.md §3, §4)."""

import json
from typing import Any

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages as dialect
from plexus.transformers.base import ClientCall
from plexus.transformers.proofs import seal
from plexus.unified.content import (
    CacheControl,
    CompactionContent,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
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
    FunctionTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    ServerTool,
    ToolChoice,
)
from tests.transformers.anthropic_messages.support import NAME, OWN, call, parse, parse_blocks, raw

MARK = {"type": "ephemeral", "ttl": "1h"}


def test_simple_fields() -> None:
    found = parse(
        stop_sequences=["a", " "],
        temperature=0,
        top_p=0.5,
        top_k=0,
        metadata={"user_id": "u"},
        service_tier="standard_only",
        speed="fast",
        inference_geo="eu",
        cache_control=MARK,
    )
    assert (found.model, found.max_tokens) == ("alias", 100)
    assert found.stop == ("a", " ")
    assert (found.temperature, found.top_p, found.top_k) == (0, 0.5, 0)
    assert (found.user, found.service_tier, found.speed) == ("u", "standard", "fast")
    assert found.region == "eu"
    assert found.prompt_cache == PromptCache(auto=CacheControl(ttl="1h"))


def test_T01_zero_is_a_value() -> None:
    found = parse(temperature=0, top_p=0, top_k=0, max_tokens=0)
    assert (found.temperature, found.top_p, found.top_k, found.max_tokens) == (0, 0, 0, 0)


def test_absent_and_null_say_nothing() -> None:
    for found in (parse(), parse(temperature=None, tools=None, system=None, thinking=None)):
        assert found.temperature is None
        assert found.tools == ()
        assert found.reasoning is None
        assert found.extra == {}


def test_unknown_fields_are_kept() -> None:
    found = parse(
        safeguards={"x": 1.0},
        diagnostics={"previous_message_id": None},
        output_config={"effort": "low", "task_budget": {"n": 1}},
        metadata={"user_id": "u", "more": 1},
    )
    assert {name: bytes(value) for name, value in found.extra[NAME].items()} == {
        "safeguards": b'{"x": 1.0}',
        "diagnostics": b'{"previous_message_id": null}',
        "output_config.task_budget": b'{"n": 1}',
        "metadata.more": b"1",
    }


def test_verbatim_fields() -> None:
    found = parse(container="c", context_management={"edits": []}, mcp_servers=[{"url": "u"}])
    assert found.container == raw("c")
    assert found.context_management is not None and found.mcp_servers is not None


def test_system_string_and_blocks() -> None:
    assert parse(system="s").messages[0].content == (TextContent(text="s"),)
    blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": MARK}]
    assert parse(system=blocks).messages[0].content == (
        TextContent(text="a"),
        TextContent(text="b", cache_control=CacheControl(ttl="1h")),
    )


def test_mid_conversation_system() -> None:
    found = parse(
        messages=[
            {"role": "user", "content": "a"},
            {"role": "system", "content": "b", "output_config": {"effort": "low"}},
        ]
    )
    assert [m.role for m in found.messages] == ["user", "system"]
    assert found.messages[1].ext == {NAME: {"output_config": raw_of({"effort": "low"})}}


def raw_of(value: object) -> Any:
    """As ``json.dumps`` spells it."""
    return type(raw(0))(json.dumps(value).encode())


def test_tool_results_come_first() -> None:
    found = parse(
        messages=[
            {"role": "user", "content": "q"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "tool_result", "tool_use_id": "t", "content": "ok", "is_error": True},
                ],
            },
        ]
    )
    assert [m.role for m in found.messages] == ["user", "assistant", "tool", "user"]
    assert found.messages[2].content == (
        ToolResultContent(tool_call_id="t", content=(TextContent(text="ok"),), is_error=True),
    )
    assert found.messages[3].text == "look"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"type": "base64", "media_type": "image/png", "data": "AA=="},
            MediaSource("base64", data="AA==", media_type="image/png"),
        ),
        ({"type": "url", "url": "https://x/y"}, MediaSource("url", url="https://x/y")),
        ({"type": "file", "file_id": "f1"}, MediaSource("file_id", file_id="f1")),
    ],
)
def test_image(source: dict[str, Any], expected: MediaSource) -> None:
    part = {"type": "image", "source": source, "transformations": {"oversized_image": "error"}}
    (found,) = parse_blocks(part)
    assert isinstance(found, ImageContent)
    assert found.source == expected
    assert list(found.ext[NAME]) == ["transformations"]


def test_document_sources() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "AA=="}
    (found,) = parse_blocks(
        {
            "type": "document",
            "source": pdf,
            "title": "t",
            "context": "c",
            "citations": {"enabled": True},
            "cache_control": {"type": "ephemeral"},
        }
    )
    assert found == DocumentContent(
        source=MediaSource("base64", data="AA==", media_type="application/pdf"),
        title="t",
        context="c",
        citations_enabled=True,
        cache_control=CacheControl(),
    )
    plain = {"type": "text", "media_type": "text/plain", "data": "hello"}
    (found,) = parse_blocks({"type": "document", "source": plain})
    assert found == DocumentContent(
        source=MediaSource("text", data="hello", media_type="text/plain")
    )
    for content in ("x", [{"type": "text", "text": "x"}]):
        source = {"type": "content", "content": content}
        (found,) = parse_blocks({"type": "document", "source": source})
        assert found == DocumentContent(blocks=(TextContent(text="x"),))
    (found,) = parse_blocks({"type": "document", "source": {"type": "url", "url": "https://x"}})
    assert found == DocumentContent(source=MediaSource("url", url="https://x"))


def test_search_result() -> None:
    (found,) = parse_blocks(
        {
            "type": "search_result",
            "source": "s",
            "title": "t",
            "content": [{"type": "text", "text": "x"}],
            "citations": {"enabled": False},
        }
    )
    assert found == SearchResultContent(
        source="s", title="t", blocks=(TextContent(text="x"),), citations_enabled=False
    )


def test_thinking_with_its_own_signature() -> None:
    found = parse_blocks(
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "enc"},
        {"type": "thinking", "thinking": "no proof", "signature": ""},
        role="assistant",
    )
    assert found == (
        ThinkingContent(text="hm", proof=Proof("sig", "signature", Origin("anthropic"))),
        ThinkingContent(redacted=True, proof=Proof("enc", "encrypted", Origin("anthropic"))),
        ThinkingContent(text="no proof"),
    )


def test_thinking_in_an_envelope() -> None:
    foreign = Proof("enc", "encrypted", Origin("openai"))
    found = parse_blocks(
        {"type": "thinking", "thinking": "hm", "signature": seal(foreign)},
        {"type": "redacted_thinking", "data": seal(foreign)},
        {
            "type": "thinking",
            "thinking": "hm",
            "signature": seal(Proof("", "signature", Origin("x"))),
        },
        {"type": "thinking", "thinking": "hm", "signature": "plx1.broken!"},
        role="assistant",
    )
    assert [part.proof for part in found] == [foreign, foreign, None, None]


def test_T21_thinking_blocks_stay_apart_and_in_order() -> None:
    found = parse_blocks(
        {"type": "thinking", "thinking": "a", "signature": "1"},
        {"type": "thinking", "thinking": "b", "signature": "2"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        role="assistant",
    )
    kinds = [type(part) for part in found]
    assert kinds == [ThinkingContent, ThinkingContent, ToolCallContent]


def test_T71_arguments_keep_their_spelling() -> None:
    body = b"""{"model":"a","max_tokens":1,"messages":[{"role":"assistant","content":[
        {"type":"tool_use","id":"t","name":"f","caller":{"type":"direct"},
         "input":{ "b" : 1.0, "a": 12345678901234567890, "c": "\xc3\xa9 x" }}]}]}"""
    found = dialect.parse_request(
        ClientCall(model="a", stream=False, body=JsonBody.parse(body), source=OWN)
    )
    (part,) = found.messages[0].content
    assert isinstance(part, ToolCallContent)
    assert part.arguments == '{"b":1.0,"a":12345678901234567890,"c":"é x"}'
    assert list(part.ext[NAME]) == ["caller"]


def test_server_tools_are_verbatim() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    result = {
        "type": "web_search_tool_result",
        "tool_use_id": "s",
        "content": {"type": "web_search_tool_result_error", "error_code": "x"},
        "cache_control": MARK,
    }
    found = parse_blocks(use, result, role="assistant")
    first, second = found
    assert isinstance(first, ServerToolCallContent) and isinstance(second, ServerToolResultContent)
    assert (first.tool, first.name, first.arguments) == (
        "web_search",
        "web_search",
        '{"query":"q"}',
    )
    assert json.loads(bytes(first.raw)) == use
    assert (second.tool, second.tool_call_id, second.is_error) == ("web_search", "s", True)
    assert second.cache_control == CacheControl(ttl="1h")
    assert json.loads(bytes(second.raw)) == result


def test_mcp_compaction_and_unknown_blocks() -> None:
    mcp = {"type": "mcp_tool_use", "id": "m", "name": "f", "server_name": "s", "input": {}}
    done = {"type": "mcp_tool_result", "tool_use_id": "m", "is_error": True, "content": []}
    found = parse_blocks(
        mcp,
        done,
        {"type": "compaction", "content": "summary"},
        {"type": "container_upload", "file_id": "f"},
        role="assistant",
    )
    assert isinstance(found[0], ServerToolCallContent) and found[0].tool == "mcp"
    assert isinstance(found[1], ServerToolResultContent) and found[1].is_error
    assert isinstance(found[2], CompactionContent) and found[2].summary == "summary"
    assert isinstance(found[3], OpaqueContent)


def test_cache_control_unknown_members_are_kept() -> None:
    mark = {"type": "ephemeral", "scope": "global"}
    (found,) = parse_blocks({"type": "text", "text": "x", "cache_control": mark})
    assert found.cache_control == CacheControl()
    assert found.ext == {NAME: {"cache_control": raw_of(mark)}}


def test_tools() -> None:
    found = parse(
        tools=[
            {
                "name": "f",
                "description": "d",
                "input_schema": {"type": "object"},
                "strict": True,
                "defer_loading": True,
                "cache_control": MARK,
            },
            {"type": "custom", "name": "g"},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
            {"type": "mcp_toolset", "mcp_server_name": "s"},
        ],
        tool_choice={"type": "tool", "name": "web_search"},
    )
    first, second, third, fourth, fifth = found.tools
    assert isinstance(first, FunctionTool)
    assert (first.name, first.description, first.strict) == ("f", "d", True)
    assert first.cache_control == CacheControl(ttl="1h")
    assert list(first.ext[NAME]) == ["defer_loading"]
    assert second == FunctionTool(name="g")
    assert isinstance(third, ClientBuiltinTool) and third.kind == "bash_20250124"
    assert isinstance(fourth, ServerTool) and (fourth.kind, fourth.name) == ("web_search",) * 2
    assert isinstance(fifth, ServerTool) and fifth.kind == "mcp"
    assert found.tool_choice == ToolChoice(mode="server", name="web_search")


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, ToolChoice(mode="auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice(mode="required"), False),
        ({"type": "none"}, ToolChoice(mode="none"), None),
        (
            {"type": "tool", "name": "f", "disable_parallel_tool_use": False},
            ToolChoice(mode="function", name="f"),
            True,
        ),
    ],
)
def test_tool_choice(choice: dict[str, Any], expected: ToolChoice, parallel: bool | None) -> None:
    found = parse(tools=[{"name": "f", "input_schema": {}}], tool_choice=choice)
    assert (found.tool_choice, found.parallel_tool_calls) == (expected, parallel)


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        (
            {"type": "enabled", "budget_tokens": 2048},
            Reasoning(max_tokens=2048, enabled=True, mode="budget", include=True),
        ),
        ({"type": "disabled"}, Reasoning(enabled=False, mode="off")),
        ({"type": "between_tools"}, Reasoning(enabled=False, mode="between_tools")),
        (
            {"type": "adaptive", "display": "omitted"},
            Reasoning(enabled=True, mode="adaptive", include=False, summary="omitted"),
        ),
    ],
)
def test_thinking(thinking: dict[str, Any], expected: Reasoning) -> None:
    assert parse(thinking=thinking).reasoning == expected


def test_T07_unknown_thinking_stays_on() -> None:
    found = parse(thinking={"type": "deeper"}).reasoning
    assert found is not None and found.enabled and found.mode == "adaptive"


def test_output_config() -> None:
    schema = {"type": "object", "properties": {}}
    found = parse(
        output_config={"effort": "xhigh", "format": {"type": "json_schema", "schema": schema}}
    )
    assert found.reasoning == Reasoning(effort="xhigh")
    assert found.response_format == ResponseFormat(type="json_schema", schema=raw_of(schema))
    legacy = parse(output_format={"type": "json_schema", "schema": schema})
    assert legacy.response_format == found.response_format


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_both_versions_are_read_alike(version: str) -> None:
    body = {"max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "temperature": 1}
    found = dialect.parse_request(call(body, {"anthropic-version": version}))
    assert found.temperature == 1


SECRET = "s3cret-value"
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": SECRET}, "max_tokens"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"messages": SECRET}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [SECRET]}, "messages[0]"),
    ({"messages": [{"role": SECRET, "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
        "messages[0].content[0].text",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
        "messages[0].content[0].source",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image", "source": {"type": SECRET}}]}
            ]
        },
        "messages[0].content[0].source.type",
    ),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t", "content": [1]}],
                }
            ]
        },
        "messages[0].content[0].content[0]",
    ),
    ({"system": 5}, "system"),
    ({"system": [{"type": "text"}]}, "system[0].text"),
    ({"tools": {}}, "tools"),
    ({"tools": [{"description": "x"}]}, "tools[0].name"),
    ({"tools": [{"name": "f", "input_schema": SECRET}]}, "tools[0].input_schema"),
    ({"tools": [{"name": "f", "strict": SECRET}]}, "tools[0].strict"),
    ({"tool_choice": SECRET}, "tool_choice"),
    ({"tool_choice": {"type": SECRET}}, "tool_choice.type"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"thinking": {"type": "enabled", "budget_tokens": SECRET}}, "thinking.budget_tokens"),
    ({"thinking": {}}, "thinking.type"),
    ({"output_config": {"effort": SECRET}}, "output_config.effort"),
    ({"output_config": {"format": {"type": SECRET}}}, "output_config.format.type"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"stop_sequences": SECRET}, "stop_sequences"),
    ({"stop_sequences": [5]}, "stop_sequences"),
    ({"temperature": SECRET}, "temperature"),
    ({"metadata": {"user_id": 5}}, "metadata.user_id"),
    ({"cache_control": {"ttl": 5}}, "cache_control.ttl"),
]


@pytest.mark.parametrize(
    ("body", "param"), WRONG, ids=[f"{n}-{p}" for n, (_, p) in enumerate(WRONG)]
)
def test_wrong_types_name_the_path_and_never_the_value(body: dict[str, Any], param: str) -> None:
    with pytest.raises(PlexusError) as problem:
        parse(**body)
    error = problem.value.error
    assert (error.kind, error.http_status, error.param) == ("invalid_request", 400, param)
    assert SECRET not in error.message
