"""A client's generateContent body read into the canonical request."""

import base64
import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.unified.content import (
    AudioContent,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    ClientBuiltinTool,
    FunctionTool,
    Reasoning,
    ResponseFormat,
    ServerTool,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)
from tests.transformers.gemini.support import OWN, config, contents, parse, parsed_parts

PNG = "iVBORw0KGgoAAAANSUhEUg=="
SCHEMA = {
    "type": "OBJECT",
    "properties": {"city": {"type": "STRING", "nullable": True}},
    "required": ["city"],
}


def loads(raw: Raw | None) -> Any:
    assert raw is not None
    return json.loads(bytes(raw))


def refused(body: dict[str, Any]) -> str | None:
    with pytest.raises(PlexusError) as found:
        parse(body)
    assert found.value.error.http_status == 400
    return found.value.error.param


# -- contents ------------------------------------------------------------------------------------


def test_roles() -> None:
    request = parse(
        contents=[
            {"parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b"}]},
            {"role": "function", "parts": [{"text": "c"}]},
        ]
    )
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]
    assert refused({"contents": [{"role": "system", "parts": []}]}) == "contents[0].role"


@pytest.mark.parametrize(
    "body",
    [
        {"contents": {"parts": {"text": "Hi"}}},
        {"contents": [{"role": "user", "parts": {"text": "Hi"}}]},
        {"contents": "Hi"},
        {"contents": ["Hi"]},
    ],
)
def test_shorter_forms_of_contents(body: dict[str, Any]) -> None:
    assert parse(body).messages[0].content == (TextContent(text="Hi"),)


@pytest.mark.parametrize("body", [{}, {"contents": []}, {"contents": None}])
def test_contents_are_required(body: dict[str, Any]) -> None:
    assert refused({"model": "x", **body}) == "contents"


@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
@pytest.mark.parametrize(
    "value",
    [
        {"role": "user", "parts": [{"text": "Be"}, {"text": "brief"}]},
        {"parts": [{"text": "Be"}, {"text": "brief"}]},
    ],
)
def test_system_instruction(name: str, value: Any) -> None:
    system, user = parse(**{name: value}).messages
    assert system.role == "system"
    assert system.content == (TextContent(text="Be"), TextContent(text="brief"))
    assert user.role == "user"


def test_a_system_instruction_as_text() -> None:
    assert parse(systemInstruction="Be brief").messages[0].text == "Be brief"
    assert parse(systemInstruction={"parts": []}).messages[0].role == "user"


def test_events_that_a_client_kept_as_contents_are_one_turn() -> None:
    """Google's SDK keeps each event of a stream as a content of its own."""
    request = parse(
        contents=[
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b"}]},
            {"role": "model", "parts": [{"text": "c"}]},
            {"role": "user", "parts": [{"text": "d"}]},
        ]
    )
    assert [m.text for m in request.messages] == ["a", "bc", "d"]
    # Nor may whoever joins the parts with line breaks put some into a word.
    assert request.messages[1].content == (TextContent(text="bc"),)


def test_the_last_event_that_a_client_kept_says_nothing() -> None:
    """It has the finish and an empty text, also after a call."""
    call = {"functionCall": {"id": "a1", "name": "look", "args": {}}}
    request = parse(
        contents=[
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b", "thoughtSignature": "c2ln"}]},
            {"role": "model", "parts": [{"text": "c"}]},
            {"role": "model", "parts": [call]},
            {"role": "model", "parts": [{"text": ""}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {}}}]},
        ]
    )
    signed, text, called = request.messages[1].content
    assert signed == TextContent(text="b", proof=OWN)
    assert text == TextContent(text="c")
    assert isinstance(called, ToolCallContent)


# -- parts ---------------------------------------------------------------------------------------


def test_text_thought_and_signature() -> None:
    found = parsed_parts(
        {"text": "Hm", "thought": True},
        {"text": "Yes", "thoughtSignature": "c2ln"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"thoughtSignature": "c2ln"},
        {"text": "No", "thought": False},
        role="model",
    )
    assert found == (
        ThinkingContent(text="Hm"),
        TextContent(text="Yes", proof=OWN),
        TextContent(text="", proof=OWN),
        TextContent(text="", proof=OWN),
        TextContent(text="No"),
    )


