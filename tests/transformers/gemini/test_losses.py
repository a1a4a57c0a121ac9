"""Every row of the loss tables has a case, and every warning is a row (design decision 8)."""

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers import fields, gemini
from plexus.transformers.capabilities import TargetModel
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    Citation,
    CompactionContent,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    RefusalContent,
    SearchResultContent,
    ServerToolCallContent,
    TextContent,
    ThinkingContent,
    VideoContent,
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
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)
from plexus.unified.response import Finish, UnifiedChatResponse
from tests.transformers.gemini.support import (
    CLAUDE,
    FLASH,
    TARGET,
    a_call,
    a_result,
    answered,
    asked,
    model,
    parse,
    results,
    target,
    user,
)

RAW = Raw(b"[1]")
NO_SAMPLING = target(sampling="none")
PNG = MediaSource("base64", data="AAAA", media_type="image/png")
PDF = MediaSource("base64", data="AAAA", media_type="application/pdf")
FILE = MediaSource("file_id", file_id="file-1")
CALL, RESULT = model(a_call("c1")), results(a_result("c1"))


def url(path: str) -> MediaSource:
    return MediaSource("url", url=f"https://e.x/{path}")


def said(*parts: Any) -> UnifiedChatRequest:
    return asked(user("hi"), model(*parts), user("go"))


def given(*parts: Any) -> UnifiedChatRequest:
    return asked(user(*parts))


def with_tool(tool: Any) -> UnifiedChatRequest:
    return asked(user("hi"), tools=(tool,))


def system(*parts: Any) -> UnifiedMessage:
    return UnifiedMessage(role="system", content=parts)


