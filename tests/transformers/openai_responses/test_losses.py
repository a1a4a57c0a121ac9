"""Every row of the loss tables has a case, and every warning is a row (design decision 8)."""

from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import fields
from plexus.transformers import openai_responses as responses
from plexus.transformers.capabilities import TargetModel
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    Citation,
    CompactionContent,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    SearchResultContent,
    ServerToolCallContent,
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
    PromptCache,
    Reasoning,
    ResponseFormat,
    ServerTool,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)
from plexus.unified.response import Choice, Finish, UnifiedChatResponse
from tests.transformers.openai_responses.support import TARGET, answered, asked, parse, target

HI = UnifiedMessage(role="user", content=(TextContent(text="hi"),))
NO_SAMPLING = target(sampling="none")
PDF = MediaSource("base64", data="AAAA", media_type="application/pdf")
FILE = MediaSource("file_id", file_id="f")
SIGNED = Proof("sig", "signature", Origin("anthropic"))
CALL = ToolCallContent(id="c1", name="f")
RAW = Raw(b"[1]")
SERVER_CALL = ServerToolCallContent(id="s", tool="w", name="w", dialect="other", raw=RAW)
EXT = {"other": {"x": RAW}}


def with_part(*parts: Content, role: Any = "user") -> UnifiedChatRequest:
    return asked(HI, UnifiedMessage(role=role, content=parts), HI)


def with_result(*content: Content, **flags: Any) -> UnifiedChatRequest:
    result = ToolResultContent(tool_call_id="c1", content=content, **flags)
    return asked(
        HI,
        UnifiedMessage(role="assistant", content=(CALL,)),
        UnifiedMessage(role="tool", content=(result,)),
    )


def with_tools(*tools: Any, **more: Any) -> UnifiedChatRequest:
    return asked(HI, tools=tools, **more)


