"""A Responses client's request, read (openai-responses.md §1-§3)."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from plexus.transformers import openai_responses as responses
from plexus.transformers.proofs import seal
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    CompactionContent,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
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
    Reasoning,
    ResponseFormat,
    ServerTool,
    ToolChoice,
)
from tests.transformers.openai_responses.support import NAME, call, function_call, message, parse

USER = {"role": "user", "content": "hi"}
OPENAI = Origin("openai")


def content(*parts: Any) -> tuple[Any, ...]:
    return parse({"role": "user", "content": list(parts)}).messages[0].content


def refused(**fields: Any) -> tuple[str | None, str]:
    with pytest.raises(PlexusError) as caught:
        responses.parse_request(call({"model": "m", "input": "hi", **fields}))
    error = caught.value.error
    assert error.http_status == 400
    return error.param, error.message


def test_a_string_is_one_user_message() -> None:
    found = parse()
    assert [(m.role, m.text) for m in found.messages] == [("user", "Hi")]
    assert found.model == "alias"
    assert not found.stream


def test_instructions_come_first() -> None:
    found = parse({"role": "developer", "content": "b"}, USER, instructions="a")
    assert [(m.role, m.text) for m in found.messages] == [
        ("system", "a"),
        ("developer", "b"),
        ("user", "hi"),
    ]
    assert [m.text for m in found.system_prefix()] == ["a", "b"]


def test_T14_a_developer_message_stays_in_its_place() -> None:
    found = parse(USER, {"role": "developer", "content": "now in French"}, USER)
    assert [m.role for m in found.messages] == ["user", "developer", "user"]


def test_parts() -> None:
    found = content(
        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        {"type": "input_image", "file_id": "file_1"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,AAAA",
        },
        {"type": "input_file", "file_url": "https://e.x/a.pdf"},
        {"type": "input_file", "file_id": "file_2"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "hologram", "x": 1},
    )
    assert found == (
        TextContent(text="a", cache_control=CacheControl()),
        ImageContent(source=MediaSource("base64", "AAAA", media_type="image/png"), detail="low"),
        ImageContent(source=MediaSource("file_id", file_id="file_1")),
        DocumentContent(
            source=MediaSource("base64", "AAAA", media_type="application/pdf"), filename="a.pdf"
        ),
        DocumentContent(source=MediaSource("url", url="https://e.x/a.pdf")),
        DocumentContent(source=MediaSource("file_id", file_id="file_2")),
        AudioContent(source=MediaSource("base64", "AAAA", media_type="audio/mpeg"), format="mp3"),
        OpaqueContent(dialect=NAME, raw=Raw(b'{"type": "hologram", "x": 1}')),
    )


def test_T85_media_is_mended_or_refused_with_its_path() -> None:
    (image,) = content({"type": "input_image", "image_url": "data:image/jpg;base64,AA A\nA"})
    assert image.source == MediaSource("base64", "AAAA", media_type="image/jpeg")
    item = {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png,"}]}
    param, _ = refused(input=[item])
    assert param == "input[0].content[0].image_url"


def test_a_text_file_is_text() -> None:
    (found,) = content(
        {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}
    )
    assert found.source == MediaSource("text", data="hi", media_type="text/plain")


def test_one_turn_of_the_model_is_one_message() -> None:
    """Parallel calls stay together, and thinking stays where it was (T21)."""
    found = parse(
        USER,
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e1"},
        message("a", id="msg_9", phase="commentary"),
        function_call(),
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "e2"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "sh", "input": "ls"},
        {"type": "function_call_output", "call_id": "call_1", "output": "x"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "y"},
        USER,
    )
    assert [m.role for m in found.messages] == ["user", "assistant", "tool", "user"]
    turn = found.messages[1]
    assert (turn.id, turn.phase, turn.status) == ("msg_9", "commentary", "completed")
    assert turn.content == (
        ThinkingContent(id="rs_1", proof=Proof("e1", "encrypted", OPENAI)),
        TextContent(text="a"),
        ToolCallContent(id="call_1", name="f", arguments="{}", item_id="fc_1"),
        ThinkingContent(id="rs_2", proof=Proof("e2", "encrypted", OPENAI)),
        ToolCallContent(id="call_2", name="sh", arguments="ls", kind="custom"),
    )
    assert found.messages[2].content == (
        ToolResultContent(tool_call_id="call_1", content=(TextContent(text="x"),)),
        ToolResultContent(tool_call_id="call_2", content=(TextContent(text="y"),), kind="custom"),
    )


def test_T87_two_messages_of_one_turn_keep_their_phases() -> None:
    found = parse(
        USER,
        message("a", id="msg_1", phase="commentary"),
        message("b", id="msg_2", phase="final_answer"),
        function_call(),
        message("c", id="msg_3"),
    )
    assert [(m.id, m.phase) for m in found.messages[1:]] == [
        ("msg_1", "commentary"),
        ("msg_2", "final_answer"),
    ]
    last = found.messages[2].content[-1]
    assert last.ext[NAME]["id"] == Raw(b'"msg_3"')


def test_results_keep_their_parts() -> None:
    output = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "https://e.x/a.png"},
    ]
    found = parse(
        USER,
        function_call(),
        {"type": "function_call_output", "call_id": "call_1", "output": output},
    )
    (result,) = found.messages[-1].content
    assert [type(part) for part in result.content] == [TextContent, ImageContent]


def test_reasoning() -> None:
    (turn,) = parse(
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [
                {"type": "summary_text", "text": "a"},
                {"type": "summary_text", "text": "b"},
            ],
            "content": [{"type": "reasoning_text", "text": "raw"}],
        }
    ).messages
    assert turn.content == (ThinkingContent(id="rs_1", summary=("a", "b"), text="raw"),)


def test_an_envelope_is_opened_and_its_id_forgotten() -> None:
    proof = Proof("sig", "signature", Origin("anthropic"))
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    (turn,) = parse({**item, "encrypted_content": seal(proof)}).messages
    assert turn.content == (ThinkingContent(proof=proof),)
    empty = seal(Proof("", "encrypted", Origin("unknown")))
    (turn,) = parse({**item, "encrypted_content": empty}).messages
    assert turn.content == (ThinkingContent(),)


def test_T58_T71_arguments_are_the_models_own_text() -> None:
    text = '{"b": 1.0,  "a": "\\u00e9"}'
    calls = [function_call(arguments=text), function_call(call_id="c2", arguments={"a": 1.0})]
    (turn,) = parse(*calls).messages
    assert [part.arguments for part in turn.content] == [text, '{"a": 1.0}']


def test_hosted_items_and_items_nobody_knows() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "action": {"query": "x"}}
    compaction = {"type": "compaction", "id": "cmp_1", "encrypted_content": "e"}
    found = parse(
        USER,
        search,
        compaction,
        {"type": "program", "id": "p"},
        {"type": "shell_call_output", "call_id": "c", "output": []},
        {"type": "configuration_update", "reasoning": {"effort": "low"}},
    )
    turn, output, update = found.messages[1:]
    assert [type(part) for part in turn.content] == [
        ServerToolCallContent,
        CompactionContent,
        OpaqueContent,
    ]
    assert turn.content[0].tool == "web_search"
    assert turn.content[0].arguments == '{"action":{"query":"x"}}'
    assert (output.role, update.role) == ("tool", "tool")
    assert all(isinstance(m.content[0], OpaqueContent) for m in (output, update))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}, USER]}, "input[0]"),
    ],
)
def test_what_only_the_provider_has_is_named(fields: dict[str, Any], param: str) -> None:
    found = responses.parse_request(call({"model": "m", "input": "hi", **fields}))
    assert list(found.server_state) == [param]


def test_what_asks_for_no_state() -> None:
    found = parse(background=False, store=True, previous_response_id=None)
    assert found.server_state == {}
    assert found.store is True


def test_input_may_be_absent_where_the_provider_has_it() -> None:
    body = {"model": "m", "previous_response_id": "resp_1"}
    assert responses.parse_request(call(body)).messages == ()


def test_T01_zero_and_false_are_values() -> None:
    found = parse(temperature=0, top_p=0.0, max_output_tokens=0, top_logprobs=0, store=False)
    assert (found.temperature, found.top_p, found.max_tokens) == (0.0, 0.0, 0)
    assert (found.top_logprobs, found.store) == (0, False)
    silent = parse()
    assert silent.temperature is None and silent.max_tokens is None and silent.store is None


def test_parameters() -> None:
    found = parse(
        max_output_tokens=9,
        max_tool_calls=2,
        parallel_tool_calls=False,
        truncation="auto",
        metadata={"a": "b"},
        user="u",
        safety_identifier="s",
        service_tier="default",
        prompt_cache_key="k",
        prompt_cache_options={"mode": "explicit", "ttl": "12h", "prewarm": True},
        include=["file_search_call.results", "message.output_text.logprobs"],
        text={"verbosity": "low", "x": 1},
        stream_options={"include_obfuscation": False},
        client_metadata={"a": 1},
    )
    assert (found.max_tokens, found.max_tool_calls, found.parallel_tool_calls) == (9, 2, False)
    assert (found.truncation, found.metadata) == ("auto", {"a": "b"})
    assert (found.user, found.safety_identifier, found.service_tier) == ("u", "s", "standard")
    assert found.include == ("file_search_call.results",)
    assert found.logprobs is True
    assert found.verbosity == "low"
    cache = found.prompt_cache
    assert cache is not None and (cache.key, cache.mode, cache.ttl) == ("k", "explicit", "12h")
    assert found.extra == {
        NAME: {
            "prompt_cache_options.prewarm": Raw(b"true"),
            "text.x": Raw(b"1"),
            "client_metadata": Raw(b'{"a": 1}'),
        }
    }
    assert parse(truncation="disabled").truncation is None
    assert parse(service_tier="fast").speed == "fast"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"effort": "high"}, Reasoning(effort="high")),
        ({"effort": "none"}, Reasoning(effort="none", mode="off")),
        ({"summary": "auto"}, Reasoning(summary="auto", include=True)),
        ({"generate_summary": "concise"}, Reasoning(summary="concise", include=True)),
        ({"effort": None, "summary": None}, None),
        ({}, None),
    ],
)
def test_reasoning_wanted(said: dict[str, Any], meant: Reasoning | None) -> None:
    assert parse(reasoning=said).reasoning == meant


def test_what_only_this_dialect_says_of_reasoning() -> None:
    found = parse(reasoning={"effort": "ultra", "context": "all_turns"})
    assert found.reasoning is None
    assert found.extra[NAME] == {
        "reasoning.effort": Raw(b'"ultra"'),
        "reasoning.context": Raw(b'"all_turns"'),
    }


def test_tools() -> None:
    schema = {"type": "object", "properties": {}}
    tools = [
        {"type": "function", "name": "f", "parameters": schema, "strict": True, "async": True},
        {
            "type": "custom",
            "name": "c",
            "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
        },
        {"type": "web_search_preview"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "apply_patch"},
        {
            "type": "namespace",
            "name": "ns",
            "description": "d",
            "tools": [{"type": "function", "name": "g"}],
        },
    ]
    found = parse(tools=tools)
    function, custom, search, code, patch, inner = found.tools
    assert function == FunctionTool(
        name="f", parameters=raw_text(schema), strict=True, ext={NAME: {"async": Raw(b"true")}}
    )
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}
    assert isinstance(custom, CustomTool) and custom.format is not None
    assert msgspec.json.decode(custom.format) == grammar
    assert isinstance(search, ServerTool) and search.kind == "web_search"
    assert isinstance(code, ServerTool) and code.kind == "code_execution"
    assert isinstance(patch, ClientBuiltinTool) and patch.kind == "apply_patch"
    assert inner == FunctionTool(name="ns__g", namespace="ns")
    namespaces = msgspec.json.decode(found.extra[NAME]["namespaces"])
    assert namespaces == {"ns": {"description": "d"}}


def raw_text(value: object) -> Raw:
    """JSON as json.dumps spells it, which the client's bytes are."""
    return Raw(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ({"type": "function", "name": "f"}, ToolChoice(mode="function", name="f")),
        ({"type": "custom", "name": "c"}, ToolChoice(mode="custom", name="c")),
        ({"type": "file_search"}, ToolChoice(mode="server", name="file_search")),
        ({"type": "shell"}, ToolChoice(mode="server", name="shell")),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
            },
            ToolChoice(mode="allowed", names=("f", "c"), forced=True),
        ),
    ],
)
def test_tool_choice(said: Any, meant: ToolChoice) -> None:
    found = parse(tools=[{"type": "function", "name": "f"}], tool_choice=said)
    assert found.tool_choice == meant
    assert found.extra == {}


