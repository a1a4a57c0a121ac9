"""A unified request as a Responses provider takes it (openai-responses.md §1-§3, mappings.md)."""

import base64
import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from plexus.transformers import openai_responses as responses
from plexus.transformers.proofs import PREFIX, seal
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    SearchResultContent,
    ServerToolCallContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    CustomTool,
    FunctionTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    ServerTool,
    Source,
    ThinkLevel,
    ToolChoice,
    UnifiedMessage,
)
from tests.transformers.openai_responses.support import (
    NAME,
    TARGET,
    asked,
    call,
    function_call,
    losses,
    message,
    parse,
    target,
    wire,
)

HI = UnifiedMessage(role="user", content=(TextContent(text="hi"),))
CALL = ToolCallContent(id="call_1", name="f", arguments='{"a": 1.0}')
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def said(role: Any, *parts: Content, **fields: Any) -> UnifiedMessage:
    return UnifiedMessage(role=role, content=parts, **fields)


def text(words: str, **fields: Any) -> TextContent:
    return TextContent(text=words, **fields)


def items(*messages: UnifiedMessage, **fields: Any) -> list[Any]:
    found: list[Any] = wire(asked(*messages, **fields))["input"]
    return found


def result(*parts: Content, **fields: Any) -> UnifiedMessage:
    return said("tool", ToolResultContent(tool_call_id="call_1", content=parts, **fields))


def test_the_smallest_request() -> None:
    assert wire(asked(HI)) == {
        "model": "m-1",
        "input": [{"role": "user", "content": "hi"}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    made = responses.format_request(asked(HI, stream=True), TARGET)
    assert (made.path, made.stream) == ("/responses", True)
    assert json.loads(made.body)["stream_options"] == {"include_obfuscation": False}


def test_T19_equal_requests_are_equal_bytes() -> None:
    request = asked(HI, said("assistant", CALL), result(text("x")), metadata={"b": "1", "a": "2"})
    made = {responses.format_request(request, TARGET).body for _ in range(3)}
    assert len(made) == 1


# --- messages -------------------------------------------------------------------------------------


def test_leading_instructions_and_T14_later_ones() -> None:
    body = wire(
        asked(
            said("system", text("a"), text("b")),
            said("developer", text("c")),
            HI,
            said("system", text("later")),
            HI,
        )
    )
    assert body["instructions"] == "a\n\nb\n\nc"
    assert [item["role"] for item in body["input"]] == ["user", "developer", "user"]


def test_a_cache_marker_keeps_instructions_apart() -> None:
    marked = said("system", text("a", cache_control=CacheControl()), text("b"))
    body = wire(asked(marked, HI), target(cache_breakpoints=True))
    assert "instructions" not in body
    assert body["input"][0] == {
        "role": "developer",
        "content": [
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "input_text", "text": "b"},
        ],
    }
    assert wire(asked(marked, HI))["instructions"] == "a\n\nb"


def test_T18_the_attribution_block_is_left_out() -> None:
    block = text("x-anthropic-billing-header: 1")
    assert wire(asked(said("system", block, text("a")), HI))["instructions"] == "a"


def test_only_instructions_become_input() -> None:
    body = wire(asked(said("system", text("a"))))
    assert body["input"] == [{"role": "developer", "content": "a"}]
    assert "instructions" not in body


def test_T13_a_profile_names_the_role_of_instructions() -> None:
    request = asked(HI, said("developer", text("x")))
    assert wire(request, target(system_role="system"))["input"][1]["role"] == "system"


def test_texts_of_the_model() -> None:
    turn = said("assistant", text("a"), RefusalContent(text="no"))
    assert items(HI, turn, HI)[1] == {
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "a", "annotations": []},
            {"type": "refusal", "refusal": "no"},
        ],
    }
    assert items(HI, said("assistant", text("a")), HI)[1] == {"role": "assistant", "content": "a"}


def test_T21_order_of_a_turn_is_kept() -> None:
    turn = said("assistant", text("a"), CALL, text("b"))
    found = items(HI, turn, result(text("x")), HI)
    assert [item.get("type", item.get("role")) for item in found] == [
        "user",
        "assistant",
        "function_call",
        "assistant",
        "function_call_output",
        "user",
    ]