@pytest.mark.parametrize(
    "part",
    [
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
        {"inline_data": {"mime_type": "image/png", "data": PNG}},
        {"inlineData": {"data": PNG}},
        {"inlineData": {"mimeType": "IMAGE/PNG", "data": PNG.rstrip("=")}},
    ],
)
def test_T16_images_in_either_spelling(part: dict[str, Any]) -> None:
    source = MediaSource("base64", data=PNG, media_type="image/png")
    assert parsed_parts(part) == (ImageContent(source=source),)


def test_T85_base64_is_mended_or_refused() -> None:
    (image,) = parsed_parts({"inlineData": {"mimeType": "image/jpg", "data": "_-8 \n"}})
    assert isinstance(image, ImageContent)
    assert image.source == MediaSource("base64", data="/+8=", media_type="image/jpeg")
    bad = contents({"inlineData": {"mimeType": "image/png", "data": "%%"}})
    assert refused({"contents": bad}) == "contents[0].parts[0].inlineData.data"


def test_media_by_their_type() -> None:
    found = parsed_parts(
        *(
            {"inlineData": {"mimeType": kind, "data": "AAAA"}}
            for kind in ("audio/mpeg", "video/mp4", "application/pdf", "text/csv")
        )
    )
    assert [type(part) for part in found] == [
        AudioContent,
        VideoContent,
        DocumentContent,
        DocumentContent,
    ]
    assert isinstance(found[0], AudioContent)
    assert found[0].format == "mp3"


def test_files_and_addresses() -> None:
    uris = (
        "https://example.com/a.png",
        "https://generativelanguage.googleapis.com/v1beta/files/abc",
        "gs://bucket/a.png",
    )
    url, file, bucket = parsed_parts(
        *({"fileData": {"fileUri": uri, "mimeType": "image/png"}} for uri in uris)
    )
    assert isinstance(url, ImageContent)
    assert url.source == MediaSource("url", url=uris[0], media_type="image/png")
    for part, uri in ((file, uris[1]), (bucket, uris[2])):
        assert isinstance(part, ImageContent)
        assert part.source == MediaSource(
            "file_id", file_id=uri, media_type="image/png", provider="gemini"
        )
    (video,) = parsed_parts({"fileData": {"fileUri": "https://youtu.be/abc"}})
    assert isinstance(video, VideoContent)


def test_resolution_of_an_image() -> None:
    (image,) = parsed_parts(
        {
            "inlineData": {"mimeType": "image/png", "data": PNG},
            "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"},
        }
    )
    assert isinstance(image, ImageContent)
    assert (image.detail, image.ext) == ("high", {})


def test_tools_that_google_runs() -> None:
    code, result, call, response = parsed_parts(
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "no"}},
        {"toolCall": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["x"]}}},
        {"toolResponse": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "response": {}}},
        role="model",
    )
    assert isinstance(code, ServerToolCallContent)
    assert (code.tool, code.arguments) == ("code_execution", '{"language":"PYTHON","code":"1+1"}')
    assert isinstance(result, ServerToolResultContent)
    assert result.is_error
    assert isinstance(call, ServerToolCallContent)
    assert (call.id, call.tool, call.arguments) == ("t1", "web_search", '{"queries":["x"]}')
    assert isinstance(response, ServerToolResultContent)
    assert response.tool_call_id == "t1"


def test_unknown_members_and_parts_are_kept() -> None:
    text, odd = parsed_parts({"text": "a", "partMetadata": {"x": 1}}, {"hologram": {"x": 1.0}})
    assert text.ext == {"gemini": {"partMetadata": Raw(b'{"x":1}')}}
    assert isinstance(odd, OpaqueContent)
    assert loads(odd.raw) == {"hologram": {"x": 1.0}}


# -- calls and results ---------------------------------------------------------------------------


def turns(*rows: tuple[str, list[Any]]) -> tuple[UnifiedMessage, ...]:
    return parse(contents=[{"role": role, "parts": parts} for role, parts in rows]).messages


def fc(name: str, **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **fields}}


