"""The canonical request written for Google: contents, tools, generationConfig."""

import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import gemini
from plexus.transformers.gemini.turns import NO_RESULT
from plexus.unified.content import (
    AudioContent,
    DocumentContent,
    ImageContent,
    MediaSource,
    RefusalContent,
    SearchResultContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ToolResultContent,
    VideoContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    CustomTool,
    FunctionTool,
    ResponseFormat,
    ServerTool,
    Source,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)
from tests.transformers.gemini.support import (
    FLASH,
    TARGET,
    a_call,
    a_result,
    asked,
    contents,
    model,
    noted,
    parse,
    results,
    sent,
    target,
    user,
    wire,
)

PNG = MediaSource("base64", data="iVBORw0KGgoAAAANSUhEUg==", media_type="image/png")
PDF = MediaSource("base64", data="JVBERi0=", media_type="application/pdf")
SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}')
SENTINEL = "skip_thought_signature_validator"


def refused(request: UnifiedChatRequest, to: Any = TARGET) -> str | None:
    with pytest.raises(PlexusError) as found:
        gemini.format_request(request, to)
    assert found.value.error.http_status == 400
    return found.value.error.param


# -- path ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stream", "path"),
    [
        ("gemini-x", False, "/models/gemini-x:generateContent"),
        ("gemini-x", True, "/models/gemini-x:streamGenerateContent?alt=sse"),
        ("models/gemini-x", False, "/models/gemini-x:generateContent"),
        ("tunedModels/my-1", False, "/tunedModels/my-1:generateContent"),
        ("org/deep:v2", False, "/models/org%2Fdeep%3Av2:generateContent"),
    ],
)
def test_the_model_is_in_the_path(name: str, stream: bool, path: str) -> None:
    made = gemini.format_request(asked(stream=stream), target(name))
    assert (made.path, made.stream) == (path, stream)
    assert json.loads(made.body).keys() == {"contents"}


# -- turns ---------------------------------------------------------------------------------------


def test_leading_system_messages_are_the_system_instruction() -> None:
    request = asked(
        UnifiedMessage(role="system", content=(TextContent(text="Be"), TextContent(text=""))),
        UnifiedMessage(role="developer", content=(TextContent(text="brief"),)),
        user("hi"),
    )
    body = wire(request)
    assert body["systemInstruction"] == {"parts": [{"text": "Be"}, {"text": "brief"}]}
    assert body["contents"] == contents({"text": "hi"})


def test_T14_later_system_messages_stay_where_they_are() -> None:
    late = UnifiedMessage(role="system", content=(TextContent(text="Now in French"),))
    request = asked(user("hi"), model("ho"), late, user("go"))
    assert wire(request)["contents"] == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [{"text": "ho"}]},
        {"role": "user", "parts": [{"text": "<system>Now in French</system>"}, {"text": "go"}]},
    ]
    assert noted(request) == ["message.system_mid"]


def test_T18_the_attribution_block_is_left_out() -> None:
    line = TextContent(text="x-anthropic-billing-header: cc_version=1; cch=1;")
    request = asked(
        UnifiedMessage(role="system", content=(line, TextContent(text="Be brief"))), user("hi")
    )
    assert wire(request)["systemInstruction"] == {"parts": [{"text": "Be brief"}]}
    assert noted(request) == []


def test_same_roles_are_merged_and_empty_text_removed() -> None:
    assert sent(user("a", ""), user("b"), model("c"), model("d"), user("")) == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [{"text": "c"}, {"text": "d"}]},
    ]


def test_a_user_begins() -> None:
    system = UnifiedMessage(role="system", content=(TextContent(text="Be brief"),))
    for messages, field in (
        ((system,), "message.system_only"),
        ((model("hi"), user("ho")), "message.first_assistant"),
    ):
        request = asked(*messages)
        assert wire(request)["contents"][0] == {"role": "user", "parts": [{"text": "Begin."}]}
        assert noted(request) == [field]