def test_a_choice_that_says_more_is_kept_whole() -> None:
    said = {"type": "mcp", "server_label": "s", "name": "n"}
    found = parse(tool_choice=said)
    assert found.tool_choice == ToolChoice(mode="server", name="mcp")
    assert msgspec.json.decode(found.extra[NAME]["tool_choice"]) == said
    said = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "mcp", "server_label": "s"}],
    }
    assert "tool_choice" in parse(tool_choice=said).extra[NAME]


def test_structured_output() -> None:
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    assert parse(text={"format": form}).response_format == ResponseFormat(
        type="json_schema", name="n", schema=raw_text({"type": "object"}), strict=True
    )
    wanted = parse(text={"format": {"type": "json_object"}}).response_format
    assert wanted == ResponseFormat(type="json_object")
    unknown = parse(text={"format": {"type": "yaml"}})
    assert unknown.response_format is None
    assert "text.format" in unknown.extra[NAME]


def test_refusals_in_the_history() -> None:
    item = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert parse(USER, item).messages[1].content == (RefusalContent(text="No."),)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": 5}, "input"),
        ({"input": None}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, None),
        ({"temperature": "hot"}, "temperature"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "name": "n"}]}, "tools[0].tools"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema", "schema": 1}}}, "text.format.schema"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity"),
        ({"reasoning": "high"}, "reasoning"),
        ({"include": "all"}, "include"),
    ],
)
def test_malformed_requests_name_the_place(fields: dict[str, Any], param: str | None) -> None:
    found, said = refused(**fields)
    assert found == (param or "input[0].content[0].text")
    assert "robot" not in said and "hot" not in said


ALONE: dict[str, Any] = {
    "background": False,
    "context_management": [{"type": "compaction"}],
    "conversation": "conv_1",
    "include": ["web_search_call.results"],
    "instructions": "be brief",
    "max_output_tokens": 9,
    "max_tool_calls": 2,
    "metadata": {"a": "b"},
    "moderation": {"mode": "off"},
    "parallel_tool_calls": False,
    "previous_response_id": "resp_1",
    "prompt": {"id": "pmpt_1"},
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "reasoning": {"effort": "low"},
    "safety_identifier": "s",
    "service_tier": "flex",
    "store": True,
    "stream_options": {"include_obfuscation": False},
    "temperature": 0.5,
    "text": {"verbosity": "low"},
    "tool_choice": "auto",
    "tools": [{"type": "function", "name": "f", "parameters": {}}],
    "top_logprobs": 3,
    "top_p": 0.5,
    "truncation": "auto",
    "user": "u",
}


@pytest.mark.parametrize("member", ALONE)
def test_a_member_that_stands_alone_is_read(member: str) -> None:
    """None is looked for only beside another one, and none of them is one that nobody knows."""
    found = parse(**{member: ALONE[member]})
    assert found.extra == {}
    assert (found != parse()) == (member != "background")