def fr(name: str, **fields: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": name}, **fields}}


def ids(message: UnifiedMessage) -> list[str]:
    return [
        part.id if isinstance(part, ToolCallContent) else part.tool_call_id
        for part in message.content
        if isinstance(part, ToolCallContent | ToolResultContent)
    ]


def test_T69_results_without_ids_are_paired_by_name_and_order() -> None:
    _, model, tool = turns(
        ("user", [{"text": "go"}]),
        ("model", [fc("a"), fc("b"), fc("a")]),
        ("user", [fr("b"), fr("a"), fr("a")]),
    )
    first, second, third = ids(model)
    assert len({first, second, third}) == 3
    assert ids(tool) == [second, first, third]


def test_results_that_name_their_call() -> None:
    _, model, tool = turns(
        ("user", [{"text": "go"}]),
        ("model", [fc("a", id="x1"), fc("a", id="x2"), fc("a")]),
        ("user", [fr("a"), fr("a", id="x2"), fr("a", id="x1")]),
    )
    made = ids(model)[2]
    assert ids(model)[:2] == ["x1", "x2"]
    assert ids(tool) == [made, "x2", "x1"]


def test_a_result_of_a_later_turn_does_not_answer_an_earlier_call() -> None:
    messages = turns(
        ("user", [{"text": "go"}]),
        ("model", [fc("a"), fc("a")]),
        ("user", [fr("a")]),
        ("model", [fc("a")]),
        ("user", [fr("a")]),
    )
    assert ids(messages[4]) == ids(messages[3])
    assert ids(messages[3])[0] not in ids(messages[1])


def test_made_ids_are_stable() -> None:
    rows = (("user", [{"text": "go"}]), ("model", [fc("a")]), ("user", [fr("a")]))
    assert turns(*rows) == turns(*rows)
    (made,) = ids(turns(*rows)[1])
    assert made.startswith("call_")
    assert len(made) <= 40


def test_arguments_keep_their_text() -> None:
    _, model = turns(
        ("user", [{"text": "go"}]), ("model", [fc("a", args={"x": 1.0, "y": [True]}), fc("b")])
    )
    assert [call.arguments for call in model.tool_calls] == ['{"x":1.0,"y":[true]}', "{}"]


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "Rain"}, "Rain", False),
        ({"output": {"a": 1}}, '{"a":1}', False),
        ({"result": "Rain"}, '{"result":"Rain"}', False),
        ({"output": "Rain", "more": 1}, '{"output":"Rain","more":1}', False),
        ({"error": "no city"}, "no city", True),
        ({"error": {"code": 1}}, '{"code":1}', True),
        ({"output": [1, 2]}, "[1,2]", False),
        ({}, "{}", False),
    ],
)
def test_what_a_result_says(response: Any, text: str, is_error: bool) -> None:
    _, _, tool = turns(
        ("user", [{"text": "go"}]),
        ("model", [fc("a")]),
        ("user", [fr("a", response=response)]),
    )
    (result,) = tool.content
    assert isinstance(result, ToolResultContent)
    assert (result.content, result.is_error) == ((TextContent(text=text),), is_error)
    assert result.name == "a"


def test_media_in_a_result_and_text_beside_it() -> None:
    media = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    _, _, tool, user = turns(
        ("user", [{"text": "go"}]),
        ("model", [fc("a")]),
        ("user", [{"text": "and"}, fr("a", parts=[media])]),
    )
    (result,) = tool.content
    assert isinstance(result, ToolResultContent)
    assert isinstance(result.content[1], ImageContent)
    assert (user.role, user.text) == ("user", "and")


def test_results_of_calls_google_made_itself() -> None:
    messages = turns(
        ("user", [{"text": "go"}]),
        ("model", [fc("a"), fr("a"), {"text": "done"}]),
    )
    assert [message.role for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert ids(messages[1]) == ids(messages[2])


# -- tools and choice ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        {"parameters": SCHEMA},
        {
            "parametersJsonSchema": {
                "type": "object",
                "properties": {"city": {"type": ["string", "null"]}},
                "required": ["city"],
            }
        },
        {
            "parameters_json_schema": {
                "type": "object",
                "properties": {"city": {"type": ["string", "null"]}},
                "required": ["city"],
            }
        },
    ],
)
def test_functions_in_either_schema(function: dict[str, Any]) -> None:
    declared = {"name": "weather", "description": "Tells it.", **function}
    (tool,) = parse(tools=[{"functionDeclarations": [declared]}]).tools
    assert isinstance(tool, FunctionTool)
    assert (tool.name, tool.description) == ("weather", "Tells it.")
    assert loads(tool.parameters) == {
        "type": "object",
        "properties": {"city": {"type": ["string", "null"]}},
        "required": ["city"],
    }