def test_a_clients_own_contents_are_left_as_they_are() -> None:
    body = {
        "contents": [
            {"role": "model", "parts": [{"text": "a"}]},
            {"role": "user", "parts": [{"text": ""}]},
            {"role": "user", "parts": [{"text": "b"}]},
        ]
    }
    assert wire(parse(body)) == body


# -- calls and results ---------------------------------------------------------------------------

CALLS = model("ok", a_call("call_a", "f", '{"x": 1.0}'), a_call("call_b", "g"))


def test_T69_results_in_the_order_of_the_calls_in_a_content_of_their_own() -> None:
    found = sent(
        user("go"), CALLS, results(a_result("call_b", "B"), a_result("call_a", "A")), user("and")
    )
    assert found[1]["parts"] == [
        {"text": "ok"},
        {
            "functionCall": {"id": "call_a", "name": "f", "args": {"x": 1.0}},
            "thoughtSignature": SENTINEL,
        },
        {"functionCall": {"id": "call_b", "name": "g", "args": {}}},
    ]
    assert found[2:] == [
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "call_a", "name": "f", "response": {"output": "A"}}},
                {"functionResponse": {"id": "call_b", "name": "g", "response": {"output": "B"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "and"}]},
    ]


def test_results_in_messages_of_their_own() -> None:
    """A chat client has a message for each."""
    found = sent(user("go"), CALLS, results(a_result("call_a")), results(a_result("call_b")))
    assert [part["functionResponse"]["id"] for part in found[2]["parts"]] == ["call_a", "call_b"]
    assert len(found) == 3


def test_missing_and_orphan_results() -> None:
    request = asked(user("go"), CALLS, results(a_result("call_b"), a_result("other")), user("and"))
    missing, given = wire(request)["contents"][2]["parts"]
    assert missing["functionResponse"]["response"] == {"error": NO_RESULT}
    assert given["functionResponse"]["response"] == {"output": "ok"}
    assert noted(request) == ["part.tool_result.orphan", "part.tool_result.missing"]


def test_a_call_at_the_end_gets_a_result_from_other_dialects_only() -> None:
    assert len(sent(user("go"), CALLS)) == 3
    own = {
        "contents": [
            *contents(),
            *contents({"functionCall": {"name": "f", "args": {}}}, role="model"),
        ]
    }
    assert wire(parse(own)) == own


@pytest.mark.parametrize(
    ("result", "response"),
    [
        (a_result("c1", "Rain"), {"output": "Rain"}),
        (a_result("c1", ' {"a": 1.0}'), {"a": 1.0}),
        (a_result("c1", "{not json"), {"output": "{not json"}),
        (a_result("c1", "[1]"), {"output": "[1]"}),
        (a_result("c1", ""), {"output": ""}),
        (a_result("c1", "no", is_error=True), {"error": "no"}),
    ],
)
def test_T32_what_a_result_says(result: ToolResultContent, response: Any) -> None:
    found = sent(user("go"), model(a_call("c1")), results(result))
    assert found[2]["parts"][0]["functionResponse"]["response"] == response


def test_T33_media_of_results() -> None:
    content = (TextContent(text="here"), ImageContent(source=PNG))
    result = ToolResultContent(tool_call_id="c1", content=content)
    request = asked(user("go"), model(a_call("c1")), results(result))
    media = {"inlineData": {"mimeType": "image/png", "data": PNG.data}}
    body = wire(request)["contents"][2]["parts"][0]["functionResponse"]
    assert (body["response"], body["parts"]) == ({"output": "here"}, [media])
    older = wire(request, FLASH)["contents"]
    assert "parts" not in older[2]["parts"][0]["functionResponse"]
    assert older[3] == {"role": "user", "parts": [media]}
    assert noted(request, FLASH) == ["part.tool_result.media"]


@pytest.mark.parametrize(
    ("arguments", "args"),
    [("", {}), ("[1]", {"value": [1]}), ("{bad", {"_raw": "{bad"}), ('{"a":1.0}', {"a": 1.0})],
)
def test_T71_arguments_as_an_object(arguments: str, args: Any) -> None:
    found = sent(user("go"), model(a_call("c1", arguments=arguments)))
    assert found[1]["parts"][0]["functionCall"]["args"] == args