REQUESTS: dict[str, tuple[UnifiedChatRequest, TargetModel]] = {
    "container": (asked(HI, container=RAW), TARGET),
    "context_management": (asked(HI, context_management=RAW), TARGET),
    "extra": (asked(HI, extra=EXT), TARGET),
    "frequency_penalty": (asked(HI, frequency_penalty=1.0), TARGET),
    "logit_bias": (asked(HI, logit_bias=RAW), TARGET),
    "max_tokens": (asked(HI, max_tokens=99), target(max_output_tokens=50)),
    "max_tokens.prewarm": (asked(HI, max_tokens=0), TARGET),
    "mcp_servers": (asked(HI, mcp_servers=RAW), TARGET),
    "message.ext": (asked(UnifiedMessage(role="user", content=HI.content, ext=EXT)), TARGET),
    "message.name": (asked(UnifiedMessage(role="user", content=HI.content, name="a")), TARGET),
    "message.prefill": (
        asked(HI, UnifiedMessage(role="assistant", content=(TextContent(text="{"),))),
        TARGET,
    ),
    "message.system_media": (
        asked(UnifiedMessage(role="system", content=(ImageContent(source=PDF),)), HI),
        TARGET,
    ),
    "message.system_only": (asked(UnifiedMessage(role="system", content=HI.content)), TARGET),
    "min_p": (asked(HI, min_p=0.1), TARGET),
    "modalities": (asked(HI, modalities=("text", "audio")), TARGET),
    "n": (asked(HI, n=2), TARGET),
    "parallel_tool_calls": (asked(HI, parallel_tool_calls=False), TARGET),
    "part.cache_control": (
        with_part(TextContent(text="x", cache_control=CacheControl())),
        TARGET,
    ),
    "part.compaction": (
        with_part(CompactionContent(dialect="other", raw=RAW, summary="s"), role="assistant"),
        TARGET,
    ),
    "part.document.citations_enabled": (
        with_part(DocumentContent(source=PDF, citations_enabled=True)),
        TARGET,
    ),
    "part.document.context": (with_part(DocumentContent(source=PDF, context="c")), TARGET),
    "part.document.file_id": (with_part(DocumentContent(source=FILE)), TARGET),
    "part.ext": (with_part(TextContent(text="x", ext=EXT)), TARGET),
    "part.image.file_id": (with_part(ImageContent(source=FILE)), TARGET),
    "part.opaque": (with_part(OpaqueContent(dialect="other", raw=RAW)), TARGET),
    "part.search_result": (with_part(SearchResultContent(source="s", title="t")), TARGET),
    "part.server_tool": (with_part(SERVER_CALL, role="assistant"), TARGET),
    "part.text.citations": (
        with_part(TextContent(text="x", citations=(Citation(kind="url"),)), role="assistant"),
        TARGET,
    ),
    "part.thinking": (with_part(ThinkingContent(text="hm"), role="assistant"), TARGET),
    "part.thinking.foreign": (
        with_part(ThinkingContent(text="hm", proof=SIGNED), role="assistant"),
        TARGET,
    ),
    "part.tool_result.is_error": (with_result(is_error=True), TARGET),
    "part.tool_call.proof": (
        asked(
            HI,
            UnifiedMessage(
                role="assistant", content=(ToolCallContent(id="c1", name="f", proof=SIGNED),)
            ),
            UnifiedMessage(
                role="tool", content=(ToolResultContent(tool_call_id="c1", content=HI.content),)
            ),
            tools=(FunctionTool(name="f"),),
        ),
        TARGET,
    ),
    "part.tool_result.missing": (with_part(CALL, role="assistant"), TARGET),
    "part.tool_result.orphan": (
        asked(HI, UnifiedMessage(role="tool", content=(ToolResultContent(tool_call_id="x"),))),
        TARGET,
    ),
    "part.audio.input": (with_part(AudioContent(source=PDF)), target(audio=False)),
    "part.document.input": (with_part(DocumentContent(source=PDF)), target(documents=False)),
    "part.image.input": (with_part(ImageContent(source=PDF)), target(images=False)),
    "part.video": (with_part(VideoContent(source=PDF)), TARGET),
    "prediction": (asked(HI, prediction=RAW), TARGET),
    "presence_penalty": (asked(HI, presence_penalty=1.0), TARGET),
    "prompt_cache": (asked(HI, prompt_cache=PromptCache(auto=CacheControl())), TARGET),
    "reasoning.budget": (asked(HI, reasoning=Reasoning(max_tokens=9)), TARGET),
    "reasoning.effort": (asked(HI, reasoning=Reasoning(effort="high")), target(efforts=("low",))),
    "reasoning.off": (asked(HI, reasoning=Reasoning(mode="off")), target(efforts=("low",))),
    "region": (asked(HI, region="eu"), TARGET),
    "repetition_penalty": (asked(HI, repetition_penalty=1.1), TARGET),
    "response_format.grammar": (
        asked(HI, response_format=ResponseFormat(type="grammar")),
        TARGET,
    ),
    "response_format.schema": (
        asked(HI, response_format=ResponseFormat(type="json_schema", schema=Raw(b"{}"))),
        target(json_schema=False),
    ),
    "safety_settings": (asked(HI, safety_settings=RAW), TARGET),
    "seed": (asked(HI, seed=1), TARGET),
    "server_state": (asked(HI, server_state={"conversation": RAW}), TARGET),
    "service_tier": (asked(HI, service_tier="batch"), TARGET),
    "speed": (asked(HI, speed="fast"), TARGET),
    "stop": (asked(HI, stop=("a",)), TARGET),
    "store": (asked(HI, store=True), TARGET),
    "temperature": (asked(HI, temperature=1.0), NO_SAMPLING),
    "temperature.range": (asked(HI, temperature=1.9), target(temperature_max=1.0)),
    "tool.builtin": (with_tools(ClientBuiltinTool(kind="bash", dialect="other", raw=RAW)), TARGET),
    "tool.code_execution": (
        with_tools(ServerTool(kind="code_execution", dialect="other", raw=RAW)),
        TARGET,
    ),
    "tool.ext": (with_tools(FunctionTool(name="f", ext=EXT)), TARGET),
    "tool.name": (with_tools(FunctionTool(name="a.b")), TARGET),
    "tool.server": (with_tools(ServerTool(kind="maps", dialect="other", raw=RAW)), TARGET),
    "tool.strict": (with_tools(FunctionTool(name="f", strict=True)), target(strict_tools=False)),
    "tool_choice.forced": (
        with_tools(FunctionTool(name="f"), tool_choice=ToolChoice(mode="required")),
        target(forced_tool_choice=False),
    ),
    "top_k": (asked(HI, top_k=1), TARGET),
    "top_p": (asked(HI, top_p=0.1), NO_SAMPLING),
    "user": (asked(HI, user="ann@example.org"), TARGET),
    "web_search": (asked(HI, web_search=Raw(b"{}")), TARGET),
}