def test_all_tools_of_all_entries() -> None:
    tools = parse(
        tools=[
            {"function_declarations": [{"name": "a"}, {"name": "b"}], "google_search": {}},
            {"codeExecution": {}},
            {"urlContext": {}},
            {"computerUse": {"environment": "ENVIRONMENT_BROWSER"}},
        ]
    ).tools
    assert [tool.name for tool in tools[:2]] == ["a", "b"]
    assert [
        (type(t), t.kind) for t in tools[2:] if isinstance(t, ServerTool | ClientBuiltinTool)
    ] == [
        (ServerTool, "web_search"),
        (ServerTool, "code_execution"),
        (ServerTool, "url_context"),
        (ClientBuiltinTool, "computer"),
    ]
    search = tools[2]
    assert isinstance(search, ServerTool)
    assert loads(search.raw) == {"googleSearch": {}}


@pytest.mark.parametrize(
    ("calling", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice(mode="auto")),
        ({"mode": "none"}, ToolChoice(mode="none")),
        ({"mode": "ANY"}, ToolChoice(mode="required")),
        ({"mode": 2}, ToolChoice(mode="required")),
        (
            {"mode": "ANY", "allowedFunctionNames": ["a"]},
            ToolChoice(mode="function", name="a"),
        ),
        (
            {"mode": "ANY", "allowed_function_names": ["a", "b"]},
            ToolChoice(mode="allowed", names=("a", "b"), forced=True),
        ),
        (
            {"mode": "VALIDATED", "allowedFunctionNames": ["a"]},
            ToolChoice(mode="allowed", names=("a",)),
        ),
        ({"mode": "MODE_UNSPECIFIED"}, None),
        ({}, None),
    ],
)
def test_tool_choice(calling: Any, choice: ToolChoice | None) -> None:
    assert parse(toolConfig={"functionCallingConfig": calling}).tool_choice == choice


def test_validated_is_strict_where_others_can_be() -> None:
    safe = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    request = parse(
        tools=[
            {
                "functionDeclarations": [
                    {"name": "safe", "parametersJsonSchema": safe},
                    {"name": "loose", "parameters": SCHEMA},
                    {"name": "bare"},
                ]
            }
        ],
        toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}},
    )
    assert [tool.strict for tool in request.tools if isinstance(tool, FunctionTool)] == [
        True,
        None,
        None,
    ]
    assert request.extra == {
        "gemini": {"toolConfig.functionCallingConfig.mode": Raw(b'"VALIDATED"')}
    }


# -- generationConfig ----------------------------------------------------------------------------


def test_sampling_and_limits() -> None:
    request = config(
        temperature=0,
        topP=0.9,
        topK=40.0,
        maxOutputTokens="2048",
        candidateCount=2,
        stopSequences=["a", "b"],
        presencePenalty=0.1,
        frequencyPenalty=0.2,
        seed=7,
        responseLogprobs=True,
        logprobs=3,
        responseModalities=["TEXT", "IMAGE"],
    )
    assert (request.temperature, request.top_p, request.top_k) == (0, 0.9, 40)
    assert (request.max_tokens, request.n, request.stop) == (2048, 2, ("a", "b"))
    assert (request.presence_penalty, request.frequency_penalty) == (0.1, 0.2)
    assert (request.seed, request.logprobs, request.top_logprobs) == (7, True, 3)
    assert request.modalities == ("text", "image")
    assert request.extra == {}


def test_T16_snake_case_is_read_too() -> None:
    camel = config(maxOutputTokens=5, thinkingConfig={"thinkingBudget": 0, "includeThoughts": True})
    snake = parse(
        generation_config={
            "max_output_tokens": 5,
            "thinking_config": {"thinking_budget": 0, "include_thoughts": True},
        }
    )
    assert snake == camel
    assert camel.max_tokens == 5


def test_T01_nothing_said_stays_nothing() -> None:
    request = parse()
    silent = UnifiedChatRequest(model="alias", messages=request.messages, source=request.source)
    assert request == silent


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({"responseMimeType": "application/json"}, ResponseFormat(type="json_object")),
        ({"responseMimeType": "text/plain"}, ResponseFormat(type="text")),
        ({}, None),
    ],
)
def test_forms_without_schema(fields: Any, form: ResponseFormat | None) -> None:
    assert config(**fields).response_format == form