def test_T57_an_empty_text_beside_calls_is_nothing() -> None:
    found = items(HI, said("assistant", text(""), CALL), result(text("x")))
    assert [item.get("type") for item in found[1:]] == ["function_call", "function_call_output"]


def test_a_prefill_is_reported() -> None:
    assert losses(asked(HI, said("assistant", text("{")))) == ["message.prefill"]


# --- calls and results ----------------------------------------------------------------------------


def test_T71_calls_keep_their_own_text() -> None:
    found = items(HI, said("assistant", CALL), result(text("x")))
    assert found[1:] == [
        {
            "type": "function_call",
            "call_id": "call_1",
            "name": "f",
            "arguments": '{"a": 1.0}',
        },
        {"type": "function_call_output", "call_id": "call_1", "output": "x"},
    ]


def test_T29_foreign_item_ids_are_left_out() -> None:
    foreign = ToolCallContent(id="toolu_1", name="f", item_id="fc_9")
    found = items(HI, said("assistant", foreign), said("tool", ToolResultContent("toolu_1")))
    assert "id" not in found[1]
    assert found[1]["call_id"] == "toolu_1"
    own = parse(function_call(id="call_7"), {"role": "user", "content": "x"})
    assert "id" not in wire(own)["input"][0]


def test_T30_an_item_id_stands_only_beside_its_reasoning() -> None:
    mine = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"}
    kept = wire(parse(mine, function_call()))["input"]
    assert [item.get("id") for item in kept] == ["rs_1", "fc_1"]
    sealed = seal(Proof("sig", "signature", Origin("anthropic")))
    dropped = wire(parse({**mine, "encrypted_content": sealed}, function_call()))["input"]
    assert [item.get("id") for item in dropped] == [None]


def test_T25_T31_long_ids_are_hashed_alike_for_call_and_result() -> None:
    long_id = "call_" + "x" * 90
    turn = said("assistant", ToolCallContent(id=long_id, name="f"))
    found = items(HI, turn, said("tool", ToolResultContent(tool_call_id=long_id)))
    assert found[1]["call_id"] == found[2]["call_id"]
    assert len(found[1]["call_id"]) <= 64


def test_T75_names_are_made_legal_and_mapped_back() -> None:
    names = ["a.b", "a:b", "x" * 80]
    request = asked(HI, tools=tuple(FunctionTool(name=name) for name in names))
    made = responses.format_request(request, TARGET)
    sent = [tool["name"] for tool in json.loads(made.body)["tools"]]
    assert len(set(sent)) == 3 and all(len(name) <= 64 for name in sent)
    assert [made.tool_names[name] for name in sent] == names


def test_custom_calls() -> None:
    turn = said("assistant", ToolCallContent(id="c", name="sh", arguments="ls", kind="custom"))
    found = items(HI, turn, said("tool", ToolResultContent(tool_call_id="c")))
    assert found[1:] == [
        {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": ""},
    ]


def test_T32_results_keep_text_and_media() -> None:
    image = ImageContent(source=MediaSource("base64", "AAAA", media_type="image/png"))
    found = items(HI, said("assistant", CALL), result(text("see"), image))
    assert found[2]["output"] == [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
    ]


def test_errors_missing_and_orphaned_results() -> None:
    failed = asked(HI, said("assistant", CALL), result(text("x"), is_error=True))
    assert wire(failed)["input"][2]["output"] == "Error: x"
    missing = asked(HI, said("assistant", CALL), HI)
    assert wire(missing)["input"][2]["type"] == "function_call_output"
    assert losses(missing) == ["part.tool_result.missing"]
    assert losses(asked(HI, result(text("x")))) == ["part.tool_result.orphan"]


def test_T87_calls_of_own_clients_may_stay_unanswered() -> None:
    found = wire(parse(function_call(), {"role": "user", "content": "go on"}))["input"]
    assert [item.get("type") for item in found] == ["function_call", None]


# --- thinking -------------------------------------------------------------------------------------


def test_T22_only_own_proofs_go_upstream() -> None:
    own = ThinkingContent(summary=("s",), proof=Proof("e", "encrypted", Origin("openai")))
    foreign = ThinkingContent(text="t", proof=Proof("sig", "signature", Origin("anthropic")))
    bare = ThinkingContent(text="t")
    found = asked(HI, said("assistant", own, foreign, bare, text("a")), HI)
    assert wire(found)["input"][1] == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "s"}],
        "encrypted_content": "e",
    }
    assert [item.get("role") for item in wire(found)["input"]] == [
        "user",
        None,
        "assistant",
        "user",
    ]
    assert losses(found) == ["part.thinking.foreign", "part.thinking"]