def two_choices() -> UnifiedChatResponse:
    message = UnifiedMessage(role="assistant", content=(TextContent(text="x"),))
    choices = tuple(Choice(index=n, message=message, finish=Finish("stop")) for n in (0, 1))
    return UnifiedChatResponse(id="i", model="m", dialect="other", choices=choices)


RESPONSES: dict[str, UnifiedChatResponse] = {
    "response.audio": answered(AudioContent(transcript="t")),
    "response.choices": two_choices(),
    "response.image": answered(
        ImageContent(source=MediaSource("url", url="https://example.com/a.png"))
    ),
    "response.citations": answered(
        TextContent(text="x", citations=(Citation(kind="document_page"),))
    ),
    "response.compaction": answered(CompactionContent(dialect="other", raw=RAW)),
    "response.container": answered(ext={"other": {"container": RAW}}),
    "response.extra": answered(ext={"other": {"x": RAW}}),
    "response.finish": answered(finish="pause"),
    "response.opaque": answered(OpaqueContent(dialect="other", raw=RAW)),
    "response.server_tools": answered(SERVER_CALL),
    "response.service_tier": answered(service_tier="batch"),
    "response.stop_sequence": answered(finish=Finish("stop_sequence", stop_sequence="x")),
    "response.thinking.proof": answered(ThinkingContent(text="hm", proof=SIGNED)),
}


def test_every_row_has_a_case() -> None:
    assert REQUESTS.keys() == responses.REQUEST_LOSSES.keys()
    assert RESPONSES.keys() == responses.RESPONSE_LOSSES.keys()


@pytest.mark.parametrize("field", sorted(REQUESTS))
def test_request_row(field: str) -> None:
    row = responses.REQUEST_LOSSES[field]
    request, to = REQUESTS[field]
    if row.outcome == "refused":
        with pytest.raises(PlexusError) as caught:
            responses.format_request(request, to)
        assert caught.value.error.kind == "unsupported"
        return
    warnings = responses.format_request(request, to).warnings
    assert [warning.loss for warning in warnings] == ([] if row.silent else [row])


@pytest.mark.parametrize("field", sorted(RESPONSES))
def test_response_row(field: str) -> None:
    row = responses.RESPONSE_LOSSES[field]
    _, warnings = responses.format_response(RESPONSES[field], parse())
    assert [warning.loss for warning in warnings] == ([] if row.silent else [row])


def test_the_vocabulary_is_shared() -> None:
    said = responses.REQUEST_FIELDS | responses.REQUEST_LOSSES.keys()
    assert said <= fields.REQUEST_FIELDS
    answers = responses.RESPONSE_FIELDS | responses.RESPONSE_LOSSES.keys()
    assert answers <= fields.RESPONSE_FIELDS


@pytest.mark.parametrize("rows", [responses.REQUEST_LOSSES, responses.RESPONSE_LOSSES])
def test_rows_name_their_reference(rows: Any) -> None:
    assert all(".md" in row.reference and row.note for row in rows.values())