REQUESTS: dict[str, tuple[UnifiedChatRequest, TargetModel]] = {
    "audio": (asked(audio=RAW), TARGET),
    "container": (asked(container=RAW), TARGET),
    "context_management": (asked(context_management=RAW), TARGET),
    "extra": (asked(extra={"other": {"x": RAW}}), TARGET),
    "frequency_penalty": (asked(frequency_penalty=1.0), NO_SAMPLING),
    "include": (asked(include=("x",)), TARGET),
    "logit_bias": (asked(logit_bias=RAW), TARGET),
    "logprobs": (asked(logprobs=True), NO_SAMPLING),
    "max_tokens": (asked(max_tokens=100), target(max_output_tokens=50)),
    "max_tokens.prewarm": (asked(max_tokens=0), TARGET),
    "max_tool_calls": (asked(max_tool_calls=1), TARGET),
    "mcp_servers": (asked(mcp_servers=RAW), TARGET),
    "message.ext": (asked(user("hi", ext={"other": {"x": RAW}})), TARGET),
    "message.first_assistant": (asked(model("hi"), user("ho")), TARGET),
    "message.name": (asked(user("hi", name="ann")), TARGET),
    "message.system_media": (asked(system(ImageContent(source=PNG)), user("hi")), TARGET),
    "message.system_mid": (asked(user("hi"), system(TextContent(text="x"))), TARGET),
    "message.system_only": (asked(system(TextContent(text="x"))), TARGET),
    "metadata": (asked(metadata={"a": "b"}), TARGET),
    "min_p": (asked(min_p=0.1), TARGET),
    "modalities": (asked(modalities=("image",)), TARGET),
    "moderation": (asked(moderation=RAW), TARGET),
    "parallel_tool_calls": (
        asked(tools=(FunctionTool(name="f"),), parallel_tool_calls=False),
        TARGET,
    ),
    "part.cache_control": (
        given(TextContent(text="x", cache_control=CacheControl())),
        TARGET,
    ),
    "part.compaction": (said(CompactionContent(dialect="other", raw=RAW, summary="x")), TARGET),
    "part.document": (given(DocumentContent(source=MediaSource("text", data="x"))), TARGET),
    "part.document.citations_enabled": (
        given(DocumentContent(source=PDF, citations_enabled=True)),
        TARGET,
    ),
    "part.document.file_id": (given(DocumentContent(source=FILE)), TARGET),
    "part.document.title": (given(DocumentContent(source=PDF, title="T")), TARGET),
    "part.document.url": (given(DocumentContent(source=url("a.pdf"))), TARGET),
    "part.ext": (given(TextContent(text="x", ext={"other": {"x": RAW}})), TARGET),
    "part.image": (given(ImageContent(source=url("a.png"))), TARGET),
    "part.image.detail": (given(ImageContent(source=PNG, detail="low")), TARGET),
    "part.image.file_id": (given(ImageContent(source=FILE)), TARGET),
    "part.opaque": (said("x", OpaqueContent(dialect="other", raw=RAW)), TARGET),
    "part.refusal": (said(RefusalContent(text="no")), TARGET),
    "part.search_result": (given(SearchResultContent(source="s", title="t")), TARGET),
    "part.server_tool": (
        said(ServerToolCallContent(id="s", tool="w", name="w", dialect="other", raw=RAW)),
        TARGET,
    ),
    "part.text.citations": (
        said(TextContent(text="x", citations=(Citation("url", url="https://e.x"),))),
        TARGET,
    ),
    "part.thinking": (said(ThinkingContent(text="Hm"), "x"), TARGET),
    "part.thinking.foreign": (said(ThinkingContent(text="Hm", proof=CLAUDE), "x"), TARGET),
    "part.tool_call.arguments": (
        asked(user("hi"), model(a_call("c1", arguments="[1]")), RESULT),
        TARGET,
    ),
    "part.tool_call.custom": (
        asked(user("hi"), model(replace(a_call("c1"), kind="custom")), RESULT),
        TARGET,
    ),
    "part.tool_result.media": (
        asked(
            user("hi"),
            CALL,
            results(replace(a_result("c1"), content=(ImageContent(source=PNG),))),
        ),
        FLASH,
    ),
    "part.tool_result.missing": (asked(user("hi"), CALL), TARGET),
    "part.tool_result.orphan": (asked(user("hi"), RESULT), TARGET),
    "part.audio": (given(AudioContent(id="audio_1")), TARGET),
    "part.audio.input": (given(AudioContent(source=FILE)), target(audio=False)),
    "part.document.input": (given(DocumentContent(source=PDF)), target(documents=False)),
    "part.image.input": (given(ImageContent(source=PNG)), target(images=False)),
    "part.video.input": (given(VideoContent(source=FILE)), target(video=False)),
    "message.phase": (asked(user("hi", phase="commentary")), TARGET),
    "part.document.filename": (given(DocumentContent(source=PDF, filename="x.pdf")), TARGET),
    "response_format.name": (
        asked(response_format=ResponseFormat(type="json_schema", name="n", schema=RAW)),
        TARGET,
    ),
    "response_format.description": (
        asked(response_format=ResponseFormat(type="json_schema", description="d", schema=RAW)),
        TARGET,
    ),
    "part.video": (given(VideoContent(source=FILE)), TARGET),
    "prediction": (asked(prediction=RAW), TARGET),
    "presence_penalty": (asked(presence_penalty=1.0), NO_SAMPLING),
    "prompt_cache": (asked(prompt_cache=PromptCache(key="k")), TARGET),
    "reasoning.budget": (asked(reasoning=Reasoning(max_tokens=5000)), TARGET),
    "reasoning.effort": (asked(reasoning=Reasoning(effort="max")), TARGET),
    "reasoning.off": (asked(reasoning=Reasoning(effort="none")), TARGET),
    "reasoning.summary": (asked(reasoning=Reasoning(summary="auto")), TARGET),
    "region": (asked(region="eu"), TARGET),
    "repetition_penalty": (asked(repetition_penalty=1.1), TARGET),
    "response_format.grammar": (asked(response_format=ResponseFormat(type="grammar")), TARGET),
    "response_format.schema": (
        asked(response_format=ResponseFormat(type="json_schema", schema=Raw(b"{}"))),
        target(json_schema=False),
    ),
    "seed": (asked(seed=2**40), TARGET),
    "server_state": (asked(server_state={"conversation": RAW}), TARGET),
    "service_tier": (asked(service_tier="ultrafast"), TARGET),
    "speed": (asked(speed="fast"), TARGET),
    "stop": (asked(stop=tuple("abcdef")), TARGET),
    "store": (asked(store=True), TARGET),
    "temperature": (asked(temperature=1.0), NO_SAMPLING),
    "temperature.range": (asked(temperature=1.9), target(temperature_max=1.0)),
    "tool.builtin": (with_tool(ClientBuiltinTool(kind="bash", dialect="other", raw=RAW)), TARGET),
    "tool.custom": (with_tool(CustomTool(name="sh")), TARGET),
    "tool.ext": (with_tool(FunctionTool(name="f", ext={"other": {"x": RAW}})), TARGET),
    "tool.name": (with_tool(FunctionTool(name="a b")), TARGET),
    "tool.server": (with_tool(ServerTool(kind="advisor", dialect="other", raw=RAW)), TARGET),
    "tool.strict": (with_tool(FunctionTool(name="f", strict=True)), TARGET),
    "tool_choice.forced": (
        asked(tools=(FunctionTool(name="f"),), tool_choice=ToolChoice(mode="required")),
        target(forced_tool_choice=False),
    ),
    "top_k": (asked(top_k=1), NO_SAMPLING),
    "top_p": (asked(top_p=0.1), NO_SAMPLING),
    "truncation": (asked(truncation="auto"), TARGET),
    "user": (asked(user="ann@example.org"), TARGET),
    "verbosity": (asked(verbosity="low"), TARGET),
    "web_search": (asked(web_search=RAW), TARGET),
}