def test_reasoning_of_own_clients_is_kept_without_a_proof() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    assert wire(parse(item, message("a")))["input"][0] == item


def test_T23_a_proof_is_never_touched() -> None:
    value = "gAAAA_" + "é€" * 3
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": value}
    assert wire(parse(item))["input"] == [item]


# --- media and other parts ------------------------------------------------------------------------


def user(*parts: Content) -> Any:
    (item,) = items(said("user", *parts))
    return item["content"]


def test_documents() -> None:
    pdf = MediaSource("base64", "AAAA", media_type="application/pdf")
    assert user(
        DocumentContent(source=pdf, title="Report"),
        DocumentContent(source=MediaSource("url", url="https://e.x/a.pdf")),
        DocumentContent(source=MediaSource("text", "hé"), title="T"),
        DocumentContent(blocks=(text("a"), text("b"))),
    ) == [
        {
            "type": "input_file",
            "filename": "Report.pdf",
            "file_data": "data:application/pdf;base64,AAAA",
        },
        {"type": "input_file", "file_url": "https://e.x/a.pdf"},
        {
            "type": "input_file",
            "filename": "T.txt",
            "file_data": f"data:text/plain;base64,{base64.b64encode('hé'.encode()).decode()}",
        },
        {
            "type": "input_file",
            "filename": "document.txt",
            "file_data": "data:text/plain;base64,YQpi",
        },
    ]


def test_audio_and_search_results() -> None:
    found = user(
        AudioContent(source=MediaSource("base64", "AAAA", media_type="audio/mpeg")),
        SearchResultContent(source="https://e.x", title="T", blocks=(text("body"),)),
    )
    assert found == [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "input_text", "text": "T\nhttps://e.x\n\nbody"},
    ]


@pytest.mark.parametrize(
    ("part", "capabilities"),
    [
        (ImageContent(source=MediaSource("url", url="https://e.x")), {"images": False}),
        (DocumentContent(source=MediaSource("url", url="https://e.x")), {"documents": False}),
        (AudioContent(source=MediaSource("base64", "AA==")), {"audio": False}),
        (AudioContent(source=MediaSource("base64", "AA==", media_type="audio/flac")), {}),
        (AudioContent(source=MediaSource("url", url="https://e.x")), {}),
    ],
)
def test_media_the_target_cannot_take(part: Content, capabilities: dict[str, Any]) -> None:
    with pytest.raises(PlexusError) as caught:
        wire(asked(said("user", part)), target(**capabilities))
    assert caught.value.error.param == "messages[0].content[0]"


def test_T74_tool_calls_of_other_providers_are_a_note() -> None:
    call_ = ServerToolCallContent(
        id="s",
        tool="web_search",
        name="web_search",
        dialect="anthropic-messages",
        raw=raw({"input": {"query": "oslo"}}),
    )
    found = items(HI, said("assistant", call_, text("a")), HI)
    assert found[1] == {"role": "assistant", "content": "[web search: oslo]"}


def test_own_items_go_back_as_they_came() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}}
    update = {"type": "configuration_update", "reasoning": {"effort": "low"}}
    output = {"type": "shell_call_output", "call_id": "c", "output": []}
    found = parse(search, message("a"), output, update, {"role": "user", "content": "b"})
    assert wire(found)["input"] == [
        search,
        message("a"),
        output,
        update,
        {"role": "user", "content": "b"},
    ]