@pytest.mark.parametrize(
    "fields",
    [
        {"responseSchema": SCHEMA},
        {"response_schema": SCHEMA},
        {
            "responseJsonSchema": {
                "type": "object",
                "properties": {"city": {"type": ["string", "null"]}},
                "required": ["city"],
            }
        },
    ],
)
def test_forms_with_a_schema(fields: Any) -> None:
    form = config(responseMimeType="application/json", **fields).response_format
    assert form is not None
    assert form.type == "json_schema"
    assert loads(form.schema)["properties"] == {"city": {"type": ["string", "null"]}}


def test_an_enum_is_no_json() -> None:
    request = config(responseMimeType="text/x.enum", responseSchema={"type": "STRING"})
    assert request.response_format is None
    assert set(request.extra["gemini"]) == {
        "generationConfig.responseMimeType",
        "generationConfig.responseSchema",
    }


@pytest.mark.parametrize(
    ("thinking", "reasoning"),
    [
        ({}, None),
        ({"includeThoughts": True}, Reasoning(include=True)),
        ({"thinkingBudget": 0}, Reasoning(max_tokens=0, enabled=False, mode="off")),
        ({"thinkingBudget": -1}, Reasoning(enabled=True, mode="adaptive")),
        ({"thinkingBudget": 512}, Reasoning(max_tokens=512, enabled=True, mode="budget")),
        ({"thinkingLevel": "HIGH"}, Reasoning(effort="high")),
        ({"thinkingLevel": "minimal"}, Reasoning(effort="minimal")),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, None),
    ],
)
def test_thinking(thinking: Any, reasoning: Reasoning | None) -> None:
    assert config(thinkingConfig=thinking).reasoning == reasoning


def test_a_level_nobody_knows() -> None:
    bad = {"contents": contents(), "generationConfig": {"thinkingConfig": {"thinkingLevel": "TOP"}}}
    assert refused(bad) == "generationConfig.thinkingConfig.thinkingLevel"


# -- the rest ------------------------------------------------------------------------------------


def test_other_fields() -> None:
    request = parse(
        safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        cachedContent="cachedContents/1",
        continuationToken="t",
        labels={"team": "a"},
        serviceTier="flex",
        store=False,
    )
    assert loads(request.safety_settings)[0]["threshold"] == "OFF"
    assert set(request.server_state) == {"cachedContent", "continuationToken"}
    assert (request.metadata, request.service_tier, request.store) == ({"team": "a"}, "flex", False)
    assert request.extra == {}


def test_unknown_fields_are_kept_by_their_path() -> None:
    request = parse(
        modelArmorConfig={"x": 1},
        generationConfig={"speechConfig": {"y": 2}},
        toolConfig={"retrievalConfig": {"languageCode": "de"}},
    )
    assert {name: loads(raw) for name, raw in request.extra["gemini"].items()} == {
        "modelArmorConfig": {"x": 1},
        "generationConfig.speechConfig": {"y": 2},
        "toolConfig.retrievalConfig": {"languageCode": "de"},
    }


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"generationConfig": {"stopSequences": "a"}}, "generationConfig.stopSequences"),
        ({"generationConfig": 1}, "generationConfig"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"tools": [1]}, "tools[0]"),
        ({"contents": [1]}, "contents[0]"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"inlineData": {}}]}]}, "contents[0].parts[0].inlineData.data"),
        ({"labels": {"a": 1}}, "labels"),
        (
            {"generationConfig": {"responseJsonSchema": 1}},
            "generationConfig.responseJsonSchema",
        ),
    ],
)
def test_wrong_types_name_their_path(body: dict[str, Any], param: str) -> None:
    assert refused({"contents": contents(), **body}) == param


def test_text_files_keep_their_bytes() -> None:
    data = base64.b64encode(b"hi").decode()
    (document,) = parsed_parts(
        {"inlineData": {"mimeType": "text/plain", "data": data, "displayName": "a.txt"}}
    )
    assert isinstance(document, DocumentContent)
    assert document.source == MediaSource("base64", data=data, media_type="text/plain")
    assert document.filename == "a.txt"