SERVER_CALL = ServerToolCallContent(id="s", tool="w", name="w", dialect="other", raw=RAW)
PLAIN = answered(TextContent(text="x"))
RESPONSES: dict[str, UnifiedChatResponse] = {
    "response.audio": answered(AudioContent(source=MediaSource("base64", data="AAAA"))),
    "response.citations": answered(
        TextContent(text="x", citations=(Citation(kind="document_page"),))
    ),
    "response.compaction": answered(CompactionContent(dialect="other", raw=RAW)),
    "response.extra": answered(ext={"other": {"x": RAW}}),
    "response.finish": answered(finish="pause"),
    "response.logprobs": replace(PLAIN, choices=(replace(PLAIN.choices[0], logprobs=RAW),)),
    "response.opaque": answered(OpaqueContent(dialect="other", raw=RAW)),
    "response.refusal": answered(RefusalContent(text="no")),
    "response.server_tools": answered(SERVER_CALL),
    "response.service_tier": answered(service_tier="ultrafast"),
    "response.stop_sequence": answered(finish=Finish("stop_sequence", stop_sequence="x")),
    "response.thinking.proof": answered(ThinkingContent(text="hm", proof=CLAUDE)),
    "response.tool_call.arguments": answered(a_call(arguments="[1]"), finish="tool_calls"),
    "response.tool_call.custom": answered(replace(a_call(), kind="custom"), finish="tool_calls"),
}


def test_every_row_has_a_case() -> None:
    assert REQUESTS.keys() == gemini.REQUEST_LOSSES.keys()
    assert RESPONSES.keys() == gemini.RESPONSE_LOSSES.keys()


@pytest.mark.parametrize("field", sorted(REQUESTS))
def test_request_row(field: str) -> None:
    row = gemini.REQUEST_LOSSES[field]
    request, to = REQUESTS[field]
    if row.outcome == "refused":
        with pytest.raises(PlexusError) as caught:
            gemini.format_request(request, to)
        assert caught.value.error.kind == "unsupported"
        return
    warnings = gemini.format_request(request, to).warnings
    assert [warning.loss for warning in warnings] == ([] if row.silent else [row])


@pytest.mark.parametrize("field", sorted(RESPONSES))
def test_response_row(field: str) -> None:
    row = gemini.RESPONSE_LOSSES[field]
    _, warnings = gemini.format_response(RESPONSES[field], parse())
    assert [warning.loss for warning in warnings] == ([] if row.silent else [row])


def test_the_vocabulary_is_shared() -> None:
    assert gemini.REQUEST_FIELDS | gemini.REQUEST_LOSSES.keys() <= fields.REQUEST_FIELDS
    assert gemini.RESPONSE_FIELDS | gemini.RESPONSE_LOSSES.keys() <= fields.RESPONSE_FIELDS


@pytest.mark.parametrize("rows", [gemini.REQUEST_LOSSES, gemini.RESPONSE_LOSSES])
def test_rows_name_their_reference(rows: Any) -> None:
    assert all("§" in row.reference or "→" in row.reference for row in rows.values())
    assert all(row.note for row in rows.values())