def test_parts_nobody_knows_stay_parts() -> None:
    part = {"type": "hologram"}
    found = wire(parse({"role": "user", "content": [part]}))["input"]
    assert found == [{"role": "user", "content": [part]}]
    assert losses(asked(said("user", OpaqueContent(dialect="x", raw=raw(1))), HI)) == [
        "part.opaque"
    ]


# --- tools ----------------------------------------------------------------------------------------


def test_T20_strict_is_said_for_other_dialects() -> None:
    tools = (
        FunctionTool(name="f", description="d", parameters=raw({"type": "object"})),
        FunctionTool(name="g", strict=True),
    )
    assert wire(asked(HI, tools=tools))["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "d",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
        {
            "type": "function",
            "name": "g",
            "parameters": {"type": "object", "properties": {}},
            "strict": True,
        },
    ]
    own = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    assert wire(parse(tools=[own]))["tools"] == [own]


def test_custom_tools_and_grammars() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}
    tools = (CustomTool(name="c", format=raw(grammar)), CustomTool(name="d", description="x"))
    assert wire(asked(HI, tools=tools))["tools"] == [
        {
            "type": "custom",
            "name": "c",
            "format": {"type": "grammar", "syntax": "regex", "definition": "a+"},
        },
        {"type": "custom", "name": "d", "description": "x"},
    ]


def test_namespaces_go_back_together() -> None:
    tools = [
        {"type": "function", "name": "f", "parameters": SCHEMA},
        {
            "type": "namespace",
            "name": "ns",
            "description": "d",
            "tools": [{"type": "function", "name": "a"}, {"type": "custom", "name": "b"}],
        },
    ]
    request = parse(function_call(name="a", namespace="ns"), tools=tools)
    body = wire(request)
    assert body["tools"] == tools
    assert (body["input"][0]["name"], body["input"][0]["namespace"]) == ("a", "ns")
    assert [tool.name for tool in request.tools] == ["f", "ns__a", "ns__b"]


def test_T73_server_tools() -> None:
    anthropic = {
        "type": "web_search_20250305",
        "name": "web_search",
        "max_uses": 3,
        "allowed_domains": ["e.x"],
        "user_location": {"type": "approximate", "city": "Oslo"},
    }
    tools = (
        ServerTool(kind="web_search", dialect="anthropic-messages", raw=raw(anthropic)),
        ServerTool(kind="code_execution", dialect="anthropic-messages", raw=raw({})),
    )
    assert wire(asked(HI, tools=tools))["tools"] == [
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["e.x"]},
            "user_location": {"type": "approximate", "city": "Oslo"},
        },
        {"type": "code_interpreter", "container": {"type": "auto"}},
    ]
    chat = {
        "search_context_size": "low",
        "user_location": {"type": "approximate", "approximate": {"country": "NO"}},
    }
    assert wire(asked(HI, web_search=raw(chat)))["tools"] == [
        {
            "type": "web_search",
            "search_context_size": "low",
            "user_location": {"type": "approximate", "country": "NO"},
        }
    ]


F = FunctionTool(name="f")
CUSTOM = CustomTool(name="c")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(mode="auto"), "auto"),
        (ToolChoice(mode="none"), "none"),
        (ToolChoice(mode="required"), "required"),
        (ToolChoice(mode="function", name="f"), {"type": "function", "name": "f"}),
        (ToolChoice(mode="custom", name="c"), {"type": "custom", "name": "c"}),
        (
            ToolChoice(mode="allowed", names=("f", "c"), forced=True),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
            },
        ),
    ],
)
def test_tool_choice(choice: ToolChoice, expected: Any) -> None:
    assert wire(asked(HI, tools=(F, CUSTOM), tool_choice=choice))["tool_choice"] == expected


def test_T11_no_choice_without_tools() -> None:
    body = wire(asked(HI, tool_choice=ToolChoice(mode="auto"), parallel_tool_calls=False))
    assert not body.keys() & {"tool_choice", "parallel_tool_calls", "tools"}