def test_arguments_keep_their_very_characters() -> None:
    request = asked(user("go"), model(a_call("c1", arguments='{"b":1.0,"a":12345678901234567890}')))
    assert (
        b'"args":{"b":1.0,"a":12345678901234567890}' in gemini.format_request(request, TARGET).body
    )


def test_made_ids_are_not_sent() -> None:
    own = {
        "contents": [
            *contents(),
            *contents({"functionCall": {"name": "f", "args": {"x": 1}}}, role="model"),
            *contents({"functionResponse": {"name": "f", "response": {"output": "A"}}}),
        ]
    }
    request = parse(own)
    assert wire(request) == own
    (call,) = request.messages[1].tool_calls
    (part,) = sent(user("go"), model(call), results(a_result(call.id)))[2]["parts"]
    assert part == {"functionResponse": {"name": "f", "response": {"output": "ok"}}}


# -- other parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "wired", "fields"),
    [
        (ImageContent(source=PNG), {"inlineData": {"mimeType": "image/png", "data": PNG.data}}, []),
        (
            ImageContent(source=MediaSource("base64", data=PNG.data)),
            {"inlineData": {"mimeType": "image/png", "data": PNG.data}},
            [],
        ),
        (
            ImageContent(source=MediaSource("url", url=f"data:image/png;base64,{PNG.data}")),
            {"inlineData": {"mimeType": "image/png", "data": PNG.data}},
            [],
        ),
        (
            ImageContent(source=MediaSource("url", url="https://e.com/a.jpg?x=1")),
            {"fileData": {"fileUri": "https://e.com/a.jpg?x=1", "mimeType": "image/jpeg"}},
            ["part.image"],
        ),
        (
            ImageContent(source=PNG, detail="low"),
            {
                "inlineData": {"mimeType": "image/png", "data": PNG.data},
                "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
            },
            ["part.image.detail"],
        ),
        (
            DocumentContent(source=PDF, filename="a.pdf"),
            {"inlineData": {"mimeType": "application/pdf", "data": PDF.data}},
            [],
        ),
        (
            DocumentContent(source=MediaSource("url", url="https://e.com/a.pdf")),
            {"fileData": {"fileUri": "https://e.com/a.pdf", "mimeType": "application/pdf"}},
            ["part.document.url"],
        ),
        (
            DocumentContent(source=MediaSource("text", data="body"), title="T"),
            {"text": "T\nbody"},
            ["part.document"],
        ),
        (
            DocumentContent(blocks=(TextContent(text="x"), TextContent(text="y"))),
            {"text": "x\ny"},
            ["part.document"],
        ),
        (
            AudioContent(source=MediaSource("base64", data="AAAA", media_type="audio/mpeg")),
            {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
            [],
        ),
        (
            VideoContent(source=MediaSource("url", url="https://e.com/a.mp4")),
            {"fileData": {"fileUri": "https://e.com/a.mp4", "mimeType": "video/mp4"}},
            ["part.image"],
        ),
        (
            SearchResultContent(source="S", title="T", blocks=(TextContent(text="x"),)),
            {"text": "T\nS\n\nx"},
            ["part.search_result"],
        ),
        (RefusalContent(text="no"), {"text": "no"}, ["part.refusal"]),
    ],
)
def test_parts(part: Any, wired: Any, fields: list[str]) -> None:
    request = asked(user(part))
    assert wire(request)["contents"][0]["parts"] == [wired]
    assert noted(request) == fields


def test_a_document_with_a_title() -> None:
    request = asked(user(DocumentContent(source=PDF, title="T", context="C")))
    text, pdf = wire(request)["contents"][0]["parts"]
    assert text == {"text": "T\nC"}
    assert pdf["inlineData"]["mimeType"] == "application/pdf"
    assert noted(request) == ["part.document.title"]


@pytest.mark.parametrize(
    "part",
    [
        ImageContent(source=MediaSource("file_id", file_id="file-1")),
        DocumentContent(source=MediaSource("file_id", file_id="file-1")),
        VideoContent(source=MediaSource("file_id", file_id="file-1")),
    ],
)
def test_files_of_another_provider_are_refused(part: Any) -> None:
    assert refused(asked(user(part))) == "messages[0].content[0]"