def test_T12_a_model_that_cannot_be_forced() -> None:
    request = asked(HI, tools=(F,), tool_choice=ToolChoice(mode="required"))
    to = target(forced_tool_choice=False)
    assert wire(request, to)["tool_choice"] == "auto"
    assert losses(request, to) == ["tool_choice.forced"]


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ((F,), ToolChoice(mode="function", name="g")),
        ((F,), ToolChoice(mode="server", name="web_search")),
        (
            (ServerTool(kind="maps", dialect="gemini", raw=Raw(b"{}")),),
            ToolChoice(mode="required"),
        ),
    ],
)
def test_a_forced_tool_that_is_not_there(tools: Any, choice: ToolChoice) -> None:
    with pytest.raises(PlexusError) as caught:
        wire(asked(HI, tools=tools, tool_choice=choice))
    assert caught.value.error.param == "tool_choice"


def test_the_only_tool_of_the_provider_can_be_forced() -> None:
    tool = ServerTool(kind="web_search", dialect="x", raw=Raw(b"{}"), name="web_search")
    choice = ToolChoice(mode="server", name="web_search")
    assert wire(asked(HI, tools=(tool,), tool_choice=choice))["tool_choice"] == "required"


def test_a_choice_of_an_own_client_is_its_own() -> None:
    choice = {"type": "mcp", "server_label": "s"}
    tools = [{"type": "mcp", "server_label": "s", "server_url": "https://e.x"}]
    body = wire(parse(tools=tools, tool_choice=choice))
    assert (body["tools"], body["tool_choice"]) == (tools, choice)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(PlexusError):
        wire(asked(HI, tools=(F, F)))


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "sent"), [(100, 100), (5, 16), (16, 16), (None, None)])
def test_max_tokens(limit: int | None, sent: int | None) -> None:
    assert wire(asked(HI, max_tokens=limit)).get("max_output_tokens") == sent


def test_T04_no_tokens_at_all_warms_the_cache() -> None:
    body = wire(asked(HI, max_tokens=0))
    assert "max_output_tokens" not in body
    assert body["prompt_cache_options"] == {"prewarm": True}


def test_T02_sampling_where_the_model_takes_none() -> None:
    request = asked(HI, temperature=0.0, top_p=0.5)
    assert wire(request)["temperature"] == 0.0
    assert not wire(request, target(sampling="none")).keys() & {"temperature", "top_p"}


@pytest.mark.parametrize(
    ("reasoning", "sent"),
    [
        (None, None),
        (Reasoning(effort="high"), {"effort": "high", "summary": "auto"}),
        (Reasoning(effort="none", mode="off"), {"effort": "none"}),
        (Reasoning(max_tokens=9000, mode="budget"), {"effort": "medium", "summary": "auto"}),
        (Reasoning(mode="adaptive"), {"effort": "medium", "summary": "auto"}),
        (Reasoning(effort="low", include=False), {"effort": "low"}),
    ],
)
def test_reasoning_of_other_dialects(reasoning: Reasoning | None, sent: Any) -> None:
    assert wire(asked(HI, reasoning=reasoning)).get("reasoning") == sent


@pytest.mark.parametrize(("wanted", "sent"), [("minimal", "low"), ("xhigh", "high")])
def test_T09_the_nearest_level_of_the_model(wanted: ThinkLevel, sent: str) -> None:
    to = target(efforts=("low", "high"))
    request = asked(HI, reasoning=Reasoning(effort=wanted))
    assert wire(request, to)["reasoning"]["effort"] == sent
    assert losses(request, to) == ["reasoning.effort"]


def test_a_model_that_does_not_think_is_asked_for_no_proof() -> None:
    assert "include" not in wire(asked(HI), target(thinking="none"))


def test_structured_output() -> None:
    form = ResponseFormat(type="json_schema", schema=raw(SCHEMA))
    assert wire(asked(HI, response_format=form))["text"]["format"] == {
        "type": "json_schema",
        "name": "response",
        "schema": SCHEMA,
        "strict": False,
    }
    strict = {**SCHEMA, "additionalProperties": False}
    form = ResponseFormat(type="json_schema", name="my name", schema=raw(strict))
    found = wire(asked(HI, response_format=form, verbosity="low"))["text"]
    assert (found["format"]["name"], found["format"]["strict"]) == ("my_name", True)
    assert found["verbosity"] == "low"
    weak = wire(asked(HI, response_format=form), target(json_schema=False))
    assert weak["text"]["format"] == {"type": "json_object"}
    assert "JSON Schema" in weak["instructions"]