@pytest.mark.parametrize(
    ("part", "capability"),
    [
        (ImageContent(source=PNG), "images"),
        (DocumentContent(source=PDF), "documents"),
        (AudioContent(source=MediaSource("base64", data="AAAA")), "audio"),
    ],
)
def test_media_a_model_is_known_not_to_take(part: Any, capability: str) -> None:
    assert refused(asked(user(part)), target(**{capability: False})) == "messages[0].content[0]"


def test_tools_another_provider_ran_become_notes() -> None:
    call = ServerToolCallContent(
        id="s1", tool="web_search", name="web_search", dialect="x", raw=Raw(b"{}"), arguments="q"
    )
    result = ServerToolResultContent(
        tool_call_id="s1", tool="web_search", dialect="x", raw=Raw(b"{}")
    )
    request = asked(user("go"), model(call, result, "done"))
    parts = wire(request)["contents"][1]["parts"]
    assert parts == [{"text": "[web search: q]"}, {"text": "done"}]
    assert noted(request) == ["part.server_tool"]


# -- tools ---------------------------------------------------------------------------------------


def tools_of(*tools: Any, **fields: Any) -> Any:
    return wire(asked(user("hi"), tools=tools, **fields)).get("tools")


def test_functions_stand_in_one_entry() -> None:
    assert tools_of(
        FunctionTool(name="f", description="F", parameters=SCHEMA), FunctionTool(name="g")
    ) == [
        {
            "functionDeclarations": [
                {
                    "name": "f",
                    "description": "F",
                    "parametersJsonSchema": json.loads(bytes(SCHEMA)),
                },
                {"name": "g"},
            ]
        }
    ]


@pytest.mark.parametrize(
    "schema",
    [
        b'{"type":"object","properties":{}}',
        b'{"type":"object","properties":{},"additionalProperties":false,"$schema":"x"}',
        b'{"type":"object"}',
        b"{}",
    ],
)
def test_T72_no_parameters_at_all(schema: bytes) -> None:
    (entry,) = tools_of(FunctionTool(name="f", parameters=Raw(schema)))
    assert entry == {"functionDeclarations": [{"name": "f"}]}


def test_T75_illegal_names_are_rewritten_and_mapped_back() -> None:
    long = "a" * 130
    names = ("my tool", "1st", "ok.name:x-y", long, "my_tool")
    request = asked(
        user("hi"),
        model(a_call("c1", "my tool")),
        tools=tuple(FunctionTool(name=name) for name in names),
        tool_choice=ToolChoice(mode="function", name="1st"),
    )
    made = gemini.format_request(request, TARGET)
    body = json.loads(made.body)
    written = [f["name"] for f in body["tools"][0]["functionDeclarations"]]
    assert len(set(written)) == len(names)
    assert written[2] == "ok.name:x-y"
    assert written[1] == "_1st"
    assert all(len(name) <= 128 for name in written)
    assert [made.tool_names.get(name, name) for name in written] == list(names)
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == written[0]
    calling = body["toolConfig"]["functionCallingConfig"]
    assert calling == {"mode": "ANY", "allowedFunctionNames": ["_1st"]}


def test_two_tools_of_one_name() -> None:
    twice = (FunctionTool(name="f"), FunctionTool(name="f"))
    assert refused(asked(user("hi"), tools=twice)) == "tools[1].name"


def test_custom_tools_become_functions() -> None:
    request = asked(user("hi"), tools=(CustomTool(name="sh", format=Raw(b'{"type":"text"}')),))
    made = gemini.format_request(request, TARGET)
    (function,) = json.loads(made.body)["tools"][0]["functionDeclarations"]
    assert function["parametersJsonSchema"]["properties"] == {"input": {"type": "string"}}
    assert made.custom_tools == {"sh"}
    assert noted(request) == ["tool.custom"]


@pytest.mark.parametrize(
    ("kind", "wired"),
    [
        ("web_search", {"googleSearch": {}}),
        ("code_execution", {"codeExecution": {}}),
        ("web_fetch", {"urlContext": {}}),
        ("advisor", None),
    ],
)
def test_server_tools_with_a_counterpart(kind: str, wired: Any) -> None:
    tool = ServerTool(kind=kind, dialect="anthropic-messages", raw=Raw(b"{}"))
    assert tools_of(tool) == (None if wired is None else [wired])
    assert noted(asked(user("hi"), tools=(tool,))) == [
        "web_search" if kind == "web_search" else "tool.server"
    ]


def test_chats_web_search() -> None:
    request = asked(user("hi"), web_search=Raw(b"{}"))
    assert wire(request)["tools"] == [{"googleSearch": {}}]
    assert noted(request) == ["web_search"]


F, G = FunctionTool(name="f"), FunctionTool(name="g")


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        (None, None),
        (ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (
            ToolChoice(mode="function", name="f"),
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
        (
            ToolChoice(mode="allowed", names=("f", "x"), forced=True),
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
        (
            ToolChoice(mode="allowed", names=("f",)),
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_tool_choice(choice: ToolChoice | None, calling: Any) -> None:
    found = wire(asked(user("hi"), tools=(F, G), tool_choice=choice)).get("toolConfig")
    assert found == (None if calling is None else {"functionCallingConfig": calling})


def test_T11_a_choice_without_tools_is_dropped() -> None:
    assert "toolConfig" not in wire(asked(user("hi"), tool_choice=ToolChoice(mode="auto")))


@pytest.mark.parametrize(
    "choice",
    [ToolChoice(mode="function", name="x"), ToolChoice(mode="server", name="web_search")],
)
def test_T73_a_forced_tool_that_is_not_there(choice: ToolChoice) -> None:
    assert refused(asked(user("hi"), tools=(F,), tool_choice=choice)) == "tool_choice"


def test_a_model_that_cannot_be_forced() -> None:
    request = asked(user("hi"), tools=(F,), tool_choice=ToolChoice(mode="required"))
    to = target(forced_tool_choice=False)
    assert wire(request, to)["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}
    assert noted(request, to) == ["tool_choice.forced"]


@pytest.mark.parametrize(
    ("strict", "choice", "mode"),
    [
        ((True, True), None, "VALIDATED"),
        ((True, True), ToolChoice(mode="auto"), "VALIDATED"),
        ((True, True), ToolChoice(mode="required"), "ANY"),
        ((True, False), ToolChoice(mode="auto"), "AUTO"),
    ],
)
def test_strict_is_for_all_tools_or_none(
    strict: tuple[bool, bool], choice: ToolChoice | None, mode: str
) -> None:
    tools = (FunctionTool(name="f", strict=strict[0]), FunctionTool(name="g", strict=strict[1]))
    request = asked(user("hi"), tools=tools, tool_choice=choice)
    assert wire(request)["toolConfig"]["functionCallingConfig"]["mode"] == mode
    assert noted(request) == ["tool.strict"]


# -- generationConfig ----------------------------------------------------------------------------


def generation(to: Any = TARGET, **fields: Any) -> Any:
    return wire(asked(user("hi"), **fields), to).get("generationConfig")


def test_T01_zero_is_a_value() -> None:
    assert generation(temperature=0.0, top_p=0.0, seed=0, presence_penalty=0.0) == {
        "temperature": 0.0,
        "topP": 0.0,
        "presencePenalty": 0.0,
        "seed": 0,
    }


def test_limits_and_sampling() -> None:
    assert generation(
        max_tokens=100,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        n=2,
        stop=("a", "b"),
        frequency_penalty=0.1,
        logprobs=True,
        top_logprobs=3,
    ) == {
        "maxOutputTokens": 100,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "frequencyPenalty": 0.1,
        "responseLogprobs": True,
        "logprobs": 3,
        "candidateCount": 2,
        "stopSequences": ["a", "b"],
    }


def test_five_stop_sequences_at_most() -> None:
    assert generation(stop=tuple("abcdefg"))["stopSequences"] == list("abcde")
    own = parse(generationConfig={"stopSequences": list("abcdefg")})
    assert wire(own)["generationConfig"]["stopSequences"] == list("abcdefg")


def test_a_large_seed_is_cut_to_32_bits() -> None:
    assert generation(seed=2**40 + 7)["seed"] == 7


def test_what_a_model_is_known_to_take() -> None:
    assert generation(target(max_output_tokens=50), max_tokens=100) == {"maxOutputTokens": 50}
    assert generation(target(temperature_max=1.0), temperature=1.5) == {"temperature": 1.0}
    assert generation(target(sampling="none"), temperature=1.5, seed=1) == {"seed": 1}


def test_structured_output() -> None:
    schema = ResponseFormat(type="json_schema", schema=SCHEMA, name="x", strict=True)
    assert generation(response_format=schema) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": json.loads(bytes(SCHEMA)),
    }
    assert generation(response_format=ResponseFormat(type="json_object")) == {
        "responseMimeType": "application/json"
    }
    assert generation(response_format=ResponseFormat(type="text")) is None
    grammar = asked(user("hi"), response_format=ResponseFormat(type="grammar"))
    assert refused(grammar) == "response_format"


def test_a_model_without_schemas_is_told_the_schema() -> None:
    form = ResponseFormat(type="json_schema", schema=SCHEMA)
    request = asked(user("hi"), response_format=form)
    body = wire(request, target(json_schema=False))
    assert body["generationConfig"] == {"responseMimeType": "application/json"}
    assert bytes(SCHEMA).decode() in body["systemInstruction"]["parts"][0]["text"]


def test_modalities() -> None:
    assert generation(modalities=("text",)) is None
    assert generation(modalities=("text", "audio")) == {"responseModalities": ["TEXT", "AUDIO"]}


# -- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "tier"),
    [
        ({"service_tier": "auto"}, None),
        ({"service_tier": "default"}, "standard"),
        ({"service_tier": "standard"}, "standard"),
        ({"service_tier": "flex"}, "flex"),
        ({"service_tier": "scale"}, None),
        ({"speed": "fast"}, "priority"),
    ],
)
def test_service_tier(fields: Any, tier: str | None) -> None:
    assert wire(asked(user("hi"), **fields)).get("serviceTier") == tier


def test_state_of_another_provider_is_refused() -> None:
    state = {"previous_response_id": Raw(b'"resp_1"')}
    assert refused(asked(user("hi"), server_state=state)) == "previous_response_id"


def test_everything_of_this_dialect_goes_back() -> None:
    body = {
        "contents": contents(),
        "systemInstruction": {"parts": [{"text": "Be brief"}]},
        "tools": [
            {"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]},
            {"googleSearch": {"x": 1}},
        ],
        "toolConfig": {
            "functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
            "retrievalConfig": {"languageCode": "de"},
            "includeServerSideToolInvocations": True,
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "generationConfig": {
            "responseModalities": ["TEXT"],
            "speechConfig": {"languageCode": "de"},
            "thinkingConfig": {"includeThoughts": False, "thinkingLevel": "XHIGH"},
            "responseLogprobs": False,
            "responseMimeType": "text/plain",
        },
        "cachedContent": "cachedContents/1",
        "continuationToken": "t",
        "labels": {"team": "a"},
        "serviceTier": "priority",
        "store": True,
        "modelArmorConfig": {"x": 1},
    }
    request = parse(body)
    assert wire(request) == body
    assert noted(request) == []


def test_T19_equal_requests_give_equal_bytes() -> None:
    request = asked(user("go"), CALLS, results(a_result("call_a"), a_result("call_b")))
    first, second = (gemini.format_request(request, TARGET).body for _ in range(2))
    assert first == second


def test_names_of_participants_are_lost() -> None:
    request = asked(UnifiedMessage(role="user", name="ann", content=(TextContent(text="hi"),)))
    assert noted(request) == ["message.name"]


def test_cache_warming_is_refused_from_others() -> None:
    assert refused(asked(user("hi"), max_tokens=0)) == "max_tokens"
    source = Source(dialect="gemini")
    assert wire(asked(user("hi"), max_tokens=0, source=source))["generationConfig"] == {
        "maxOutputTokens": 0
    }