def test_logprobs() -> None:
    body = wire(asked(HI, logprobs=True, top_logprobs=2))
    assert body["top_logprobs"] == 2
    assert "message.output_text.logprobs" in body["include"]
    assert "top_logprobs" not in wire(asked(HI, logprobs=False))


def test_who_asks_and_how_fast() -> None:
    source = Source(dialect="anthropic-messages", headers={"x-claude-code-session-id": "s-1"})
    body = wire(asked(HI, user="u1", speed="fast", source=source))
    assert body["safety_identifier"] == "u1"
    assert body["service_tier"] == "fast"
    assert body["prompt_cache_key"] == "s-1"
    mail = wire(asked(HI, user="ann@example.org"))["safety_identifier"]
    assert len(mail) == 32 and "ann" not in mail
    cached = asked(HI, prompt_cache=PromptCache(key="k", ttl="12h"), service_tier="standard")
    body = wire(cached)
    assert (body["prompt_cache_key"], body["service_tier"]) == ("k", "default")
    assert body["prompt_cache_options"] == {"ttl": "12h"}


def test_own_clients_keep_their_words() -> None:
    fields: dict[str, Any] = {
        "instructions": "",
        "max_output_tokens": 3,
        "max_tool_calls": 2,
        "parallel_tool_calls": True,
        "temperature": 2,
        "top_logprobs": 1,
        "include": ["file_search_call.results", "reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto", "context": "all_turns"},
        "text": {"format": {"type": "text"}, "verbosity": "low", "x": 1},
        "store": True,
        "user": "ann@example.org",
        "service_tier": "ultrafast",
        "truncation": "auto",
        "context_management": [{"type": "compaction"}],
        "moderation": {"a": 1},
        "prompt_cache_options": {"mode": "explicit", "prewarm": True},
        "prompt": {"id": "p"},
        "background_options": {"completion_window": "2h"},
        "client_metadata": {"x": "y"},
        "metadata": {"a": "b"},
    }
    body = wire(parse({"role": "user", "content": "hi"}, **fields))
    assert body == {
        "model": "m-1",
        "input": [{"role": "user", "content": "hi"}],
        **fields,
    }
    assert losses(parse(**fields)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("previous_response_id", "resp_1"), ("conversation", "conv_1"), ("background", True)],
)
def test_state_goes_to_who_has_it(name: str, value: Any) -> None:
    assert wire(parse(**{name: value}))[name] == value
    reference = {"type": "item_reference", "id": "msg_1"}
    assert wire(parse(reference))["input"] == [reference]
    with pytest.raises(PlexusError) as caught:
        wire(asked(HI, server_state={name: raw(value)}))
    assert (caught.value.error.http_status, caught.value.error.param) == (400, name)


# --- pass-through ---------------------------------------------------------------------------------


def test_T15_passed_through_bytes_are_the_clients() -> None:
    sent = b'{ "x_new": 1e2,"model" :"alias", "input":[{"type":"later","n":1.0}],"stream":true }'
    made = responses.passthrough(call(sent), TARGET)
    assert made.body == sent.replace(b'"alias"', b'"m-1"')
    assert (made.stream, made.hide_usage) == (True, False)


def test_an_envelope_never_reaches_openai() -> None:
    sealed = seal(Proof("sig", "signature", Origin("anthropic")))
    own = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAA"}
    items_ = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed},
        own,
        {"role": "user", "content": f"what is {PREFIX}?"},
    ]
    made = responses.passthrough(call({"model": "a", "input": items_}), TARGET)
    assert json.loads(made.body)["input"] == items_[1:]
    odd = call({"model": "a", "input": f'"{PREFIX}'})
    assert json.loads(responses.passthrough(odd, TARGET).body)["input"] == f'"{PREFIX}'


def test_the_name_is_what_the_catalogue_says() -> None:
    assert NAME == "openai-responses"
    assert responses.authorize("k") == (("authorization", "Bearer k"),)
